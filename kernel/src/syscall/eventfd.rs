//! eventfd(2).

use super::Call;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use paddock_abi::uio::{EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, Metadata, OpenFile, OpenFlags, stays_at_start};

/// The largest value of a counter.
const MAX: u64 = u64::MAX - 1;

struct EventFile {
    count: SpinLock<u64, PreemptOff>,
    semaphore: bool,
    changed: WaitQueue,
}

impl Pollable for EventFile {
    fn ready(&self) -> Ready {
        let count = *self.count.lock();
        let mut ready = Ready::empty();
        ready.set(Ready::IN, count > 0);
        ready.set(Ready::OUT, count < MAX);
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

impl File for EventFile {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        if to.left() < 8 {
            return Err(Errno::EINVAL);
        }
        to.fault_in(8)?;
        let mut count = self.count.lock();
        let value = match (*count, self.semaphore) {
            (0, _) => return Err(Errno::EAGAIN),
            (_, true) => 1,
            (all, false) => all,
        };
        *count -= value;
        drop(count);
        self.changed.wake(Ready::OUT);
        to.copy_out(&value.to_le_bytes())
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        if from.left() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 8];
        if from.clone().copy_in(&mut bytes)? < 8 {
            return Err(Errno::EFAULT);
        }
        let value = u64::from_le_bytes(bytes);
        if value > MAX {
            return Err(Errno::EINVAL);
        }
        let mut count = self.count.lock();
        *count = count
            .checked_add(value)
            .filter(|&sum| sum <= MAX)
            .ok_or(Errno::EAGAIN)?;
        drop(count);
        self.changed.wake(Ready::IN);
        from.advance(8);
        Ok(8)
    }

    fn seek(&self, _: i64, whence: u32) -> Result<u64> {
        stays_at_start(whence)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("[eventfd]")
    }

    fn info(&self, put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>) -> Result<()> {
        let count = *self.count.lock();
        put(format_args!("eventfd-count: {count:16x}\n"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The eventfd of a descriptor. `EBADF`, `EINVAL`.
pub fn of_descriptor(call: &Call<'_>, fd: i32) -> Result<Arc<OpenFile>> {
    let file = call.file_of(fd)?;
    match file.file().as_any().is::<EventFile>() {
        true => Ok(file),
        false => Err(Errno::EINVAL),
    }
}

/// eventfd2(2).
pub fn eventfd2(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(1);
    if flags & !(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = try_arc(EventFile {
        count: SpinLock::new(Rank::Leaf, u64::from(call.uint(0))),
        semaphore: flags & EFD_SEMAPHORE != 0,
        changed: WaitQueue::new(),
    })?;
    let open = OpenFlags::from_bits_truncate(flags & !EFD_SEMAPHORE) | OpenFlags::RDWR;
    Ok(call.install(OpenFile::new(file, None, open)?, open)? as u64)
}
