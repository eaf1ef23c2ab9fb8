//! [`Inode`]: one file or directory of one filesystem.

use crate::{
    Access, Cred, Details, Errno, File, FileHandle, FileKind, FsState, FsStats, Metadata,
    OpenFlags, PageRef, Reconfiguration, Result, Seals, SetMetadata, WriteCount, WriteErrors,
};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::fcntl::{
    FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
};
use paddock_cred::FileRights;
use paddock_user_io::{UserReader, UserWriter};

/// An entry that [`Inode::readdir`] hands out.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry<'a> {
    /// The name, without slashes.
    pub name: &'a [u8],
    /// The inode number.
    pub ino: u64,
    /// What it is, where the directory says so.
    pub kind: Option<FileKind>,
    /// The cursor that goes on after this entry.
    pub next: u64,
}

/// Takes an entry; false if it has no room for it, which ends the reading
/// before that entry.
pub type EmitEntry<'a> = dyn FnMut(&DirEntry<'_>) -> bool + 'a;

/// What [`Inode::create`] makes.
#[derive(Clone, Copy, Debug)]
pub struct NewNode {
    /// Any kind but a symbolic link.
    pub kind: FileKind,
    /// Permission bits (`0o7777`), the mask already applied.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The owning group (already the directory's if that is setgid).
    pub gid: u32,
    /// The device number of a device node.
    pub rdev: u64,
}

impl NewNode {
    /// A node that belongs to `who`.
    pub fn new(kind: FileKind, mode: u32, who: &Cred) -> NewNode {
        NewNode {
            kind,
            mode,
            uid: who.uid.fs,
            gid: who.gid.fs,
            rdev: 0,
        }
    }
}

/// A new inode, and its open file if it was opened as it was made.
pub type Created = (Arc<dyn Inode>, Option<Arc<dyn File>>);

/// What fallocate(2) is to do with a range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Set space aside; the file grows to hold the range unless it keeps its
    /// size.
    Reserve {
        /// `FALLOC_FL_KEEP_SIZE`.
        keep_size: bool,
    },
    /// Give the space back: the range reads as zeroes, and the size stays.
    Punch,
    /// As [`Reserve`](Self::Reserve), and the range reads as zeroes.
    Zero {
        /// `FALLOC_FL_KEEP_SIZE`.
        keep_size: bool,
    },
}

impl Allocation {
    /// What fallocate(2)'s `mode` asks for. `EOPNOTSUPP` for what there is
    /// not, `EINVAL` for what cannot be together.
    pub fn from_mode(mode: u32) -> Result<Allocation> {
        const PUNCH: u32 = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        const ZERO: u32 = FALLOC_FL_ZERO_RANGE;
        const ZERO_INSIDE: u32 = ZERO | FALLOC_FL_KEEP_SIZE;
        let alone = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
        match mode {
            0 => Ok(Allocation::Reserve { keep_size: false }),
            FALLOC_FL_KEEP_SIZE => Ok(Allocation::Reserve { keep_size: true }),
            PUNCH => Ok(Allocation::Punch),
            ZERO => Ok(Allocation::Zero { keep_size: false }),
            ZERO_INSIDE => Ok(Allocation::Zero { keep_size: true }),
            _ if mode & alone != 0 && mode & (alone | PUNCH | ZERO) == mode => {
                match mode.is_power_of_two() {
                    true => Err(Errno::EOPNOTSUPP),
                    false => Err(Errno::EINVAL),
                }
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Whether the file may become longer by it.
    pub fn may_grow(self) -> bool {
        match self {
            Allocation::Reserve { keep_size } | Allocation::Zero { keep_size } => !keep_size,
            Allocation::Punch => false,
        }
    }
}

/// What setxattr(2) expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetXattr {
    /// The attribute, or none.
    Any,
    /// None (`XATTR_CREATE`).
    Create,
    /// The attribute (`XATTR_REPLACE`).
    Replace,
}

impl SetXattr {
    /// `EEXIST` or `ENODATA` unless what is there is what is expected.
    pub fn check(self, exists: bool) -> Result<()> {
        match (self, exists) {
            (SetXattr::Create, true) => Err(Errno::EEXIST),
            (SetXattr::Replace, false) => Err(Errno::ENODATA),
            _ => Ok(()),
        }
    }
}

/// What lseek(2) looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTo {
    /// `SEEK_DATA`.
    Data,
    /// `SEEK_HOLE`.
    Hole,
}

/// A mounted filesystem. All calls may sleep.
pub trait FileSystem: Send + Sync {
    /// The root directory.
    fn root(&self) -> Arc<dyn Inode>;

