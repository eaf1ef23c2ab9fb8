//! [`CpuUse`]: CPU time that a group keeps of processes that are gone.

use core::ops::{Add, Sub};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// CPU time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuUse {
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
}

impl Add for CpuUse {
    type Output = CpuUse;

    fn add(self, other: CpuUse) -> CpuUse {
        CpuUse {
            user: self.user.saturating_add(other.user),
            system: self.system.saturating_add(other.system),
        }
    }
}

impl Sub for CpuUse {
    type Output = CpuUse;

    fn sub(self, other: CpuUse) -> CpuUse {
        CpuUse {
            user: self.user.saturating_sub(other.user),
            system: self.system.saturating_sub(other.system),
        }
    }
}

/// What a group has of processes that left it, and what it has shown.
#[derive(Debug, Default)]
pub(crate) struct CpuPast {
    user: AtomicU64,
    system: AtomicU64,
    shown_user: AtomicU64,
    shown_system: AtomicU64,
}

impl CpuPast {
    pub(crate) fn add(&self, used: CpuUse) {
        self.user.fetch_add(used.user, Relaxed);
        self.system.fetch_add(used.system, Relaxed);
    }

    pub(crate) fn get(&self) -> CpuUse {
        CpuUse {
            user: self.user.load(Relaxed),
            system: self.system.load(Relaxed),
        }
    }

    /// What is to be shown for `now`: never less than before. A process that
    /// leaves while the group is looked at may be missed by that look.
    pub(crate) fn show(&self, now: CpuUse) -> CpuUse {
        let most = |shown: &AtomicU64, now| shown.fetch_max(now, Relaxed).max(now);
        CpuUse {
            user: most(&self.shown_user, now.user),
            system: most(&self.shown_system, now.system),
        }
    }
}
