//! epoll(7).
//!
//! Every watched file wakes its entry, which notes that there may be news and
//! wakes the epoll. A wait looks at the entries with news only. What an entry
//! sees is read after the note is taken and the entry waits again, so that no
//! change is lost; an edge-triggered entry is reported once for each note, a
//! level-triggered one as long as it is ready.

mod entry;
mod instance;

use super::Call;
use super::poll::with_mask;
use crate::time;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicUsize, Ordering};
use entry::{ENTRIES, Entry, Interest};
use instance::Epoll;
use paddock_abi::time::Timespec;
use paddock_abi::uio::*;
use paddock_abi::{Errno, Result};
use paddock_process::{Membership, WeakList};
use paddock_sync::{
    Deadline, Mutex, NO_DEADLINE, Pollable, Rank, Ready, SpinLock, WaitError, WaitQueue, try_arc,
};
use paddock_vfs::{ANONYMOUS_DEVICE, File, FileKind, Metadata, OpenFile, OpenFlags};

/// The most events that one wait gives.
const MAX_EVENTS: usize = 1024;
/// How deep one epoll may watch another.
const MAX_DEPTH: usize = 4;
/// Held while an epoll begins to watch another: what looking at one comes to is
/// bounded only if no two form a circle at once.
static NESTING: Mutex<()> = Mutex::new(Rank::LeafMutex, ());
/// All epolls.
static EPOLLS: WeakList<Epoll> = WeakList::new();

/// The file in front of an epoll.
struct EpollFile(Arc<Epoll>);

impl Pollable for EpollFile {
    fn ready(&self) -> Ready {
        self.0.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.0.wait_queue()
    }
}

