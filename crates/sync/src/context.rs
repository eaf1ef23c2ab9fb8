//! The four contexts, the guards that enter them, and [`might_sleep`].

use crate::meta::LockMeta;
use crate::platform;
use crate::rank::Rank;
use core::fmt;
use core::marker::PhantomData;
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};

/// How many locks one thread may hold at once.
const MAX_HELD: usize = 16;

const PREEMPT_ONE: u32 = 1;
const PREEMPT_MASK: u32 = 0xffff;
const INTERRUPT_ONE: u32 = 1 << 16;
const INTERRUPT_MASK: u32 = 0xff << 16;
const POLL_ONE: u32 = 1 << 24;
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
    /// Where, and when (ns), the outermost section without preemption began.
    section_at: AtomicPtr<Location<'static>>,
    section_since: AtomicU64,
    held: [AtomicPtr<LockMeta>; MAX_HELD],
    held_count: AtomicUsize,
    waiting_for: AtomicPtr<LockMeta>,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// A context in which everything is allowed.
    pub const fn new() -> Self {
        Context {
            depths: AtomicU32::new(0),
            need_resched: AtomicBool::new(false),
            section_at: AtomicPtr::new(ptr::null_mut()),
            section_since: AtomicU64::new(0),
            held: [const { AtomicPtr::new(ptr::null_mut()) }; MAX_HELD],
            held_count: AtomicUsize::new(0),
            waiting_for: AtomicPtr::new(ptr::null_mut()),
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
        Some((at, self.section_since.load(Relaxed)))
    }

    /// Where the last outermost section without preemption began, over or
    /// not, and when in nanoseconds of the monotonic clock.
    pub fn last_section(&self) -> Option<(&'static Location<'static>, u64)> {
        // SAFETY: only ever set from a `&'static Location`.
        let at = unsafe { self.section_at.load(Relaxed).as_ref() }?;
        Some((at, self.section_since.load(Relaxed)))
    }

    /// The lock this context is waiting for.
    pub fn waiting_for(&self) -> Option<&LockMeta> {
        // SAFETY: set by `wait_begin` from a reference that outlives the
        // wait, and cleared by `wait_end`.
        unsafe { self.waiting_for.load(Relaxed).as_ref() }
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
        self.depths.store(depths + PREEMPT_ONE, Relaxed);
        if depths & PREEMPT_MASK == 0 {
            self.section_since.store(platform::now(), Relaxed);
            self.section_at.store(ptr::from_ref(at).cast_mut(), Relaxed);
        }
    }

    /// Ends a section without preemption; true if a switch is due now.
    pub fn end_section(&self) -> bool {
        let depths = self.depths.load(Relaxed) - PREEMPT_ONE;
        self.depths.store(depths, Relaxed);
        depths & (PREEMPT_MASK | INTERRUPT_MASK) == 0 && self.need_resched.load(Relaxed)
    }

    fn add(&self, one: u32) {
        self.depths.store(self.depths.load(Relaxed) + one, Relaxed);
    }

    fn sub(&self, one: u32) {
        self.depths.store(self.depths.load(Relaxed) - one, Relaxed);
    }

    pub(crate) fn check_order(&self, lock: &LockMeta, at: &'static Location<'static>) {
        for slot in &self.held[..self.held_count.load(Relaxed).min(MAX_HELD)] {
            // SAFETY: a held lock is alive; its guard borrows it.
            let Some(held) = (unsafe { slot.load(Relaxed).as_ref() }) else {
                continue;
            };
            if held.rank() > lock.rank() || (held.rank() == lock.rank() && !lock.rank().nests()) {
                platform::violation(&Violation::Order {
                    taken: lock.rank(),
                    at,
                    held: held.rank(),
                    held_at: held.taken_at(),
                });
            }
        }
    }

    pub(crate) fn push_held(&self, lock: &LockMeta) {
        let count = self.held_count.load(Relaxed);
        if let Some(slot) = self.held.get(count) {
            slot.store(ptr::from_ref(lock).cast_mut(), Relaxed);
        }
        self.held_count.store(count + 1, Relaxed);
    }

    pub(crate) fn pop_held(&self, lock: &LockMeta) {
        let count = self.held_count.load(Relaxed);
        self.held_count.store(count.saturating_sub(1), Relaxed);
        let held = &self.held[..count.min(MAX_HELD)];
        let Some(found) = held
            .iter()
            .rposition(|slot| ptr::eq(slot.load(Relaxed), lock))
        else {
            return;
        };
        for index in found + 1..held.len() {
            held[index - 1].store(held[index].load(Relaxed), Relaxed);
        }
    }

    pub(crate) fn wait_begin(&self, lock: &LockMeta) {
        self.waiting_for
            .store(ptr::from_ref(lock).cast_mut(), Relaxed);
    }

    pub(crate) fn wait_end(&self) {
        self.waiting_for.store(ptr::null_mut(), Relaxed);
    }

    /// The locks held now. Of a thread that runs meanwhile, on another CPU,
    /// they may be gone when they are looked at.
    pub fn held(&self) -> impl Iterator<Item = &LockMeta> {
        let count = self.held_count.load(Relaxed).min(MAX_HELD);
        // SAFETY: a held lock is alive; its guard borrows it.
        let meta = |slot: &AtomicPtr<LockMeta>| unsafe { slot.load(Relaxed).as_ref() };
        self.held[..count].iter().filter_map(meta)
    }

    /// The number of locks held now.
    pub fn held_locks(&self) -> usize {
        self.held_count.load(Relaxed)
    }
}

