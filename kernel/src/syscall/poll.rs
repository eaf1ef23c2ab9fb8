//! Waiting for several files: ppoll(2), pselect6(2).

use super::Call;
use crate::arch::user_access::{copy_from_user, copy_to_user};
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_abi::process::STICKY_TIMEOUTS;
use paddock_abi::time::Timespec;
use paddock_abi::uio::*;
use paddock_abi::{Errno, Result};
use paddock_epoll::Interest;
use paddock_process::signal::SignalSet;
use paddock_sync::{Deadline, NO_DEADLINE, platform};
use paddock_vfs::OpenFile;

/// A file, and what is awaited of it (poll(2)'s bits).
struct Watched {
    file: Arc<OpenFile>,
    events: u32,
    /// Told though not awaited: poll(2) tells of errors and hang-ups whatever was asked
    /// for, select(2) of nothing.
    always: u32,
}

impl Watched {
    /// What is awaited and is the case now: that ends the wait, so each bit of it is one
    /// that the caller is told of.
    fn ready(&self) -> u32 {
        let told = self.interest().told_of(self.file.file().ready());
        told & (self.events | self.always)
    }

    fn interest(&self) -> Interest {
        Interest {
            events: self.events,
            data: 0,
        }
    }
}

/// Waits until one of the files is ready, or `deadline`; false if that has
/// passed. By the time this is looked at again, another thread may have taken
/// what was there. May sleep.
///
/// # Errors
/// `ERESTARTNOHAND` on a signal, `ENOMEM`.
fn wait_any(watched: &[Watched], deadline: Deadline) -> Result<bool> {
    paddock_sync::might_sleep();
    let is_ready = || watched.iter().any(|watched| watched.ready() != 0);
    let is_over = || deadline != NO_DEADLINE && platform::now() >= deadline;
    if is_ready() || is_over() {
        return Ok(!is_over());
    }
    let waker = platform::current_waker();
    let mut registrations = Vec::new();
    registrations
        .try_reserve_exact(watched.len())
        .map_err(|_| Errno::ENOMEM)?;
    for watched in watched {
        if let Some(queue) = watched.file.file().wait_queue() {
            let awaited = watched.interest().awaited();
            registrations.push(queue.register_for(&waker, awaited)?);
        }
    }
    loop {
        if is_ready() {
            return Ok(true);
        }
        if platform::interrupted() {
            return Err(Errno::ERESTARTNOHAND);
        }
        if is_over() {
            return Ok(false);
        }
        platform::park(deadline);
        registrations
            .iter()
            .for_each(|registration| registration.renew(&waker));
    }
}

/// The time at which a wait ends: never without a timeout.
pub fn deadline(call: &Call<'_>, timeout: UserPtr<Timespec>) -> Result<Deadline> {
    match timeout.non_null() {
        Some(timeout) => Ok(call.deadline_in(timeout.read()?.to_nanos()?)),
        None => Ok(NO_DEADLINE),
    }
}

/// Tells the caller how much of its time is left, if it can be told and wants to be.
fn tell_left(call: &Call<'_>, timeout: UserPtr<Timespec>, deadline: Deadline) {
    let sticky = call.process().personality.load(Ordering::Relaxed) & STICKY_TIMEOUTS != 0;
    if let Some(place) = timeout.non_null().filter(|_| !sticky) {
        let left = deadline.saturating_sub(platform::now());
        // A constant timeout stays what it is.
        let _ = place.write(&Timespec::from_nanos(left));
    }
}

/// Does `wait` under another signal mask, if there is one, of `size` bytes.
///
/// # Errors
/// `EINVAL` for another size than a mask's, `EFAULT`, those of `wait`.
pub fn with_mask<T>(
    call: &Call<'_>,
    mask: UserPtr<u64>,
    size: u64,
    wait: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let Some(mask) = mask.non_null() else {
        return wait();
    };
    if size != size_of::<u64>() as u64 {
        return Err(Errno::EINVAL);
    }
    let mask = SignalSet(mask.read()?);
    let tid = call.thread.tid;
    call.process().signals.lock().suspend_mask(tid, mask)?;
    call.thread.notify_self();
    let result = wait();
    // With a signal to handle, the handler ends the temporary mask.
    if !matches!(result, Err(error) if error.is_restart() || error == Errno::EINTR) {
        call.process().signals.lock().restore_mask(tid);
    }
    result
}

