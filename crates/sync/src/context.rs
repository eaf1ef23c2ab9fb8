//! [`Context`]: what the guards and locks know of one thread.

use crate::chains;
use crate::held::Held;
use crate::meta::{LockMeta, LockRecord, NO_PRIORITY};
use crate::platform;
use crate::points;
use crate::violation::Violation;
use crate::wait_record::WaitRecord;
use crate::waiter::Waiter;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, compiler_fence};

const PREEMPT_ONE: u32 = 1;
const PREEMPT_MASK: u32 = 0xffff;
const INTERRUPT_ONE: u32 = 1 << 16;
const INTERRUPT_MASK: u32 = 0xff << 16;
pub(crate) const POLL_ONE: u32 = 1 << 24;
const POLL_MASK: u32 = 0xff << 24;

/// What the guards know of one thread (or of a CPU's boot and idle phase).
///
/// Only the thread itself, and interrupts on the CPU it runs on, write to
/// it; others read it for reports. Hence relaxed atomics throughout.
#[derive(Debug)]
pub struct Context {
    /// Preemption-off depth, interrupt depth and poll depth in one word, so
    /// that "may this code sleep?" is one load and one compare.
    depths: AtomicU32,
    need_resched: AtomicBool,
    /// Where, and when (ticks), the outermost section without preemption began.
    section_at: AtomicPtr<Location<'static>>,
    section_since: AtomicU64,
    /// Where the poll under way, or the last one, began.
    poll_at: AtomicPtr<Location<'static>>,
    pub(crate) held: Held,
    pub(crate) wait: WaitRecord,
    /// How urgent the thread is by itself, and by what waiters lend it;
    /// smaller is more urgent.
    base: AtomicU8,
    lent: AtomicU8,
    /// Its place in the queue of a sleeping lock. Under the lock of `chains`.
    waiter: AtomicPtr<Waiter>,
    #[cfg(loom)]
    gone: AtomicBool,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// Where the request for a switch is, one byte that is not zero, for the
    /// exception vectors.
    pub const NEED_RESCHED_OFFSET: usize = core::mem::offset_of!(Context, need_resched);

    /// A context in which everything is allowed.
    pub const fn new() -> Self {
        Context {
            depths: AtomicU32::new(0),
            need_resched: AtomicBool::new(false),
            section_at: AtomicPtr::new(ptr::null_mut()),
            section_since: AtomicU64::new(0),
            poll_at: AtomicPtr::new(ptr::null_mut()),
            held: Held::new(),
            wait: WaitRecord::new(),
            base: AtomicU8::new(0),
            lent: AtomicU8::new(NO_PRIORITY),
            waiter: AtomicPtr::new(ptr::null_mut()),
            #[cfg(loom)]
            gone: AtomicBool::new(false),
        }
    }

    /// The same context with a priority of its own: smaller is more urgent,
    /// and 255 is not a priority. Without it, it has the most urgent.
    pub const fn with_priority(self, priority: u8) -> Self {
        Context {
            base: AtomicU8::new(priority),
            ..self
        }
    }

    /// A context that starts with preemption off once, for a new thread that
    /// first has to finish the switch to itself, and for the boot.
    pub const fn new_atomic() -> Self {
        let context = Self::new();
        Context {
            depths: AtomicU32::new(PREEMPT_ONE),
            ..context
        }
    }

    /// Nesting depth of sections without preemption.
    pub fn preempt_depth(&self) -> u32 {
        self.depths.load(Relaxed) & PREEMPT_MASK
    }

    /// Whether an interrupt handler runs in this context.
    pub fn in_interrupt(&self) -> bool {
        self.depths.load(Relaxed) & INTERRUPT_MASK != 0
    }

    /// Whether an executor polls a task in this context.
    pub fn in_poll(&self) -> bool {
        self.depths.load(Relaxed) & POLL_MASK != 0
    }

    /// How urgent the thread is now: by itself, or by what those lend it that
    /// wait for its locks. Any context.
    pub fn priority(&self) -> u8 {
        self.base_priority().min(self.lent.load(Relaxed))
    }

    /// In a model: its thread has ended.
    #[cfg(loom)]
    pub(crate) fn set_gone(&self) {
        assert_eq!(self.held.count(), 0, "a thread has ended with locks");
        assert_eq!(self.lent.load(Relaxed), NO_PRIORITY, "a loan outlives it");
        self.gone.store(true, Relaxed);
    }

