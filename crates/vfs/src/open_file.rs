//! [`OpenFile`]: Linux's open file description.

mod hearing;

use crate::cut;
use crate::notify::{self, Events};
use crate::observers::{CloseObserver, Observers};
use crate::{
    Allocation, EmitEntry, Errno, File, FileKind, Inode, IoctlArg, Metadata, OpenFlags, Path,
    Result, SeekTo, Told, WriteErrors, Writing,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use paddock_abi::fcntl::{SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET};
use paddock_abi::termios::FIONREAD;
use paddock_sync::{Mutex, MutexGuard, Rank};
use paddock_user_io::{UserReader, UserWriter};

/// The flags that fcntl(2) may change.
const SETTABLE: OpenFlags = OpenFlags::APPEND
    .union(OpenFlags::NONBLOCK)
    .union(OpenFlags::ASYNC)
    .union(OpenFlags::DIRECT)
    .union(OpenFlags::NOATIME);

/// The flags that only matter while opening.
const CREATION: OpenFlags = OpenFlags::CREAT
    .union(OpenFlags::EXCL)
    .union(OpenFlags::NOCTTY)
    .union(OpenFlags::TRUNC)
    .union(OpenFlags::CLOEXEC);

/// The largest offset.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// How many open file descriptions there are.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// One of those that are counted, for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Counted {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open file description: shared by dup(2) and fork(2), it holds the
/// offset, the access mode and the status flags. Its calls may sleep.
pub struct OpenFile {
    // Dropped before the file, which may take the mounts there apart, and told of then.
    path: Option<Path>,
    file: Arc<dyn File>,
    /// Whether it is a regular file: its kind never changes.
    is_regular: bool,
    /// Of a regular file that is open for writing.
    _writing: Option<Writing>,
    flags: AtomicU32,
    /// Nobody hears of what is done by way of it, and nobody is asked.
    is_unheard: bool,
    pos: Mutex<u64>,
    /// Which errors of writing it back have been told, and which of its filesystem.
    told: Told,
    told_of_all: Told,
    /// In tables of descriptors: what keeps it open for programs.
    descriptors: AtomicUsize,
    observers: Observers,
    _counted: Counted,
}

/// The offset of an open file description while a call has it for itself;
/// nothing for a file that has none.
pub struct Offset<'a>(Option<MutexGuard<'a, u64>>);

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenFile({:?})", self.flags())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if notify::is_any() {
            self.tell_closed();
        }
    }
}

impl OpenFile {
    /// Describes `file`, opened with `flags`; `path` is what it was opened
    /// by, if it has a name. `ENOMEM`.
    pub fn new(file: Arc<dyn File>, path: Option<Path>, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let regular = |path: &Path| path.kind() == FileKind::Regular;
        let is_regular = path.as_ref().is_some_and(regular);
        Self::counted(file, (path, is_regular), flags, (None, false))
    }

    /// Describes a file of a filesystem, of that kind; `writing` has been got for its inode
    /// if it is a regular one to be written to. `ENOMEM`.
    pub(crate) fn of_file(
        file: Arc<dyn File>,
        (path, kind): (Path, FileKind),
        flags: OpenFlags,
        writing: Option<Writing>,
    ) -> Result<Arc<OpenFile>> {
        let at = (Some(path), kind == FileKind::Regular);
        Self::counted(file, at, flags, (writing, false))
    }

    /// The same of one that nobody hears of.
    pub(crate) fn unheard(
        file: Arc<dyn File>,
        (path, kind): (Path, FileKind),
        flags: OpenFlags,
        writing: Option<Writing>,
    ) -> Result<Arc<OpenFile>> {
        let at = (Some(path), kind == FileKind::Regular);
        Self::counted(file, at, flags, (writing, true))
    }

    #[inline]
    fn counted(
        file: Arc<dyn File>,
        (path, is_regular): (Option<Path>, bool),
        flags: OpenFlags,
        (writing, is_unheard): (Option<Writing>, bool),
    ) -> Result<Arc<OpenFile>> {
        let kept = flags.difference(CREATION);
        let errors = file.inode().and_then(|inode| inode.write_errors());
        let told = errors.map(WriteErrors::opened).unwrap_or_default();
        let all = path
            .as_ref()
            .and_then(|path| path.mount().fs().write_errors());
        let told_of_all = all.map(WriteErrors::opened).unwrap_or_default();
        paddock_sync::try_arc(OpenFile {
            file,
            path,
            is_regular,
            _writing: writing,
            flags: AtomicU32::new(kept.bits()),
            is_unheard,
            pos: Mutex::new(Rank::OpenFile, 0),
            told,
            told_of_all,
            descriptors: AtomicUsize::new(0),
            observers: Observers::new(),
            _counted: Counted::new(),
        })
    }