/// ppoll(2).
pub fn ppoll(call: &mut Call<'_>) -> Result<u64> {
    let array: UserPtr<Pollfd> = call.pointer(0);
    let count = usize::try_from(call.word(1)).map_err(|_| Errno::EINVAL)?;
    if count > call.descriptor_limit().max(64) {
        return Err(Errno::EINVAL);
    }
    let deadline = deadline(call, call.pointer(2))?;
    let mut fds = Vec::new();
    fds.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count {
        fds.push(array.at(index)?.read()?);
    }
    let found = with_mask(call, call.pointer(3), call.word(4), || {
        poll(call, &mut fds, deadline)
    })
    .map_err(|error| call.restarting_at(deadline, error));
    tell_left(call, call.pointer(2), deadline);
    let found = found?;
    for (index, fd) in fds.iter().enumerate() {
        array.at(index)?.write(fd)?;
    }
    Ok(found)
}

/// Fills in `revents`; how many are not zero.
fn poll(call: &Call<'_>, fds: &mut [Pollfd], deadline: Deadline) -> Result<u64> {
    let mut watched = Vec::new();
    watched
        .try_reserve_exact(fds.len())
        .map_err(|_| Errno::ENOMEM)?;
    let mut invalid = false;
    for fd in fds.iter_mut() {
        fd.revents = 0;
        match call.file_of(fd.fd) {
            _ if fd.fd < 0 => {}
            Ok(file) => watched.push(Watched {
                file,
                events: u32::from(fd.events as u16),
                always: POLLERR | POLLHUP,
            }),
            Err(_) => {
                fd.revents = POLLNVAL as i16;
                invalid = true;
            }
        }
    }
    loop {
        let over = invalid || !wait_any(&watched, deadline)?;
        let mut results = watched.iter();
        for fd in fds.iter_mut().filter(|fd| fd.fd >= 0 && fd.revents == 0) {
            fd.revents = results.next().map_or(0, |watched| watched.ready() as i16);
        }
        let found = fds.iter().filter(|fd| fd.revents != 0).count();
        if found > 0 || over {
            return Ok(found as u64);
        }
    }
}

const IN_EVENTS: u32 = POLLIN | POLLRDNORM | POLLHUP | POLLERR;
const OUT_EVENTS: u32 = POLLOUT | POLLWRNORM | POLLERR;
/// What each of select's three sets stands for.
const SETS: [u32; 3] = [IN_EVENTS, OUT_EVENTS, POLLPRI];

type FdSet = [u8; FD_SETSIZE / 8];

/// pselect6(2).
pub fn pselect6(call: &mut Call<'_>) -> Result<u64> {
    let count = usize::try_from(call.int(0))
        .map_err(|_| Errno::EINVAL)?
        .min(FD_SETSIZE);
    let bytes = count.div_ceil(64) * 8;
    let mut sets: [FdSet; 3] = [[0; FD_SETSIZE / 8]; 3];
    for (index, set) in sets.iter_mut().enumerate() {
        if call.word(index + 1) != 0 {
            copy_from_user(&mut set[..bytes], call.word(index + 1))?;
        }
    }
    let deadline = deadline(call, call.pointer(4))?;
    // The sixth argument points at the mask's address and size.
    let [mask, size] = match call.pointer::<[u64; 2]>(5).non_null() {
        Some(argument) => argument.read()?,
        None => [0; 2],
    };
    let found = with_mask(call, UserPtr::new(mask), size, || {
        select(call, count, &mut sets, deadline)
    })
    .map_err(|error| call.restarting_at(deadline, error));
    tell_left(call, call.pointer(4), deadline);
    let found = found?;
    for (index, set) in sets.iter().enumerate() {
        if call.word(index + 1) != 0 {
            copy_to_user(call.word(index + 1), &set[..bytes])?;
        }
    }
    Ok(found)
}

fn has(set: &FdSet, fd: usize) -> bool {
    set[fd / 8] & (1 << (fd % 8)) != 0
}

/// Leaves in the sets what is ready; how many bits are left. `EBADF`.
fn select(call: &Call<'_>, count: usize, sets: &mut [FdSet; 3], deadline: Deadline) -> Result<u64> {
    let mut watched = Vec::new();
    let mut numbers = Vec::new();
    for fd in 0..count {
        let wanted = (0..3).filter(|&index| has(&sets[index], fd));
        let events = wanted.fold(0, |events, index| events | SETS[index]);
        if events != 0 {
            watched.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            numbers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            watched.push(Watched {
                file: call.file_of(fd as i32)?,
                events,
                always: 0,
            });
            numbers.push(fd);
        }
    }
    let wanted = core::mem::replace(sets, [[0; FD_SETSIZE / 8]; 3]);
    loop {
        let over = !wait_any(&watched, deadline)?;
        let mut found = 0;
        for (&fd, watched) in numbers.iter().zip(&watched) {
            let ready = watched.ready();
            for index in (0..3).filter(|&index| has(&wanted[index], fd)) {
                if ready & SETS[index] != 0 {
                    sets[index][fd / 8] |= 1 << (fd % 8);
                    found += 1;
                }
            }
        }
        if found > 0 || over {
            return Ok(found);
        }
    }
}
