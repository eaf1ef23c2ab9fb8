//! [`might_sleep`], and the guards that enter the contexts that forbid it.

use crate::context::{Context, POLL_ONE};
use crate::platform;
use crate::points;
use crate::violation::Violation;
use core::marker::PhantomData;
use core::panic::Location;

/// The first line of everything that can block, contended or not.
///
/// A violation names both places: this call's caller and where the context
/// that forbids sleeping began.
#[track_caller]
#[inline]
pub fn might_sleep() {
    if cfg!(feature = "unchecked") {
        return;
    }
    let context = platform::context();
    if !context.may_sleep() || !platform::irqs_enabled() {
        report_sleep(context, Location::caller());
    }
    points::switch();
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
        began_at: match context.section() {
            Some((at, _)) => Some(at),
            None => context.poll_began_at(),
        },
    });
}

type NotSend = PhantomData<*const ()>;

/// Preemption is off for as long as this lives.
///
/// It stays with its thread:
/// ```compile_fail,E0277
/// fn sent(_: impl Send) {}
/// sent(paddock_sync::PreemptGuard::new());
/// ```
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
///
/// It stays with its thread:
/// ```compile_fail,E0277
/// fn sent(_: impl Send) {}
/// sent(paddock_sync::IrqGuard::new());
/// ```
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
///
/// It stays with its thread:
/// ```compile_fail,E0277
/// fn sent(_: impl Send) {}
/// sent(paddock_sync::PollGuard::new());
/// ```
#[must_use]
#[derive(Debug)]
pub struct PollGuard {
    _not_send: NotSend,
}

impl PollGuard {
    /// Enters async-poll context. From thread context only.
    #[track_caller]
    pub fn new() -> Self {
        platform::context().begin_poll(Location::caller());
        PollGuard {
            _not_send: PhantomData,
        }
    }
}

impl Default for PollGuard {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        platform::context().sub(POLL_ONE);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn guards_nest_and_restore_what_they_found() {
        let context = platform::context();
        let line = line!() + 1;
        let outer = PreemptGuard::new();
        let masked = IrqGuard::new();
        let inner = IrqGuard::new();
        assert_eq!(context.preempt_depth(), 3);
        drop(inner);
        assert!(!platform::irqs_enabled(), "still masked by the outer one");
        drop(masked);
        assert!(platform::irqs_enabled());
        let (at, _) = context.section().unwrap();
        assert_eq!((at.file(), at.line()), (file!(), line));
        drop(outer);
        assert!(context.section().is_none() && context.preemptible());
    }
}