    /// In a model: nobody may look at it once its thread has ended.
    #[cfg(loom)]
    pub(crate) fn assert_there(&self) {
        assert!(!self.gone.load(Relaxed), "a context is used after its end");
    }

    /// How urgent the thread is by itself.
    pub fn base_priority(&self) -> u8 {
        #[cfg(loom)]
        self.assert_there();
        self.base.load(Relaxed)
    }

    /// Sets how urgent the thread is by itself. Before it runs, or from itself
    /// while it holds no lock.
    pub fn set_base_priority(&self, priority: u8) {
        self.base.store(priority, Relaxed);
    }

    /// Sets what is lent. The caller has the lock of `chains`.
    pub(crate) fn set_lent(&self, priority: u8) {
        let before = self.priority();
        self.lent.store(priority, Relaxed);
        if self.priority() != before {
            platform::priority_changed(self);
        }
    }

    /// Its place in a queue. The caller has the lock of `chains`.
    pub(crate) fn waiter(&self) -> *const Waiter {
        self.waiter.load(Relaxed)
    }

    pub(crate) fn set_waiter(&self, waiter: *const Waiter) {
        self.waiter.store(waiter.cast_mut(), Relaxed);
    }

    /// Whether nothing forbids sleeping, but for a mask of interrupts.
    #[inline(always)]
    pub(crate) fn may_sleep(&self) -> bool {
        self.depths.load(Relaxed) == 0
    }

    /// Whether this context may be switched away from now.
    pub fn preemptible(&self) -> bool {
        self.depths.load(Relaxed) & (PREEMPT_MASK | INTERRUPT_MASK) == 0
    }

    /// Asks for a switch as soon as preemption is possible.
    pub fn set_need_resched(&self) {
        self.need_resched.store(true, Relaxed);
    }

    /// Takes back the request for a switch; whether there was one.
    pub fn take_need_resched(&self) -> bool {
        self.need_resched.load(Relaxed) && self.need_resched.swap(false, Relaxed)
    }

    /// Whether a switch has been asked for.
    pub fn need_resched(&self) -> bool {
        self.need_resched.load(Relaxed)
    }

    /// Where preemption was turned off, and since when in nanoseconds of the
    /// monotonic clock, if it is off now.
    pub fn section(&self) -> Option<(&'static Location<'static>, u64)> {
        if self.preempt_depth() == 0 {
            return None;
        }
        // SAFETY: only ever set from a `&'static Location`.
        let at = unsafe { self.section_at.load(Relaxed).as_ref() }?;
        Some((at, self.section_began()))
    }

    /// Where the last outermost section without preemption began, over or
    /// not, and when in nanoseconds of the monotonic clock.
    pub fn last_section(&self) -> Option<(&'static Location<'static>, u64)> {
        // SAFETY: only ever set from a `&'static Location`.
        let at = unsafe { self.section_at.load(Relaxed).as_ref() }?;
        Some((at, self.section_began()))
    }

    fn section_began(&self) -> u64 {
        platform::ticks_to_nanos(self.section_since.load(Relaxed))
    }

    /// Enters async-poll context.
    pub(crate) fn begin_poll(&self, at: &'static Location<'static>) {
        self.add(POLL_ONE);
        self.poll_at.store(ptr::from_ref(at).cast_mut(), Relaxed);
    }

    /// Where the executor began the poll that is under way.
    pub fn poll_began_at(&self) -> Option<&'static Location<'static>> {
        if !self.in_poll() {
            return None;
        }
        // SAFETY: null, or set from a `&'static Location`.
        unsafe { self.poll_at.load(Relaxed).as_ref() }
    }

    /// Enters interrupt context; the vector calls this.
    pub fn enter_interrupt(&self) {
        self.add(INTERRUPT_ONE);
    }

    /// Leaves interrupt context.
    pub fn leave_interrupt(&self) {
        self.sub(INTERRUPT_ONE);
    }

    /// Begins a section without preemption. Only for the scheduler's own
    /// switch, where a guard cannot express who ends it.
    pub fn begin_section(&self, at: &'static Location<'static>) {
        let depths = self.depths.load(Relaxed);
        if depths & PREEMPT_MASK == 0 {
            self.section_since.store(platform::ticks(), Relaxed);
            self.section_at.store(ptr::from_ref(at).cast_mut(), Relaxed);
            // An interrupt that finds the section open finds where it began.
            compiler_fence(SeqCst);
        }
        self.depths.store(depths + PREEMPT_ONE, Relaxed);
    }

