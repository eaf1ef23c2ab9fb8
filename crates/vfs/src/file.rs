//! [`File`]: what an open file description does.

use crate::{EmitEntry, Errno, Inode, Metadata, OpenFlags, Result, SeekTo};
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use paddock_abi::fcntl::SEEK_HOLE;
use paddock_sync::Pollable;
use paddock_user_io::{UserReader, UserWriter};

/// lseek(2) of a file without a place: it stays at its start, as Linux's epolls and
/// eventfds do. `EINVAL`.
pub fn stays_at_start(whence: u32) -> Result<u64> {
    match whence <= SEEK_HOLE {
        true => Ok(0),
        false => Err(Errno::EINVAL),
    }
}

/// The argument of an ioctl: a number, or the address of something in user
/// memory. The kernel implements it with checked copies.
pub trait IoctlArg {
    /// The argument itself.
    fn value(&self) -> u64;

    /// Copies in what the argument points to, from `offset` on. `EFAULT`.
    fn read(&self, offset: usize, buf: &mut [u8]) -> Result<()>;

    /// Copies out to what the argument points to, from `offset` on. `EFAULT`.
    fn write(&mut self, offset: usize, buf: &[u8]) -> Result<()>;
}

impl dyn IoctlArg + '_ {
    /// The `int` that the argument points to.
    pub fn read_i32(&self) -> Result<i32> {
        let mut bytes = [0; 4];
        self.read(0, &mut bytes)?;
        Ok(i32::from_le_bytes(bytes))
    }

    /// Sets the `int` that the argument points to.
    pub fn write_i32(&mut self, value: i32) -> Result<()> {
        self.write(0, &value.to_le_bytes())
    }
}

/// An argument that is a mere number.
#[derive(Clone, Copy, Debug)]
pub struct NoArg(pub u64);

impl IoctlArg for NoArg {
    fn value(&self) -> u64 {
        self.0
    }

    fn read(&self, _: usize, _: &mut [u8]) -> Result<()> {
        Err(Errno::EFAULT)
    }

    fn write(&mut self, _: usize, _: &[u8]) -> Result<()> {
        Err(Errno::EFAULT)
    }
}

/// What an open file description does. Dropping it is the last close.
///
/// Calls may sleep on locks and for the disk, but never wait for readiness:
/// they give `EAGAIN`, and the caller waits through [`Pollable`]. Access modes
/// have been checked by [`crate::OpenFile`].
pub trait File: Pollable {
    /// Whether it has offsets. If so, `pos` is the shared offset, and calls
    /// with it are made one at a time; if not, `pos` means nothing, and calls
    /// run side by side.
    fn seekable(&self) -> bool {
        false
    }

    /// Whether calls move that offset. A device that is the same everywhere stays at
    /// its start, as Linux's `/dev/null` does, and its calls run side by side.
    fn keeps_offset(&self) -> bool {
        self.seekable()
    }

    /// lseek(2) of a file that is not [`seekable`](Self::seekable) but keeps
    /// an offset of its own. `ESPIPE`, `EINVAL`.
    fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        let _ = (offset, whence);
        Err(Errno::ESPIPE)
    }

    /// pread(2) of such a file. `ESPIPE`.
    fn pread(&self, offset: u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let _ = (offset, to);
        Err(Errno::ESPIPE)
    }

    /// Reads at `pos` and moves it on. 0 at the end. `EINVAL` if it cannot be
    /// read, `EISDIR`, `EAGAIN`, `EFAULT`: with an error, nothing has been taken.
    fn read(&self, pos: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let _ = (pos, to);
        Err(Errno::EINVAL)
    }

    /// Writes at `pos` and moves it on. `EINVAL` if it cannot be written,
    /// `EPIPE`, `EAGAIN`, `EFAULT`: with an error, nothing has been written. What has
    /// been is taken off `from`.
    fn write(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        let _ = (pos, from);
        Err(Errno::EINVAL)
    }

    /// Writes at the end, atomically, and moves `pos` after it.
    fn append(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        self.write(pos, from)
    }

    /// The length that `SEEK_END` counts from. `ESPIPE`.
    fn seek_end(&self) -> Result<u64> {
        Err(Errno::ESPIPE)
    }

    /// The next offset with data or with a hole; see
    /// [`Inode::seek_data`](crate::Inode::seek_data). `ENXIO`, `ESPIPE`.
    fn seek_data(&self, offset: u64, to: SeekTo) -> Result<u64> {
        let size = self.seek_end()?;
        match (offset < size, to) {
            (false, _) => Err(Errno::ENXIO),
            (true, SeekTo::Data) => Ok(offset),
            (true, SeekTo::Hole) => Ok(size),
        }
    }

    /// ioctl(2): the number that it returns. `ENOTTY` if `cmd` means nothing
    /// here.
    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        let _ = (cmd, arg);
        Err(Errno::ENOTTY)
    }

    /// getdents64(2): hands out entries (with `.` and `..`) from the cursor
    /// `pos` on, until `emit` refuses one, and moves it. `emit` runs under
    /// locks: it must not touch user memory. `ENOTDIR`.
    fn readdir(&self, pos: &mut u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        let _ = (pos, emit);
        Err(Errno::ENOTDIR)
    }

    /// fstat(2).
    fn metadata(&self) -> Result<Metadata>;

    /// ftruncate(2). `EINVAL`.
    fn truncate(&self, size: u64) -> Result<()> {
        let _ = size;
        Err(Errno::EINVAL)
    }

    /// fsync(2). `EINVAL` where there is nothing to sync.
    fn sync(&self) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// fdatasync(2): as [`sync`](Self::sync), but for times.
    fn sync_data(&self) -> Result<()> {
        self.sync()
    }

    /// Told after fcntl(2) changed the status flags. Never sleeps.
    fn set_flags(&self, flags: OpenFlags) {
        let _ = flags;
    }

    /// The inode behind it, if there is one.
    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        None
    }

    /// A process, whose number this is, closes a descriptor of it; others may be left
    /// (`flush` of Linux's files). An error is close(2)'s, which has closed it all the
    /// same. May sleep.
    fn descriptor_closed(&self, process: u32) -> Result<()> {
        let _ = process;
        Ok(())
    }

    /// Whether each read gives one message of several bytes, which is not to be put
    /// together with the next (splice(2)).
    fn gives_messages(&self) -> bool {
        false
    }

    /// What `/proc/PID/fd` calls it behind `anon_inode:`, if it has no name of its own.
    fn anonymous_name(&self) -> Option<&'static str> {
        None
    }

    /// Lines of its own in `/proc/PID/fdinfo`, behind those that all have. May sleep.
    ///
    /// # Errors
    /// Those of `put`.
    fn info(&self, put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>) -> Result<()> {
        let _ = put;
        Ok(())
    }

    /// For owners of concrete types: sockets, pipes, terminals.
    fn as_any(&self) -> &dyn Any;
}
