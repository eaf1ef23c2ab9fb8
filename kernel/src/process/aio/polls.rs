//! Operations that wait for files (`IOCB_CMD_POLL`): one thread waits for all of them, in
//! an epoll of the kernel's own.

use super::Context;
use crate::thread;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::aio::IoEvent;
use paddock_abi::uio::{EPOLLONESHOT, EpollEvent};
use paddock_abi::{Errno, Result};
use paddock_epoll::{Entry, Epoll, Interest, Source};
use paddock_sync::{Mutex, NO_DEADLINE, OnceCell, PreemptOff, Rank, SpinLock, try_insert};
use paddock_vfs::{File, OpenFile};

/// How many events are taken at once.
const BATCH: usize = 32;

/// A file that an operation waits for, which the operation keeps open.
#[derive(Clone)]
struct Waited {
    file: Arc<OpenFile>,
    number: u64,
}

impl Source for Waited {
    type Object = dyn File;

    fn object(&self) -> &Arc<dyn File> {
        self.file.file()
    }

    fn id(&self) -> usize {
        self.number as usize
    }

    fn epoll(&self) -> Option<&Arc<Epoll<Waited>>> {
        None
    }

    /// Closing its descriptors does not end the wait.
    fn attach(&self, _: u64, _: Weak<Entry<Waited>>) -> Result<()> {
        Ok(())
    }

    fn detach(&self, _: u64) {}
}

/// An operation that waits.
pub struct Poll {
    /// Its context.
    pub context: Weak<Context>,
    /// What it waits for.
    pub file: Arc<OpenFile>,
    /// Which events of that.
    pub events: u32,
    /// What is told of its end.
    pub event: IoEvent,
    /// Who hears of that.
    pub eventfd: Option<Arc<OpenFile>>,
}

/// Those that wait, by their numbers: whoever takes one out ends it.
static POLLS: SpinLock<BTreeMap<u64, Poll>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);
static WATCH: OnceCell<Arc<Epoll<Waited>>> = OnceCell::new();
static STARTING: Mutex<()> = Mutex::new(Rank::LeafMutex, ());

/// The epoll; its thread is there once somebody needs it. `ENOMEM`, `EAGAIN`.
fn watch() -> Result<&'static Arc<Epoll<Waited>>> {
    if let Some(epoll) = WATCH.get() {
        return Ok(epoll);
    }
    let _starting = STARTING.lock();
    if WATCH.get().is_none() {
        let epoll = Epoll::new()?;
        let mut events = Vec::new();
        events.try_reserve_exact(BATCH).map_err(|_| Errno::ENOMEM)?;
        let waited = epoll.clone();
        thread::spawn("aio", move || end_those(&waited, events))?;
        let _ = WATCH.set(epoll);
    }
    WATCH.get().ok_or(Errno::ENOMEM)
}

fn end_those(epoll: &Epoll<Waited>, mut events: Vec<EpollEvent>) {
    loop {
        // Nothing interrupts a thread of the kernel.
        let _ = epoll.wait(&mut events, NO_DEADLINE);
        for event in events.drain(..) {
            end(event.data, event.events);
        }
    }
}

/// Takes one out of those that wait, if nobody else has.
fn take(number: u64) -> Option<Poll> {
    let poll = POLLS.lock().remove(&number)?;
    if let Some(epoll) = WATCH.get() {
        let file = poll.file.clone();
        let _ = epoll.remove(0, &Waited { file, number });
    }
    Some(poll)
}

/// One ends with these events, if nobody else has ended it; whether that is so.
fn end(number: u64, events: u32) -> bool {
    let Some(poll) = take(number) else {
        return false;
    };
    if let Some(context) = poll.context.upgrade() {
        context.with(|operations| operations.wait_is_over(number));
        let event = IoEvent {
            res: events.into(),
            ..poll.event
        };
        context.end(event, poll.eventfd.as_deref());
    }
    true
}

/// One ends without anybody hearing of it.
pub(super) fn forget(number: u64) {
    drop(take(number));
}

/// Has an operation, which has a place in its context, wait. Sleeps.
///
/// # Errors
/// `ENOMEM`, `EAGAIN`.
pub fn start_poll(context: &Context, poll: Poll) -> Result<()> {
    let epoll = watch()?;
    let number = NEXT.fetch_add(1, Relaxed);
    let interest = Interest {
        events: poll.events | EPOLLONESHOT,
        data: number,
    };
    let file = poll.file.clone();
    let iocb = poll.event.obj;
    try_insert(&mut POLLS.lock(), number, poll)?;
    context.with(|operations| operations.wait(number, iocb));
    // From here on it may have ended at any time.
    epoll
        .add(0, Waited { file, number }, interest)
        .inspect_err(|_| {
            forget(number);
            context.with(|operations| operations.wait_is_over(number));
        })
}

/// Ends the operation of an `iocb` that waits, without an event, which is told.
///
/// # Errors
/// `EINVAL` if none does.
pub fn cancel(context: &Context, iocb: u64) -> Result<()> {
    let number = context.with(|operations| operations.waiting_at(iocb));
    let number = number.ok_or(Errno::EINVAL)?;
    match end(number, 0) {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    }
}