    /// How many there are on the machine (`/proc/sys/fs/file-nr`). Any context.
    pub fn count() -> usize {
        OPEN.load(Ordering::Relaxed)
    }

    /// Whether a program has it open by a descriptor.
    pub fn has_descriptors(&self) -> bool {
        self.descriptors.load(Ordering::SeqCst) > 0
    }

    pub(crate) fn add_descriptor(&self) {
        self.descriptors.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether that was the last one; then its observers have been told.
    pub(crate) fn remove_descriptor(&self) -> bool {
        let last = self.descriptors.fetch_sub(1, Ordering::SeqCst) == 1;
        if last {
            self.observers.tell();
        }
        last
    }

    /// Has `observer` told when the last descriptor is gone, under a number
    /// that nobody else uses. `ENOMEM`.
    pub fn observe(&self, number: u64, observer: Box<dyn CloseObserver>) -> Result<()> {
        self.observers.add(number, observer)
    }

    /// Undoes that.
    pub fn forget_observer(&self, number: u64) {
        self.observers.remove(number);
    }

    /// What it does.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// The place it was opened by: what fchdir(2) and `*at` calls start from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_ref()
    }

    /// Whether it was opened by the name of a regular file.
    pub fn is_regular(&self) -> bool {
        self.is_regular
    }

    /// The inode behind it, if there is one.
    pub fn inode(&self) -> Option<&Arc<dyn Inode>> {
        self.file.inode()
    }