impl File for EpollFile {
    fn metadata(&self) -> Result<Metadata> {
        Ok(anonymous_metadata())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What fstat(2) says of a file without a name.
pub fn anonymous_metadata() -> Metadata {
    Metadata::nameless(ANONYMOUS_DEVICE, 1, FileKind::Regular, 0o600)
}

fn epoll_of(file: &OpenFile) -> Option<&Arc<Epoll>> {
    file.file()
        .as_any()
        .downcast_ref::<EpollFile>()
        .map(|file| &file.0)
}

/// epoll_create1(2).
pub fn epoll_create1(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) & !EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let entries = SpinLock::new(Rank::Leaf, Vec::new());
    let epoll = try_arc(Epoll {
        entries,
        changed: WaitQueue::new(),
        moves: AtomicUsize::new(0),
        membership: Membership::new(&EPOLLS),
    })?;
    EPOLLS.add(&epoll)?;
    let flags = OpenFlags::from_bits_truncate(call.uint(0)) | OpenFlags::RDWR;
    let file = OpenFile::new(try_arc(EpollFile(epoll))?, None, flags)?;
    Ok(call.install(file, flags)? as u64)
}

/// epoll_ctl(2).
pub fn epoll_ctl(call: &mut Call<'_>) -> Result<u64> {
    let operation = call.uint(1);
    let interest = match operation {
        EPOLL_CTL_DEL => Interest { events: 0, data: 0 },
        _ => call.pointer::<EpollEvent>(3).read().map(|event| Interest {
            events: event.events,
            data: event.data,
        })?,
    };
    let (holder, file, fd) = (call.file(0)?, call.file(2)?, call.int(2));
    if file.file().wait_queue().is_none() {
        // Regular files and directories are always ready: Linux says so too.
        return Err(Errno::EPERM);
    }
    let epoll = epoll_of(&holder).ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(&holder, &file) {
        return Err(Errno::EINVAL);
    }
    if operation == EPOLL_CTL_DEL {
        let gone = epoll.take(|entry| entry.is_of(fd, &file));
        return gone.map(|_| 0).ok_or(Errno::ENOENT);
    }
    let adding = operation == EPOLL_CTL_ADD && epoll_of(&file).is_none();
    if interest.is_exclusive() && !adding || interest.is_confused() {
        return Err(Errno::EINVAL);
    }
    match (operation, epoll.find(fd, &file)) {
        (EPOLL_CTL_ADD, Some(_)) => Err(Errno::EEXIST),
        (EPOLL_CTL_ADD, None) => add(epoll, fd, file, interest),
        (EPOLL_CTL_MOD, None) => Err(Errno::ENOENT),
        (EPOLL_CTL_MOD, Some(entry)) if !entry.interest.lock().is_exclusive() => {
            *entry.interest.lock() = interest;
            entry.note.wake_by_ref();
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn add(epoll: &Arc<Epoll>, fd: i32, file: Arc<OpenFile>, interest: Interest) -> Result<u64> {
    let inner = epoll_of(&file);
    let _nesting = inner.is_some().then(|| NESTING.lock());
    if inner.is_some_and(|inner| !may_watch(epoll, inner)) {
        return Err(Errno::ELOOP);
    }
    epoll.add(Entry::new(epoll, fd, file.clone(), interest)?)?;
    if !file.has_descriptors() {
        // Closed by another thread, which has looked before the entry was
        // there, or else has removed it.
        drop(epoll.take(|entry| Arc::ptr_eq(&entry.file, &file)));
    }
    epoll.changed.wake_all();
    Ok(0)
}

/// Whether `outer` may watch `inner`: no epoll comes to watch itself, and none
/// is nested too deep, however the nest was built. Under [`NESTING`].
fn may_watch(outer: &Arc<Epoll>, inner: &Arc<Epoll>) -> bool {
    let depth = height(outer, MAX_DEPTH) + 1 + inner.depth(MAX_DEPTH);
    depth < MAX_DEPTH && !inner.reaches(outer, MAX_DEPTH)
}

/// How many epolls, one above the other, watch `epoll`; at most `limit`.
fn height(epoll: &Arc<Epoll>, limit: usize) -> usize {
    let mut highest = 0;
    EPOLLS.for_each(|outer| {
        if highest < limit && outer.watches(epoll) {
            highest = highest.max(1 + height(outer, limit - 1));
        }
    });
    highest
}

/// epoll_pwait(2).
pub fn epoll_pwait(call: &mut Call<'_>) -> Result<u64> {
    let deadline = match call.int(3) {
        timeout if timeout < 0 => NO_DEADLINE,
        timeout => time::now() + timeout as u64 * 1_000_000,
    };
    wait(call, deadline)
}

/// epoll_pwait2(2).
pub fn epoll_pwait2(call: &mut Call<'_>) -> Result<u64> {
    let deadline = match call.pointer::<Timespec>(3).non_null() {
        Some(timeout) => time::now().saturating_add(timeout.read()?.to_nanos()?),
        None => NO_DEADLINE,
    };
    wait(call, deadline)
}

fn wait(call: &Call<'_>, deadline: Deadline) -> Result<u64> {
    let count = usize::try_from(call.int(2))
        .ok()
        .filter(|&count| count > 0)
        .ok_or(Errno::EINVAL)?;
    let holder = call.file(0)?;
    let epoll = epoll_of(&holder).ok_or(Errno::EINVAL)?;
    let mut events = Vec::new();
    events
        .try_reserve_exact(count.min(MAX_EVENTS))
        .map_err(|_| Errno::ENOMEM)?;
    with_mask(call, call.pointer(4), || {
        collect_until(epoll, &mut events, deadline)
    })?;
    let array: UserPtr<EpollEvent> = call.pointer(1);
    for (index, event) in events.iter().take(count).enumerate() {
        array.at(index)?.write(event)?;
    }
    Ok(events.len().min(count) as u64)
}

fn collect_until(epoll: &Epoll, events: &mut Vec<EpollEvent>, deadline: Deadline) -> Result<()> {
    let waited = epoll.changed.wait_interruptible(deadline, || {
        epoll.collect(events);
        (!events.is_empty()).then_some(())
    });
    match waited {
        Ok(()) | Err(WaitError::TimedOut) => Ok(()),
        Err(WaitError::Interrupted) => Err(Errno::EINTR),
    }
}

/// The last descriptor of `file` has been closed: epolls let go of it.
pub fn closed(file: &Arc<OpenFile>) {
    if ENTRIES.load(Ordering::SeqCst) == 0 {
        return;
    }
    EPOLLS.for_each(|epoll| {
        while let Some(entry) = epoll.take(|entry| Arc::ptr_eq(&entry.file, file)) {
            drop(entry);
        }
    });
}
