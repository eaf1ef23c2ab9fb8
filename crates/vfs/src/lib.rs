//! Paths, mounts, open files; memory, device and proc filesystems; the page
//! cache.
//!
//! The layers, from the bottom:
//! - [`Inode`]: one file or directory of one filesystem ([`FileSystem`]).
//! - [`File`]: what an open file description does; sockets and pipes have
//!   their own, files of a filesystem share [`InodeFile`].
//! - [`OpenFile`]: Linux's open file description (offset, status flags), and
//!   [`FdTable`]: a process's descriptors.
//! - [`MountNamespace`]: the mount table and everything that takes a path.
//!
//! Everything here may sleep (locks, disk) unless it says otherwise, and
//! nothing here waits for readiness: an operation that cannot go on returns
//! `EAGAIN`, and its caller waits through [`paddock_sync::Pollable`].

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cache;
mod cut;
pub mod dev_fs;
mod device;
mod fd_table;
mod file;
mod fs_context;
mod fs_state;
mod handle;
mod inode;
mod inode_file;
pub mod lease;
pub mod mem_fs;
mod metadata;
pub mod notify;
mod observers;
mod open_file;
mod page;
pub mod path;
pub mod proc_fs;
mod rights;
mod seals;
mod write_count;
mod write_errors;
mod writers;

pub use cut::{length_was_set, on_cut};
pub use device::BlockDevice;
pub use fd_table::{FdEntry, FdTable, on_last_close};
pub use file::{File, IoctlArg, NoArg, stays_at_start};
pub use fs_context::{FsContext, Parameter};
pub use fs_state::{FsState, Reconfiguration};
pub use handle::FileHandle;
pub use inode::{
    Allocation, Created, DirEntry, EmitEntry, FileSystem, Inode, NewNode, SeekTo, SetXattr,
};
pub use inode_file::InodeFile;
pub use metadata::{
    ANONYMOUS_DEVICE, Clock, Details, FileKind, FsStats, Metadata, PIPE_DEVICE, SOCKET_DEVICE,
    SetMetadata, Timestamp,
};
pub use observers::CloseObserver;
pub use open_file::{Offset, OpenFile};
pub use paddock_cred::{Access, Cred};
pub use page::{CachePage, HeapPages, PAGE_SIZE, PageRef, PageSource};
pub use path::{FsInfo, MountNamespace, Path, PathContext};

pub use seals::{Seals, WritableMapping};
pub use write_count::{Running, WriteCount, Writing};
pub use write_errors::{Told, WriteErrors};

pub use paddock_abi::fcntl::OpenFlags;
pub use paddock_abi::{Errno, Result};
