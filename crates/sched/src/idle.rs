//! Sets of CPUs, and the CPUs that have nothing to do.

use crate::shim::{AtomicU64, const_fn};
use core::sync::atomic::Ordering::SeqCst;

/// A set of CPUs, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuMask(pub u64);

impl CpuMask {
    /// Every CPU there can be.
    pub const ALL: CpuMask = CpuMask(u64::MAX);

    /// One CPU.
    pub const fn only(cpu: usize) -> Self {
        CpuMask(1 << cpu)
    }

    /// Whether `cpu` is in the set.
    pub const fn has(self, cpu: usize) -> bool {
        self.0 & (1 << cpu) != 0
    }

    /// The lowest CPU of the set.
    pub const fn first(self) -> Option<usize> {
        if self.0 == 0 {
            None
        } else {
            Some(self.0.trailing_zeros() as usize)
        }
    }
}

/// The CPUs that sleep, or are about to.
///
/// A CPU announces itself here *before* it looks a last time for work; who
/// makes a thread ready looks here *after* the thread is in a queue. One of
/// the two sees the other.
#[derive(Debug)]
pub struct IdleMask(AtomicU64);

impl IdleMask {
    const_fn! {
        /// Nobody is idle.
        pub fn new() -> Self {
            IdleMask(AtomicU64::new(0))
        }
    }

    /// `cpu` is about to look for work a last time and then sleep.
    pub fn announce(&self, cpu: usize) {
        self.0.fetch_or(1 << cpu, SeqCst);
    }

    /// `cpu` has work again.
    pub fn withdraw(&self, cpu: usize) {
        self.0.fetch_and(!(1 << cpu), SeqCst);
    }

    /// Whether anybody of `allowed` is idle.
    pub fn any(&self, allowed: CpuMask) -> bool {
        self.0.load(SeqCst) & allowed.0 != 0
    }

    /// Takes an idle CPU of `allowed` out, `preferred` if it is one: the
    /// caller has to interrupt it. Two callers never get the same one.
    pub fn claim(&self, allowed: CpuMask, preferred: usize) -> Option<usize> {
        loop {
            let idle = CpuMask(self.0.load(SeqCst) & allowed.0);
            let cpu = if idle.has(preferred) {
                preferred
            } else {
                idle.first()?
            };
            if self.0.fetch_and(!(1 << cpu), SeqCst) & (1 << cpu) != 0 {
                return Some(cpu);
            }
        }
    }
}

impl Default for IdleMask {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_idle_cpu_is_claimed_once() {
        let idle = IdleMask::new();
        idle.announce(2);
        idle.announce(5);
        assert_eq!(idle.claim(CpuMask::only(5), 2), Some(5));
        assert_eq!(idle.claim(CpuMask::ALL, 7), Some(2));
        assert_eq!(idle.claim(CpuMask::ALL, 2), None);
    }

    #[test]
    fn the_preferred_cpu_comes_first() {
        let idle = IdleMask::new();
        (0..4).for_each(|cpu| idle.announce(cpu));
        assert_eq!(idle.claim(CpuMask::ALL, 3), Some(3));
        assert_eq!(idle.claim(CpuMask::ALL, 3), Some(0));
    }
}