/// A broken rule of the threading model, with both places.
#[derive(Debug)]
pub enum Violation {
    /// Something that can block was entered where nothing may block.
    Sleep {
        /// The blocking entry's caller.
        at: &'static Location<'static>,
        /// Which context it was: "interrupt", "atomic section", "async poll"
        /// or "interrupts masked".
        context: &'static str,
        /// Where that context began, if known.
        began_at: Option<&'static Location<'static>>,
    },
    /// A lock was taken while one of equal or higher rank was held.
    Order {
        /// Rank of the lock being taken.
        taken: Rank,
        /// Where.
        at: &'static Location<'static>,
        /// Rank of the lock already held.
        held: Rank,
        /// Where that was taken.
        held_at: Option<&'static Location<'static>>,
    },
}

impl Violation {
    /// Where the rule was broken.
    pub fn at(&self) -> &'static Location<'static> {
        match self {
            Violation::Sleep { at, .. } | Violation::Order { at, .. } => at,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place =
            |f: &mut fmt::Formatter<'_>, other: Option<&'static Location<'static>>| match other {
                Some(other) => write!(f, "{other}"),
                None => f.write_str("an unknown place"),
            };
        match self {
            Violation::Sleep {
                at,
                context,
                began_at,
            } => {
                write!(f, "blocking call in {context} at {at}; began at ")?;
                place(f, *began_at)
            }
            Violation::Order {
                taken,
                at,
                held,
                held_at,
            } => {
                write!(
                    f,
                    "lock {taken:?} taken at {at} while {held:?} is held since "
                )?;
                place(f, *held_at)
            }
        }
    }
}

/// The first line of everything that can block, contended or not.
///
/// A violation names both places: this call's caller and where the context
/// that forbids sleeping began.
#[track_caller]
#[inline]
pub fn might_sleep() {
    let context = platform::context();
    if context.depths.load(Relaxed) != 0 || !platform::irqs_enabled() {
        report_sleep(context, Location::caller());
    }
}

#[cold]
fn report_sleep(context: &Context, at: &'static Location<'static>) {
    let name = if context.in_interrupt() {
        "interrupt"
    } else if context.preempt_depth() != 0 {
        "atomic section"
    } else if context.in_poll() {
        "async poll"
    } else {
        "interrupts masked"
    };
    platform::violation(&Violation::Sleep {
        at,
        context: name,
        began_at: context.section().map(|(at, _)| at),
    });
}

type NotSend = PhantomData<*const ()>;

/// Preemption is off for as long as this lives.
#[must_use]
#[derive(Debug)]
pub struct PreemptGuard {
    _not_send: NotSend,
}

impl PreemptGuard {
    /// Turns preemption off. Any context.
    #[track_caller]
    #[inline]
    pub fn new() -> Self {
        platform::context().begin_section(Location::caller());
        PreemptGuard {
            _not_send: PhantomData,
        }
    }
}

impl Default for PreemptGuard {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PreemptGuard {
    #[inline]
    fn drop(&mut self) {
        if platform::context().end_section() && platform::irqs_enabled() {
            platform::reschedule();
        }
    }
}

/// Interrupts (and with them preemption) are off on this CPU for as long as
/// this lives; what was found is restored.
#[must_use]
#[derive(Debug)]
pub struct IrqGuard {
    saved: usize,
    _not_send: NotSend,
}

impl IrqGuard {
    /// Masks interrupts. Any context.
    #[track_caller]
    #[inline]
    pub fn new() -> Self {
        let saved = platform::irq_save();
        platform::context().begin_section(Location::caller());
        IrqGuard {
            saved,
            _not_send: PhantomData,
        }
    }
}

impl Default for IrqGuard {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for IrqGuard {
    #[inline]
    fn drop(&mut self) {
        let due = platform::context().end_section();
        platform::irq_restore(self.saved);
        if due && platform::irqs_enabled() {
            platform::reschedule();
        }
    }
}

/// An executor is polling a task for as long as this lives: blocking entries
/// refuse, preemption stays possible.
#[must_use]
#[derive(Debug)]
pub struct PollGuard {
    _not_send: NotSend,
}

impl PollGuard {
    /// Enters async-poll context. From thread context only.
    pub fn new() -> Self {
        platform::context().add(POLL_ONE);
        PollGuard {
            _not_send: PhantomData,
        }
    }
}

impl Default for PollGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        platform::context().sub(POLL_ONE);
    }
}