    /// Access mode and status flags.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Whether calls must not wait (`O_NONBLOCK`).
    pub fn nonblocking(&self) -> bool {
        self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// fcntl(2) `F_SETFL`: changes the status flags that can be changed.
    /// Never sleeps.
    pub fn set_flags(&self, flags: OpenFlags) {
        let wanted = flags.intersection(SETTABLE).bits();
        let _ = self
            .flags
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                Some((old & !SETTABLE.bits()) | wanted)
            });
        self.file.set_flags(self.flags());
    }

    fn check_readable(&self) -> Result<()> {
        match self.flags().readable() {
            true => Ok(()),
            false => Err(Errno::EBADF),
        }
    }

    fn check_writable(&self) -> Result<()> {
        match self.flags().writable() {
            true => Ok(()),
            false => Err(Errno::EBADF),
        }
    }

    fn check_not_path(&self) -> Result<()> {
        match self.flags().contains(OpenFlags::PATH) {
            true => Err(Errno::EBADF),
            false => Ok(()),
        }
    }

    /// Whether it can be read, at an offset of its own if `at` says so: what
    /// read(2) and its kin find out before they look at their buffers. Never
    /// sleeps. `EBADF`.
    pub fn check_read(&self, at: Option<u64>) -> Result<()> {
        match at {
            // Whether a file without offsets takes one, it says itself.
            Some(offset) if self.file.seekable() => self.check_offset(offset)?,
            _ => {}
        }
        self.check_readable()
    }

    /// The same for write(2) and its kin. `EBADF`, `ESPIPE`.
    pub fn check_write(&self, at: Option<u64>) -> Result<()> {
        self.check_not_path()?;
        if let Some(offset) = at {
            self.check_offset(offset)?;
        }
        self.check_writable()
    }

    /// The offset, for one call that may consist of several reads or writes:
    /// others with the same description wait until it is dropped. May sleep.
    pub fn offset(&self) -> Offset<'_> {
        Offset(self.file.keeps_offset().then(|| self.pos.lock()))
    }

    /// read(2) at the offset that the call has for itself. `EBADF` if it is not open
    /// for reading; else as [`File::read`].
    pub fn read_at(&self, offset: &mut Offset<'_>, to: &mut UserWriter<'_>) -> Result<usize> {
        self.check_readable()?;
        let count = match &mut offset.0 {
            Some(pos) => self.file.read(pos, to),
            None => self.file.read(&mut 0, to),
        }?;
        self.notify(count, Events::ACCESS);
        Ok(count)
    }

    /// write(2) at the offset that the call has for itself, at the end with
    /// `O_APPEND`. `EBADF` if it is not open for writing; else as [`File::write`].
    pub fn write_at(&self, offset: &mut Offset<'_>, from: &mut UserReader<'_>) -> Result<usize> {
        self.check_writable()?;
        let append = self.flags().contains(OpenFlags::APPEND);
        let count = match &mut offset.0 {
            None => self.file.write(&mut 0, from)?,
            Some(pos) if append => self.file.append(pos, from)?,
            Some(pos) => {
                bound(**pos, from)?;
                self.file.write(pos, from)?
            }
        };
        self.notify(count, Events::MODIFY);
        self.sync_after_write()?;
        Ok(count)
    }

    /// Writes at the end, whatever the flags say (`RWF_APPEND`); the offset moves
    /// there if the call has it. Errors as of [`Self::write_at`].
    pub fn append_at(
        &self,
        offset: Option<&mut Offset<'_>>,
        from: &mut UserReader<'_>,
    ) -> Result<usize> {
        self.check_writable()?;
        let mut none = 0;
        let pos = offset.and_then(|offset| offset.0.as_deref_mut());
        let count = self.file.append(pos.unwrap_or(&mut none), from)?;
        self.notify(count, Events::MODIFY);
        self.sync_after_write()?;
        Ok(count)
    }

    /// A read(2) of the kernel's own.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize> {
        self.read_at(&mut self.offset(), &mut buf.into())
    }

    /// A write(2) of the kernel's own.
    pub fn write(&self, buf: &[u8]) -> Result<usize> {
        self.write_at(&mut self.offset(), &mut buf.into())
    }

    /// pread(2). `ESPIPE` if it has no offsets.
    pub fn pread(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        self.check_readable()?;
        let count = match (self.file.seekable(), offset <= MAX_OFFSET) {
            (_, false) => Err(Errno::EINVAL),
            (true, _) => self.file.read(&mut offset.clone(), to),
            (false, _) => self.file.pread(offset, to),
        }?;
        self.notify(count, Events::ACCESS);
        Ok(count)
    }

    /// pwrite(2). `ESPIPE` if it has no offsets. With `O_APPEND` it writes at
    /// the end, as Linux does (see BUGS in pwrite(2)).
    pub fn pwrite(&self, offset: u64, from: &mut UserReader<'_>) -> Result<usize> {
        self.check_write(Some(offset))?;
        let mut pos = offset;
        let count = match self.flags().contains(OpenFlags::APPEND) {
            true => self.file.append(&mut pos, from)?,
            false => {
                bound(offset, from)?;
                self.file.write(&mut pos, from)?
            }
        };
        self.notify(count, Events::MODIFY);
        self.sync_after_write()?;
        Ok(count)
    }

    fn check_offset(&self, offset: u64) -> Result<()> {
        match (self.file.seekable(), offset <= MAX_OFFSET) {
            (false, _) => Err(Errno::ESPIPE),
            (_, false) => Err(Errno::EINVAL),
            _ => Ok(()),
        }
    }

    /// `O_SYNC` and `O_DSYNC`.
    fn sync_after_write(&self) -> Result<()> {
        if !self.flags().intersects(OpenFlags::DSYNC) || self.file.inode().is_none() {
            return Ok(());
        }
        match self.flags().contains(OpenFlags::SYNC) {
            true => self.told(self.file.sync()),
            false => self.told(self.file.sync_data()),
        }
    }

    /// What became of writing it back. An error of doing so, now or before, is told once.
    fn told(&self, result: Result<()>) -> Result<()> {
        let errors = self.file.inode().and_then(|inode| inode.write_errors());
        let told = errors.map_or(Ok(()), |errors| errors.check(&self.told));
        result.and(told)
    }

    /// lseek(2): the new offset. `ESPIPE`, `EINVAL`, `ENXIO`.
    pub fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        self.check_not_path()?;
        if !self.file.seekable() {
            return self.file.seek(offset, whence);
        }
        if !self.file.keeps_offset() {
            return match whence <= SEEK_HOLE {
                true => Ok(0),
                false => Err(Errno::EINVAL),
            };
        }
        let mut pos = self.pos.lock();
        let base = match whence {
            SEEK_SET => 0,
            SEEK_CUR => *pos as i64,
            SEEK_END => self.file.seek_end()? as i64,
            SEEK_DATA | SEEK_HOLE => {
                *pos = self.seek_data(offset, whence)?;
                return Ok(*pos);
            }
            _ => return Err(Errno::EINVAL),
        };
        let target = base.checked_add(offset).ok_or(Errno::EINVAL)?;
        *pos = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
        Ok(*pos)
    }

    fn seek_data(&self, offset: i64, whence: u32) -> Result<u64> {
        let offset = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
        let to = match whence {
            SEEK_DATA => SeekTo::Data,
            _ => SeekTo::Hole,
        };
        self.file.seek_data(offset, to)
    }

    /// getdents64(2): hands out entries from the offset on until `emit`
    /// refuses one. `ENOTDIR`, `EBADF`.
    pub fn readdir(&self, emit: &mut EmitEntry<'_>) -> Result<()> {
        self.readdir_into(emit, || Ok(()))
    }

    /// The same, and has `give` bring them to where they go; if it cannot, they are
    /// there to be read again. Errors also of `give`.
    pub fn readdir_into(
        &self,
        emit: &mut EmitEntry<'_>,
        give: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.check_not_path()?;
        if !self.file.seekable() {
            let start = self.file.seek(0, SEEK_CUR).unwrap_or(0);
            self.file.readdir(&mut 0, emit)?;
            return give().inspect_err(|_| {
                let _ = self.file.seek(start as i64, SEEK_SET);
            });
        }
        self.readdir_at(&mut self.pos.lock(), emit, give)?;
        self.notify(1, Events::ACCESS);
        Ok(())
    }

    fn readdir_at(
        &self,
        pos: &mut u64,
        emit: &mut EmitEntry<'_>,
        give: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let start = *pos;
        self.file.readdir(pos, emit)?;
        give().inspect_err(|_| *pos = start)
    }

    /// ioctl(2). `ENOTTY` if it means nothing to this file.
    pub fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        self.check_not_path()?;
        if cmd == FIONREAD
            && let Some(left) = self.left()?
        {
            return arg.write_i32(left as i32).map(|()| 0);
        }
        self.file.ioctl(cmd, arg)
    }

    /// Bytes from the offset to the end of a regular file, fewer than none if it is
    /// behind that; `None` of others.
    fn left(&self) -> Result<Option<i64>> {
        if self
            .inode()
            .is_none_or(|inode| inode.kind() != FileKind::Regular)
        {
            return Ok(None);
        }
        let at = self.seek(0, SEEK_CUR)?;
        let size = self.metadata()?.size;
        Ok(Some((size as i64).wrapping_sub(at as i64)))
    }

    /// fstat(2).
    pub fn metadata(&self) -> Result<Metadata> {
        self.file.metadata()
    }

    /// ftruncate(2). `EINVAL` if it is not open for writing or not a regular
    /// file.
    pub fn truncate(&self, size: u64) -> Result<()> {
        self.check_not_path()?;
        if !self.flags().writable() || size > MAX_OFFSET {
            return Err(Errno::EINVAL);
        }
        self.file.truncate(size)?;
        if let Some(inode) = self.inode() {
            cut::length_was_set(inode);
        }
        if let Some(path) = self.heard_at() {
            notify::at_name(path, Events::MODIFY);
        }
        Ok(())
    }

    /// fallocate(2). `EINVAL`, `EOPNOTSUPP`, `EBADF`, `ESPIPE`, `EISDIR`,
    /// `ENODEV`, `EFBIG`, `ENOSPC`.
    pub fn allocate(&self, what: Allocation, offset: u64, len: u64) -> Result<()> {
        self.check_writable()?;
        let Some(inode) = self.inode() else {
            return Err(match self.metadata()?.kind {
                FileKind::Fifo => Errno::ESPIPE,
                _ => Errno::ENODEV,
            });
        };
        match inode.kind() {
            FileKind::Regular => {}
            FileKind::Fifo => return Err(Errno::ESPIPE),
            FileKind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::ENODEV),
        }
        match offset.checked_add(len).filter(|end| *end <= MAX_OFFSET) {
            Some(_) => inode.allocate(what, offset, len)?,
            None => return Err(Errno::EFBIG),
        }
        self.notify(1, Events::MODIFY);
        Ok(())
    }

    /// fsync(2).
    pub fn sync(&self) -> Result<()> {
        self.check_not_path()?;
        self.told(self.file.sync())
    }

    /// fdatasync(2).
    pub fn sync_data(&self) -> Result<()> {
        self.check_not_path()?;
        self.told(self.file.sync_data())
    }

    /// syncfs(2): writes all files of its filesystem back. An error of doing so, now or
    /// before, is told once.
    pub fn sync_all(&self) -> Result<()> {
        self.check_not_path()?;
        let Some(path) = &self.path else {
            return Ok(());
        };
        let fs = path.mount().fs();
        let result = fs.sync();
        let errors = fs.write_errors();
        result.and(errors.map_or(Ok(()), |errors| errors.check(&self.told_of_all)))
    }
}

/// Limits a write to what fits below the largest offset; `EFBIG` if nothing does.
fn bound(pos: u64, from: &mut UserReader<'_>) -> Result<()> {
    let room = MAX_OFFSET.saturating_sub(pos);
    if room == 0 && !from.is_empty() {
        return Err(Errno::EFBIG);
    }
    from.limit(usize::try_from(room).unwrap_or(usize::MAX));
    Ok(())
}
