//! Asynchronous I/O of Linux: io_setup(2), io_submit(2), io_getevents(2) and their kin.
//!
//! Reading, writing and syncing are done by io_submit(2) itself; what waits for a file
//! does so without the caller.

use super::buffers::UserBuffers;
use super::poll::{deadline, with_mask};
use super::{Call, eventfd, io};
use crate::process::aio::{self, Context, Poll};
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use paddock_abi::aio::*;
use paddock_abi::fcntl::{RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_SYNC};
use paddock_abi::{Errno, Result};
use paddock_process::aio::{Operation, check};
use paddock_sync::{Deadline, WaitError};
use paddock_vfs::OpenFile;

/// The most operations that may be asked for: their events have addresses.
const MOST_ASKED: u32 = 0x1000_0000 / size_of::<IoEvent>() as u32;

fn context(call: &Call<'_>) -> Result<Arc<Context>> {
    call.process().memory()?.aio.get(call.word(0))
}

/// io_setup(2).
pub fn io_setup(call: &mut Call<'_>) -> Result<u64> {
    let place = call.pointer::<u64>(1);
    let count = call.uint(0);
    if place.read()? != 0 || count == 0 || count > MOST_ASKED {
        return Err(Errno::EINVAL);
    }
    let memory = call.process().memory()?;
    let address = aio::make(&memory, count)?;
    place.write(&address).inspect_err(|_| {
        let _ = aio::destroy(&memory, address);
    })?;
    Ok(0)
}

/// io_destroy(2).
pub fn io_destroy(call: &mut Call<'_>) -> Result<u64> {
    let memory = call.process().memory()?;
    aio::destroy(&memory, call.word(0)).map(|()| 0)
}

/// io_submit(2): reading, writing and syncing have been done when it returns.
pub fn io_submit(call: &mut Call<'_>) -> Result<u64> {
    let count = usize::try_from(call.word(1) as i64).map_err(|_| Errno::EINVAL)?;
    let context = context(call)?;
    let count = count.min(context.with(|operations| operations.most()));
    let array: UserPtr<u64> = call.pointer(2);
    for index in 0..count {
        let submitted = array
            .at(index)
            .and_then(|place| place.read())
            .and_then(|iocb| submit(call, &context, iocb));
        match submitted {
            Ok(()) => {}
            Err(error) if index == 0 => return Err(error),
            Err(_) => return Ok(index as u64),
        }
    }
    Ok(count as u64)
}

/// One operation. What it gives is told as an event; what is wrong with it is an error.
fn submit(call: &Call<'_>, context: &Arc<Context>, address: u64) -> Result<()> {
    let iocb = UserPtr::<Iocb>::new(address).read()?;
    check(&iocb)?;
    context.with(|operations| operations.take())?;
    begin(call, context, &iocb, address)
        .inspect_err(|_| context.with(|operations| operations.give_back()))
}