    /// The name of the kind, as in `/proc/mounts`: "ext4", "tmpfs", …
    fn kind(&self) -> &'static str;

    /// The device number that its files tell. Never sleeps.
    fn device(&self) -> u64;

    /// Sizes and free space.
    fn stats(&self) -> Result<FsStats>;

    /// What all its mounts share. Never sleeps.
    fn state(&self) -> &FsState;

    /// Takes other options, with [`Reconfiguration::apply`] around it. `EINVAL` for one
    /// that is not known, or cannot be changed.
    fn reconfigure(&self, change: &Reconfiguration<'_>) -> Result<()> {
        match change.options.is_empty() {
            true => Ok(()),
            false => Err(Errno::EINVAL),
        }
    }

    /// What programs know a file of it by without a name, for as long as it lives.
    /// `EOPNOTSUPP` if there is no such thing, `ENOMEM`.
    fn handle(&self, inode: &dyn Inode) -> Result<FileHandle> {
        let _ = inode;
        Err(Errno::EOPNOTSUPP)
    }

    /// The file of a handle: its form, and its bytes. `ESTALE` if there is none.
    fn by_handle(&self, kind: i32, bytes: &[u8]) -> Result<Arc<dyn Inode>> {
        let _ = (kind, bytes);
        Err(Errno::ESTALE)
    }

    /// What follows its kind in `/proc/mounts`: the program that it is (`fuse.NAME`).
    fn subtype(&self) -> Option<&str> {
        None
    }

    /// Options of its own as `/proc/mounts` shows them, each behind a comma.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn shown_options(&self) -> Result<String> {
        Ok(String::new())
    }

    /// A mount of it is out of the tree, and may be in use still (`MNT_DETACH`). Never
    /// sleeps.
    fn left_tree(&self) {}

    /// `MNT_FORCE` of umount2(2): whoever waits for an answer that may never come gets an
    /// error. Never sleeps.
    fn interrupt(&self) {}

    /// Whether folders in it stand for processes, and end with those. Never sleeps.
    fn shows_processes(&self) -> bool {
        false
    }

    /// Whether what it holds is on a disk.
    fn has_disk(&self) -> bool {
        false
    }

    /// Makes all that was written before durable. Data that could not be
    /// written is the business of its file ([`Inode::write_errors`]).
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// Makes durable what was written more than `age_ms` milliseconds ago, if
    /// there is any. A kernel thread calls it every few seconds.
    fn flush_older_than(&self, age_ms: u64) -> Result<()> {
        let _ = age_ms;
        Ok(())
    }

    /// Makes everything written before durable, and writes what a journal holds to its
    /// place: none of it has to stay in memory for that. May sleep.
    fn checkpoint(&self) -> Result<()> {
        self.sync()
    }

    /// Lets go of what is in memory only to be quick, as far as that needs no
    /// waiting for another thread.
    fn shrink(&self) {}

    /// Called once, when the last mount goes: leaves the disk clean. Nothing
    /// may be written afterwards.
    fn unmount(&self) -> Result<()> {
        self.sync()
    }

    /// Whether it refuses every change.
    fn read_only(&self) -> bool {
        false
    }

    /// What went wrong in writing any of its files, or itself. Never sleeps.
    fn write_errors(&self) -> Option<&WriteErrors> {
        None
    }

    /// What is wrong with it and what to do, for its operator. Never sleeps.
    fn complaint(&self) -> Option<&'static str> {
        None
    }
}

/// A file or directory. There is one object for an inode as long as anyone
/// holds it; it stays usable after its last name is gone.
///
/// All calls may sleep unless they say otherwise. A filesystem does its own
/// locking: each call is atomic against every other. Names hold 1 to 255
/// bytes, none of them `/` or zero, and are neither `.` nor `..`. Permissions
/// have been checked by the caller.
pub trait Inode: Send + Sync {
    /// The inode number. Never sleeps.
    fn ino(&self) -> u64;

    /// The kind, which never changes. Never sleeps.
    fn kind(&self) -> FileKind;

    /// What stat(2) tells.
    fn metadata(&self) -> Result<Metadata>;

    /// What statx(2) tells besides: never asked for by stat(2).
    fn details(&self) -> Result<Details> {
        Ok(Details::default())
    }

    /// What decides who may do what with it, as [`Cred::check_file`] asks.
    #[inline]
    fn rights(&self) -> Result<FileRights> {
        Ok(self.metadata()?.rights())
    }

