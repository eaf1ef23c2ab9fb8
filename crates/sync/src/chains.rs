//! Who waits for whom: the one short spin lock under which waiters of sleeping
//! locks come and go, and the priority they lend along chains of holders.
//!
//! A holder cannot give back a lock that somebody waits for without this lock.
//! So while it is held, every holder and waiter that can be reached from a
//! waiter is alive: holders' addresses are never dangling here.

use crate::context::Context;
use crate::meta::{LockMeta, LockRecord};
use crate::mutex::RawMutex;
use crate::platform;
use crate::rank::Rank;
use crate::rwlock::RawRwLock;
use crate::spin::{IrqOff, SpinLock, SpinLockGuard};
use crate::waiter::{WAITING, Waiter};
use core::fmt;
use core::panic::Location;
use core::ptr;

/// The right to look at and change waiters. There is one.
pub(crate) struct Chains(());

pub(crate) type Guard = SpinLockGuard<'static, Chains, IrqOff>;

#[cfg(not(loom))]
static CHAINS: SpinLock<Chains, IrqOff> = SpinLock::new(Rank::Chains, Chains(()));

#[cfg(loom)]
loom::lazy_static! {
    static ref CHAINS: SpinLock<Chains, IrqOff> = SpinLock::new(Rank::Chains, Chains(()));
}

fn lock_itself() -> &'static SpinLock<Chains, IrqOff> {
    &CHAINS
}

#[track_caller]
pub(crate) fn lock() -> Guard {
    lock_itself().lock()
}

/// For reports, which must not hang: the holder may be the one that is stuck.
pub(crate) fn try_look() -> Option<Guard> {
    const TRIES: usize = 1000;
    (0..TRIES).find_map(|_| lock_itself().try_lock())
}

/// A sleeping lock that somebody waits for.
#[derive(Clone, Copy)]
pub(crate) enum LockRef {
    Mutex(*const RawMutex),
    RwLock(*const RawRwLock),
}

impl LockRef {
    /// # Safety
    /// `Chains` is in hand and a waiter of the lock is queued, or the lock is
    /// borrowed by other means.
    unsafe fn meta<'a>(self) -> &'a LockMeta {
        // SAFETY: a queued waiter borrows its lock.
        unsafe {
            match self {
                LockRef::Mutex(lock) => (*lock).meta(),
                LockRef::RwLock(lock) => (*lock).meta(),
            }
        }
    }

    /// Those who have to do something before the waiters can have the lock.
    ///
    /// # Safety
    /// As for [`Self::meta`].
    unsafe fn blockers(self, chains: &mut Chains, visit: &mut dyn FnMut(&Context)) {
        // SAFETY: a queued waiter borrows its lock; holders are alive, as
        // the module says.
        unsafe {
            match self {
                LockRef::Mutex(lock) => (*lock).blockers(chains, visit),
                LockRef::RwLock(lock) => (*lock).blockers(chains, visit),
            }
        }
    }

    /// # Safety
    /// As for [`Self::meta`], and the waiter is queued at this lock.
    unsafe fn reorder(self, chains: &mut Chains, waiter: *const Waiter, priority: u8) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                LockRef::Mutex(lock) => (*lock).reorder(chains, waiter, priority),
                LockRef::RwLock(lock) => (*lock).reorder(chains, waiter, priority),
            }
        }
    }
}

/// Waits for a lock at which `waiter`, the calling thread's, has just queued:
/// lends its priority along the chain, reports a circle, and sleeps until
/// `done`, which is asked after every wake-up.
pub(crate) fn wait(
    mut chains: Guard,
    context: &Context,
    lock: &LockMeta,
    waiter: &Waiter,
    mut done: impl FnMut() -> bool,
) {
    context.set_waiter(waiter);
    let cycle = lend(&mut chains, waiter);
    drop(chains);
    let _leave = Leave(waiter);
    report(cycle, waiter.at);
    let mut stalled = platform::now().saturating_add(platform::stalled_after());
    while !done() {
        platform::park(stalled);
        let now = platform::now();
        if now >= stalled && waiter.state() == WAITING {
            platform::lock_stalled(context, lock);
            stalled = now.saturating_add(platform::stalled_after());
        }
    }
}

/// Ends a wait. If the waiter has not got the lock (on a host a report
/// unwinds), it leaves the queue.
struct Leave<'a>(&'a Waiter);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // SAFETY: the thread of the waiter calls this.
        let context = unsafe { &*self.0.context };
        context.wait.end();
        if !ptr::eq(context.waiter(), self.0) {
            return;
        }
        let mut chains = lock();
        if !ptr::eq(context.waiter(), self.0) {
            return;
        }
        context.set_waiter(ptr::null());
        // SAFETY: a context's waiter is queued, and a waiter borrows its lock.
        let waker = unsafe {
            match self.0.lock {
                LockRef::Mutex(lock) => (*lock).abandon(&mut chains, self.0),
                LockRef::RwLock(lock) => return (*lock).abandon(chains, self.0),
            }
        };
        drop(chains);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// How many waits one chain may consist of; beyond it nothing is lent, and no
/// circle is found.
const REACH: usize = 32;

/// How many threads of a circle are named.
const SHOWN: usize = 12;

#[derive(Clone, Copy)]
struct Step {
    waiter: *const Waiter,
    /// The step that led here.
    from: usize,
}