    /// Ends a section without preemption; true if a switch is due now.
    pub fn end_section(&self) -> bool {
        let depths = self.depths.load(Relaxed) - PREEMPT_ONE;
        self.depths.store(depths, Relaxed);
        let free = depths & (PREEMPT_MASK | INTERRUPT_MASK) == 0;
        points::at(free, free && self.need_resched.load(Relaxed))
    }

    pub(crate) fn add(&self, one: u32) {
        self.depths.store(self.depths.load(Relaxed) + one, Relaxed);
    }

    pub(crate) fn sub(&self, one: u32) {
        self.depths.store(self.depths.load(Relaxed) - one, Relaxed);
    }

    /// Reports a lock that may not be taken now. Before the attempt, so that
    /// what would hang is reported first.
    #[inline(always)]
    pub(crate) fn check_order(&self, lock: &LockMeta, at: &'static Location<'static>) {
        if cfg!(not(feature = "unchecked")) && !self.held.allows(lock) {
            self.report_order(lock, at);
        }
    }

    #[cold]
    #[inline(never)]
    fn report_order(&self, lock: &LockMeta, at: &'static Location<'static>) {
        let taken = lock.record();
        if let Some(held) = self.held().find(|held| held.address() == taken.address()) {
            platform::violation(&Violation::Recursion { held, at });
            return;
        }
        let wrong = |held: &LockRecord| {
            held.rank() > lock.rank() || (held.rank() == lock.rank() && !lock.rank().nests())
        };
        if let Some(held) = self.held().find(wrong) {
            platform::violation(&Violation::Order { taken, at, held });
        }
    }

    /// Reports a lock that cannot be had because the caller itself has it.
    #[cold]
    #[inline(never)]
    pub(crate) fn check_recursion(&self, lock: &LockMeta, at: &'static Location<'static>) {
        // An order that forbids the lock has been reported already.
        if ptr::eq(lock.holder(), self) && self.held.allows(lock) {
            let held = lock.record();
            platform::violation(&Violation::Recursion { held, at });
        }
    }

    #[inline(always)]
    pub(crate) fn push_held(&self, lock: &LockMeta, at: &'static Location<'static>) {
        if !self.held.push(lock, at) {
            report_too_many(at);
        }
    }

    #[inline(always)]
    pub(crate) fn pop_held(&self, lock: &LockMeta) {
        self.held.pop(lock);
    }

    /// The number of locks held now.
    pub fn held_locks(&self) -> usize {
        self.held.count()
    }

    /// The locks held now, in the order in which they were taken. Of another
    /// thread that runs it is a picture that may be blurred, never a wild one.
    pub fn held(&self) -> impl Iterator<Item = LockRecord> {
        let mine = |lock| LockRecord {
            holder: ptr::from_ref(self),
            ..lock
        };
        self.held.records().map(mine)
    }

    /// The lock this context is waiting for, and since when (nanoseconds of
    /// the monotonic clock). Any context, of any thread; takes no lock that
    /// it would have to wait for.
    ///
    /// The holder is given if it is known: for a sleeping lock it is looked up
    /// among the waiters, unless those are being changed just now.
    pub fn waiting_for(&self) -> Option<(LockRecord, u64)> {
        let (record, since) = self.wait.get()?;
        match chains::try_look() {
            Some(chains) => Some((self.blocked_on(&chains).unwrap_or(record), since)),
            None => Some((record, since)),
        }
    }

    /// Where this context called to take the lock it is waiting for.
    pub fn waits_at(&self) -> Option<&'static Location<'static>> {
        self.wait.waits_at()
    }
}

/// Apart, so that taking a lock needs no stack for a report.
#[cold]
#[inline(never)]
fn report_too_many(at: &'static Location<'static>) {
    platform::violation(&Violation::TooMany { at });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::host;

    /// The clock is read where an interrupt could look: it must not find the section
    /// open before its beginning is there.
    #[test]
    fn a_section_is_open_once_its_beginning_is_known() {
        let context = platform::context();
        context.begin_section(Location::caller());
        assert_eq!(host::depth_at_ticks(), 0);
        assert_eq!(context.preempt_depth(), 1);
        context.end_section();
    }
}