    /// access(2) and chdir(2), once the rights have granted it: for a filesystem that
    /// decides itself.
    /// `EACCES`.
    fn check_access(&self, access: Access) -> Result<()> {
        let _ = access;
        Ok(())
    }

    /// Whether a program may have it mapped so that it changes what is stored. Never
    /// sleeps.
    fn maps_writable(&self) -> bool {
        true
    }

    /// Changes what is `Some`, and the change time. `size` applies to regular
    /// files only: `EISDIR` or `EINVAL` for others; `EFBIG`, `ENOSPC`.
    fn set_metadata(&self, change: &SetMetadata) -> Result<()>;

    /// Sizes and free space of the filesystem.
    fn fs_stats(&self) -> Result<FsStats>;

    /// Who writes to it and who runs it; `None` where nobody keeps count.
    /// Never sleeps.
    fn write_count(&self) -> Option<&WriteCount> {
        None
    }

    /// What went wrong in writing it back; `None` for what is never written
    /// back. Never sleeps.
    fn write_errors(&self) -> Option<&WriteErrors> {
        None
    }

    /// Its seals; `None` for what can have none. Never sleeps.
    fn seals(&self) -> Option<&Seals> {
        None
    }

    /// Adds seals, between writes. `EINVAL`, `EPERM`, `EBUSY`.
    fn add_seals(&self, seals: u32) -> Result<()> {
        let _ = seals;
        Err(Errno::EINVAL)
    }

    /// For owners of concrete types.
    fn as_any(&self) -> &dyn Any;