/// Lends the priority of a thread that has just queued up to all who keep it
/// waiting, and looks for a circle that leads back to it.
pub(crate) fn lend(chains: &mut Chains, first: &Waiter) -> Option<Cycle> {
    // SAFETY: the thread of `first` calls this.
    let priority = unsafe { (*first.context).priority() };
    let mut steps = [Step {
        waiter: ptr::from_ref(first),
        from: 0,
    }; REACH];
    let mut known = 1;
    let mut cycle = None;
    let mut index = 0;
    while index < known {
        // SAFETY: the waiters found are queued, hence alive.
        let lock = unsafe { (*steps[index].waiter).lock };
        let mut blockers = [ptr::null::<Context>(); RawRwLock::RECORDED];
        let mut count = 0;
        // SAFETY: the waiter is queued and `chains` is in hand.
        unsafe {
            lock.blockers(chains, &mut |holder| {
                blockers[count] = holder;
                count += 1;
            });
        }
        for &holder in &blockers[..count] {
            if ptr::eq(holder, first.context) {
                cycle = cycle.or_else(|| Some(Cycle::new(&steps, index)));
                continue;
            }
            // SAFETY: a blocker is alive while `chains` is in hand.
            let next = unsafe { raise(chains, &*holder, priority) };
            let seen = steps[..known].iter().any(|step| step.waiter == next);
            if !next.is_null() && !seen && known < REACH {
                steps[known] = Step {
                    waiter: next,
                    from: index,
                };
                known += 1;
            }
        }
        index += 1;
    }
    cycle
}

/// Lends to one holder; gives back what that one waits for itself, or null.
///
/// # Safety
/// The holder is reachable from a queued waiter.
unsafe fn raise(chains: &mut Chains, holder: &Context, priority: u8) -> *const Waiter {
    let waiter = holder.waiter();
    if holder.priority() > priority {
        holder.set_lent(priority);
        if !waiter.is_null() {
            // SAFETY: a context's waiter is queued, hence alive.
            unsafe { (*waiter).lock.reorder(chains, waiter, priority) };
        }
    }
    waiter
}

/// Makes a thread at least as urgent by itself as `priority`, from now on and
/// wherever it waits or is queued. Any context; the caller keeps the thread.
pub fn hasten(context: &Context, priority: u8) {
    let mut chains = lock();
    let before = context.priority();
    if context.base_priority() <= priority {
        return;
    }
    context.set_base_priority(priority);
    if context.priority() >= before {
        return;
    }
    platform::priority_changed(context);
    let waiter = context.waiter();
    if !waiter.is_null() {
        // SAFETY: a context's waiter is queued, hence alive.
        unsafe { (*waiter).lock.reorder(&mut chains, waiter, priority) };
    }
}

/// A context that has just got a lock is lent what its waiters want.
pub(crate) fn take_over(_: &mut Chains, context: &Context, lock: &LockMeta) {
    if lock.wanted() < context.priority() {
        context.set_lent(lock.wanted());
    }
}

/// After a release: the caller keeps what the waiters of its other locks lend.
pub(crate) fn recompute_inherited(_: &mut Chains, context: &Context) {
    // SAFETY: the caller is the thread of `context`, whose guards borrow the
    // locks it holds.
    let wanted = context.held.locks().map(|lock| unsafe { (*lock).wanted() });
    context.set_lent(wanted.min().unwrap_or(crate::meta::NO_PRIORITY));
}

impl Context {
    /// The sleeping lock it waits for, with the holder of this moment.
    pub(crate) fn blocked_on(&self, _: &Chains) -> Option<LockRecord> {
        let waiter = self.waiter();
        // SAFETY: a context's waiter is queued, hence alive, and so is its
        // lock, while `Chains` is in hand.
        (!waiter.is_null()).then(|| unsafe { (*waiter).lock.meta().record() })
    }
}

/// One thread of a [`Cycle`].
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The thread's context, to be compared with others.
    pub context: *const Context,
    /// What it waits for.
    pub lock: LockRecord,
    /// Where it waits.
    pub at: &'static Location<'static>,
}

/// A circle of threads, each of which waits for a lock that the next one
/// holds, and the last for one of the first.
#[derive(Clone, Copy, Debug)]
pub struct Cycle {
    links: [Option<Link>; SHOWN],
}

impl Cycle {
    fn new(steps: &[Step; REACH], last: usize) -> Self {
        let mut links = [None; SHOWN];
        let mut index = last;
        let mut length = 0;
        while length < SHOWN {
            // SAFETY: as in `lend`, which calls this.
            links[length] = Some(unsafe {
                let waiter = &*steps[index].waiter;
                Link {
                    context: waiter.context,
                    lock: waiter.lock.meta().record(),
                    at: waiter.at,
                }
            });
            length += 1;
            if index == 0 {
                break;
            }
            index = steps[index].from;
        }
        links[..length].reverse();
        Cycle { links }
    }

    /// The threads, beginning with the one whose wait closed the circle.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().flatten()
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for link in self.links() {
            write!(
                f,
                "context {:p} waits at {} for {}, taken ",
                link.context, link.at, link.lock
            )?;
            match link.lock.taken_at() {
                Some(at) => write!(f, "at {at} ")?,
                None => f.write_str("for reading ")?,
            }
            f.write_str("by ")?;
        }
        match self.links().next() {
            Some(first) => write!(f, "context {:p}", first.context),
            None => Ok(()),
        }
    }
}

/// Reports a circle. With no lock held, since a report takes its time.
pub(crate) fn report(cycle: Option<Cycle>, at: &'static Location<'static>) {
    if let Some(cycle) = cycle {
        platform::violation(&crate::Violation::Deadlock { at, cycle });
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
