//! The on-disk filesystem: ext4, ext3 and ext2 behind the vfs traits.
//!
//! The layers, from the bottom:
//! - `disk`: a block device in units of the filesystem's blocks.
//! - `journal`: the JBD2 log, its replay and its commits.
//! - `checksums`: what seals each kind of metadata.
//! - `transaction`: metadata blocks in memory. Changes of one operation are undone
//!   if it fails; those of many operations make one transaction.
//! - `allocation`, `extents`, `block_map`, `dir`, `paths`, `orphans`, `xattrs`: blocks and
//!   inodes, the maps from file to disk (of ext4, and of ext3 and ext2), directories (with their index of hashes), changes
//!   of names, files without one.
//! - `data`, `file_io`, `fallocate`: file data between the page cache and the
//!   disk, and space without data.
//! - `inode`, `fs`: the vfs traits over all that.
//!
//! One sleeping lock guards a mounted filesystem; reading what is cached does
//! not take it, nor does stat(2): an inode's object has its attributes, which each
//! operation that has changed them sets anew when it is done (`table`). Data is written before the metadata that refers to it, so a
//! power cut leaves the tree as of some transaction, never a mixture. Without a journal
//! (ext2) it may leave one: metadata is written to its place, and e2fsck mends what a cut
//! has torn.
//!
//! Images are those of plain `mke2fs -t ext4`, `ext3` or `ext2`, with block sizes from 1 KiB to
//! 4 KiB; `layout` says which features are read and written, `features` what
//! the others are called. Times of reading are not recorded (as with noatime).

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod allocation;
mod batch;
mod block_map;
mod buffers;
mod bytes;
mod checksums;
mod data;
mod dir;
mod disk;
mod errors;
mod extents;
mod fallocate;
mod features;
mod file_io;
mod fs;
mod inode;
mod journal;
mod layout;
mod orphans;
mod paths;
mod raw_inode;
mod table;
#[cfg(test)]
mod tests;
mod transaction;
mod xattrs;

pub use fs::Ext4;
pub use layout::Kind;
