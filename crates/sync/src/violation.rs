//! [`Violation`]: a broken rule of the threading model.

use crate::chains::Cycle;
use crate::meta::LockRecord;
use core::fmt;
use core::panic::Location;

/// A broken rule of the threading model, with both places.
#[derive(Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one report, where nothing may be allocated"
)]
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
        /// The lock being taken.
        taken: LockRecord,
        /// Where.
        at: &'static Location<'static>,
        /// The lock already held.
        held: LockRecord,
    },
    /// A lock was taken by the thread that holds it already.
    Recursion {
        /// The lock, and where it was taken first.
        held: LockRecord,
        /// Where it was taken again.
        at: &'static Location<'static>,
    },
    /// A lock that interrupts may come across while it is held was taken by
    /// one: it could wait for the code that it has interrupted.
    Interrupt {
        /// The lock.
        lock: LockRecord,
        /// Where it was taken.
        at: &'static Location<'static>,
    },
    /// A thread waits for a lock whose holder waits for it, directly or
    /// through others: none of them will go on.
    Deadlock {
        /// Where the wait that closed the circle began.
        at: &'static Location<'static>,
        /// Every thread in the circle.
        cycle: Cycle,
    },
    /// A thread holds more locks at once than can be recorded.
    TooMany {
        /// Where the lock that did not fit was taken.
        at: &'static Location<'static>,
    },
}

impl Violation {
    /// Where the rule was broken.
    pub fn at(&self) -> &'static Location<'static> {
        match self {
            Violation::Sleep { at, .. }
            | Violation::Order { at, .. }
            | Violation::Recursion { at, .. }
            | Violation::Interrupt { at, .. }
            | Violation::Deadlock { at, .. }
            | Violation::TooMany { at } => at,
        }
    }
}

struct Place(Option<&'static Location<'static>>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(place) => write!(f, "{place}"),
            None => f.write_str("an unknown place"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Sleep {
                at,
                context,
                began_at,
            } => write!(
                f,
                "blocking call in {context} at {at}; began at {}",
                Place(*began_at)
            ),
            Violation::Order { taken, at, held } => write!(
                f,
                "lock {} taken at {at} while {} is held since {} (made at {} and {})",
                taken.name(),
                held.name(),
                Place(held.taken_at()),
                taken.made_at(),
                held.made_at()
            ),
            Violation::Recursion { held, at } => write!(
                f,
                "lock {} taken again at {at} while it is held since {} by the same (made at {})",
                held.name(),
                Place(held.taken_at()),
                held.made_at()
            ),
            Violation::Interrupt { lock, at } => write!(
                f,
                "lock {} taken in an interrupt at {at}, which may come while it is held (made at {})",
                lock.name(),
                lock.made_at()
            ),
            Violation::Deadlock { at, cycle } => write!(f, "deadlock at {at}: {cycle}"),
            Violation::TooMany { at } => write!(f, "too many locks are held at {at}"),
        }
    }
}