/// One that has a place.
fn begin(call: &Call<'_>, context: &Arc<Context>, iocb: &Iocb, address: u64) -> Result<()> {
    let file = call.file_of(iocb.aio_fildes as i32)?;
    if file.flags().contains(paddock_vfs::OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    let eventfd = match iocb.aio_flags & IOCB_FLAG_RESFD {
        0 => None,
        _ => Some(eventfd::of_descriptor(call, iocb.aio_resfd as i32)?),
    };
    UserPtr::<u32>::new(address.wrapping_add(AIO_KEY_AT)).write(&KIOCB_KEY)?;
    let event = IoEvent {
        data: iocb.aio_data,
        obj: address,
        ..IoEvent::default()
    };
    let res = match Operation::of(iocb)? {
        Operation::Poll { events } => {
            let poll = Poll {
                context: Arc::downgrade(context),
                file,
                events,
                event,
                eventfd,
            };
            return aio::start_poll(context, poll);
        }
        Operation::Read { vector } => read(&file, iocb, vector)?,
        Operation::Write { vector } => write(call, &file, iocb, vector)?,
        Operation::Sync { data_only } => sync(&file, data_only)?,
    };
    context.end(IoEvent { res, ..event }, eventfd.as_deref());
    Ok(())
}

/// Nothing restarts an operation, nor the wait for one.
fn not_restarted(error: Errno) -> Errno {
    match error.is_restart() {
        true => Errno::EINTR,
        false => error,
    }
}

/// What a call's result is in an event.
fn told(result: Result<u64>) -> i64 {
    match result {
        Ok(count) => count as i64,
        Err(error) => not_restarted(error).to_return_value() as i64,
    }
}

fn buffers(iocb: &Iocb, vector: bool) -> Result<UserBuffers> {
    match vector {
        true => UserBuffers::vector(UserPtr::new(iocb.aio_buf), iocb.aio_nbytes),
        false => Ok(UserBuffers::single(iocb.aio_buf, iocb.aio_nbytes)),
    }
}

/// Where it begins: a file without offsets takes none. `EINVAL`, `EOPNOTSUPP`.
fn place(file: &OpenFile, iocb: &Iocb) -> Result<Option<u64>> {
    const KNOWN: u32 = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND;
    if iocb.aio_rw_flags & !KNOWN != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let offset = u64::try_from(iocb.aio_offset).map_err(|_| Errno::EINVAL)?;
    Ok(file.file().seekable().then_some(offset))
}

fn read(file: &Arc<OpenFile>, iocb: &Iocb, vector: bool) -> Result<i64> {
    let at = place(file, iocb)?;
    file.check_read(at)?;
    let buffers = buffers(iocb, vector)?;
    Ok(told(io::read_into(file, buffers, at)))
}

fn write(call: &Call<'_>, file: &Arc<OpenFile>, iocb: &Iocb, vector: bool) -> Result<i64> {
    let at = place(file, iocb)?;
    file.check_write(at)?;
    let buffers = buffers(iocb, vector)?;
    let flags = iocb.aio_rw_flags;
    Ok(told(io::write_as(call, file, buffers, at, flags)))
}

/// `EINVAL` for what cannot be synced.
fn sync(file: &OpenFile, data_only: bool) -> Result<i64> {
    let done = match data_only {
        true => file.sync_data(),
        false => file.sync(),
    };
    match done {
        Err(Errno::EINVAL) => Err(Errno::EINVAL),
        done => Ok(told(done.map(|()| 0))),
    }
}

/// io_cancel(2): what waits for a file ends without an event, which is told
/// (`EINPROGRESS`).
pub fn io_cancel(call: &mut Call<'_>) -> Result<u64> {
    let iocb = call.word(1);
    let key = UserPtr::<u32>::new(iocb.wrapping_add(AIO_KEY_AT)).read()?;
    if key != KIOCB_KEY {
        return Err(Errno::EINVAL);
    }
    aio::cancel(&*context(call)?, iocb)?;
    Err(Errno::EINPROGRESS)
}

/// io_getevents(2).
pub fn io_getevents(call: &mut Call<'_>) -> Result<u64> {
    let deadline = deadline(call, call.pointer(4))?;
    get(call, deadline).map_err(not_restarted)
}

/// io_pgetevents(2).
pub fn io_pgetevents(call: &mut Call<'_>) -> Result<u64> {
    let deadline = deadline(call, call.pointer(4))?;
    let [mask, size] = match call.pointer::<[u64; 2]>(5).non_null() {
        Some(argument) => argument.read()?,
        None => [0; 2],
    };
    let found = with_mask(call, UserPtr::new(mask), size, || get(call, deadline));
    found.map_err(not_restarted)
}

/// Waits for so many events, and tells of those that there are. `EINVAL`, `ERESTARTSYS`,
/// `EFAULT`.
fn get(call: &Call<'_>, deadline: Deadline) -> Result<u64> {
    let context = context(call)?;
    let (least, most) = (call.word(1) as i64, call.word(2) as i64);
    if least < 0 || least > most {
        return Err(Errno::EINVAL);
    }
    let mut told = 0;
    loop {
        told = tell(call, &context, told, most as u64)?;
        if told >= least as u64 {
            return Ok(told);
        }
        let news = || {
            let any = context.with(|operations| operations.ended()) > 0;
            (any || context.is_destroyed()).then_some(())
        };
        match context.changed.wait_interruptible(deadline, news) {
            Ok(()) if context.is_destroyed() => return Err(Errno::EINVAL),
            Ok(()) => {}
            Err(WaitError::TimedOut) => return Ok(told),
            Err(WaitError::Interrupted) if told > 0 => return Ok(told),
            Err(WaitError::Interrupted) => return Err(Errno::ERESTARTSYS),
        }
    }
}

/// Tells of events from the place `told` on, up to `most`; how many have been by then.
fn tell(call: &Call<'_>, context: &Context, mut told: u64, most: u64) -> Result<u64> {
    let places: UserPtr<IoEvent> = call.pointer(3);
    while told < most {
        let Some(event) = context.with(|operations| operations.next_ended()) else {
            break;
        };
        let stored = places
            .at(told as usize)
            .and_then(|place| place.write(&event));
        if let Err(error) = stored {
            context.with(|operations| operations.not_told(event));
            return match told {
                0 => Err(error),
                told => Ok(told),
            };
        }
        told += 1;
    }
    Ok(told)
}