    /// The file that opening makes, or `None` for the ordinary one
    /// ([`crate::InodeFile`]), or for the one that stands behind a device
    /// node or fifo. Generated files have their own.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        let _ = flags;
        Ok(None)
    }

    /// Reads from `offset` on; 0 bytes at or past the end. `EISDIR`, `EFAULT`.
    fn read_at(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let _ = (offset, to);
        Err(self.not_data())
    }

    /// Writes at `offset`, making the file longer as needed. Short when the
    /// space ends in the middle; `ENOSPC`, `EFBIG` when nothing fits;
    /// `EFAULT`. What has been written is taken off `from`.
    fn write_at(&self, offset: u64, from: &mut UserReader<'_>) -> Result<usize> {
        let _ = (offset, from);
        Err(self.not_data())
    }

    /// Writes at the end, atomically against other appends. Gives the offset
    /// after the last byte, and the number of bytes.
    fn append(&self, from: &mut UserReader<'_>) -> Result<(u64, usize)> {
        let _ = from;
        Err(self.not_data())
    }

    /// The page `index` of the data, for mapping: `write` if it is going to
    /// be written through the mapping, in which case a hole gets its place on
    /// the disk. `EFAULT` (a bus error to the program) past the end; `ENODEV`
    /// if it cannot be mapped.
    fn page(&self, index: u64, write: bool) -> Result<PageRef> {
        let _ = (index, write);
        Err(Errno::ENODEV)
    }

    /// Makes data and metadata durable; data that could not be written is
    /// told by [`write_errors`](Self::write_errors).
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// As [`sync`](Self::sync), but for what nobody needs to find the data again: times.
    fn sync_data(&self) -> Result<()> {
        self.sync()
    }

    /// fallocate(2) of a range that is not empty and ends at or before the
    /// largest offset. `EOPNOTSUPP`, `ENOSPC`, `EFBIG`, `EPERM` if sealed.
    fn allocate(&self, what: Allocation, offset: u64, len: u64) -> Result<()> {
        let _ = (what, offset, len);
        Err(Errno::EOPNOTSUPP)
    }

    /// The next offset from `offset` on with data, or with a hole, of which
    /// there is one at the end (lseek(2)). `ENXIO` if there is none.
    fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        let size = self.metadata()?.size;
        match (offset < size, to) {
            (false, _) => Err(Errno::ENXIO),
            (true, SeekTo::Data) => Ok(offset),
            (true, SeekTo::Hole) => Ok(size),
        }
    }

    /// The value of an extended attribute, by its whole name. `ENODATA`,
    /// `EOPNOTSUPP`.
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let _ = name;
        Err(Errno::EOPNOTSUPP)
    }

    /// Sets an extended attribute, or takes it away for `None`. `EEXIST`,
    /// `ENODATA`, `ENOSPC`, `EOPNOTSUPP`.
    fn set_xattr(&self, name: &[u8], value: Option<&[u8]>, mode: SetXattr) -> Result<()> {
        let _ = (name, value, mode);
        Err(Errno::EOPNOTSUPP)
    }

    /// The names of all extended attributes, each with a zero byte behind it.
    /// `EOPNOTSUPP`.
    fn list_xattrs(&self) -> Result<Vec<u8>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The target of a symbolic link. `EINVAL` for anything else.
    fn readlink(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    /// The place that a magic link (`/proc/PID/fd/N`) jumps to, where
    /// following the text would not do.
    fn link_target(&self) -> Option<crate::Path> {
        None
    }

    /// The inode of that name. `ENOENT`, `ENOTDIR`.
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let _ = name;
        Err(Errno::ENOTDIR)
    }

    /// The directory that a directory which is not the filesystem's root is in, where
    /// there are handles. `ESTALE` if it has been removed, or cannot tell.
    fn parent(&self) -> Result<Arc<dyn Inode>> {
        Err(Errno::ESTALE)
    }

    /// Whether names in this directory only change through this trait, so
    /// that lookups may be remembered. A directory that says no is asked each
    /// time. Never sleeps.
    fn cacheable(&self) -> bool {
        true
    }

    /// Whether names in this directory can be made and taken away through
    /// this trait. Never sleeps.
    fn takes_names(&self) -> bool {
        self.cacheable()
    }

    /// Hands out entries from `cursor` on (0 is the start), without `.` and
    /// `..`, until `emit` refuses one; gives the cursor to go on from. `emit`
    /// runs under the directory's lock: it must not touch user memory.
    /// Entries that neither came nor went meanwhile come exactly once.
    fn readdir(&self, cursor: u64, emit: &mut EmitEntry<'_>) -> Result<u64> {
        let _ = (cursor, emit);
        Err(Errno::ENOTDIR)
    }

    /// Makes a new inode with a name. `EEXIST`, `ENOSPC`, `EMLINK`; `ENOENT`
    /// in a directory that has been removed.
    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        let _ = (name, node);
        Err(self.not_dir())
    }

    /// As [`create`](Self::create) of a regular file, and opens it, where both are one
    /// thing: the open file then is there as well.
    fn create_open(&self, name: &[u8], node: &NewNode, flags: OpenFlags) -> Result<Created> {
        let _ = flags;
        Ok((self.create(name, node)?, None))
    }

    /// Makes a symbolic link.
    fn symlink(&self, name: &[u8], target: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        let _ = (name, target, node);
        Err(self.not_dir())
    }

    /// Makes a regular file without a name, for `O_TMPFILE`.
    fn create_unnamed(&self, node: &NewNode) -> Result<Arc<dyn Inode>> {
        let _ = node;
        Err(Errno::EOPNOTSUPP)
    }

    /// Gives `target`, an inode of the same filesystem and no directory,
    /// another name. `EEXIST`, `EMLINK`, `EPERM`, `EXDEV`.
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        let _ = (name, target);
        Err(self.not_dir())
    }

    /// Takes a name that is not a directory's away. `ENOENT`, `EISDIR`.
    fn unlink(&self, name: &[u8]) -> Result<()> {
        let _ = name;
        Err(self.not_dir())
    }

    /// Removes an empty directory. `ENOENT`, `ENOTDIR`, `ENOTEMPTY`.
    fn rmdir(&self, name: &[u8]) -> Result<()> {
        let _ = name;
        Err(self.not_dir())
    }

    /// Moves `old` of this directory to `new` of `new_dir`, which is a
    /// directory of the same filesystem and not inside `old`; replaces what
    /// is there (`RENAME_NOREPLACE`: `EEXIST`; `RENAME_EXCHANGE`: swaps).
    /// `ENOENT`, `EISDIR`, `ENOTDIR`, `ENOTEMPTY`, `EXDEV`. Two names of one
    /// inode stay as they are.
    fn rename(&self, old: &[u8], new_dir: &Arc<dyn Inode>, new: &[u8], flags: u32) -> Result<()> {
        let _ = (old, new_dir, new, flags);
        Err(self.not_dir())
    }

    /// The error of data operations on something without data.
    #[doc(hidden)]
    fn not_data(&self) -> Errno {
        match self.kind() {
            FileKind::Directory => Errno::EISDIR,
            _ => Errno::EINVAL,
        }
    }

    /// The error of changes to a directory that takes none.
    #[doc(hidden)]
    fn not_dir(&self) -> Errno {
        match self.kind() {
            FileKind::Directory => Errno::EPERM,
            _ => Errno::ENOTDIR,
        }
    }
}
