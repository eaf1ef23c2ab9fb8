//! The pids controller: tasks of a group and of those below it.
//!
//! They are counted in every group, so that the numbers are right when the
//! controller is enabled. A task is a thread, or a process that has ended and
//! is still waited for.

use crate::group::Group;
use crate::limit::Limit;
use crate::news::News;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};

/// The highest limit that can be set (`PID_MAX_LIMIT` of Linux).
pub(crate) const PIDS_MAX: u64 = 4 << 20;

/// What a group counts.
#[derive(Debug)]
pub(crate) struct Pids {
    pub(crate) current: AtomicU64,
    pub(crate) max: AtomicU64,
    pub(crate) peak: AtomicU64,
    /// How often its limit, or one below it, was hit.
    pub(crate) hits: AtomicU64,
    /// How often its own was.
    pub(crate) own_hits: AtomicU64,
    pub(crate) news: News,
    pub(crate) own_news: News,
}

impl Pids {
    pub(crate) fn new() -> Pids {
        Pids {
            current: AtomicU64::new(0),
            max: AtomicU64::new(Limit::NONE.0),
            peak: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            own_hits: AtomicU64::new(0),
            news: News::new(),
            own_news: News::new(),
        }
    }

    /// The controller is no longer there for the group: it limits nothing.
    pub(crate) fn reset(&self) {
        self.max.store(Limit::NONE.0, Relaxed);
    }

    #[inline]
    fn add(&self, tasks: u64) -> u64 {
        self.current.fetch_add(tasks, Relaxed) + tasks
    }

    #[inline]
    fn note_peak(&self, now: u64) {
        if now > self.peak.load(Relaxed) {
            self.peak.fetch_max(now, Relaxed);
        }
    }
}

/// Counts tasks in `to` and no longer in `from`, whatever the limits. Groups that
/// both are in or below do not see it.
pub(crate) fn transfer(from: &Arc<Group>, to: &Arc<Group>, tasks: u64) {
    let common = from.common_ancestor(to);
    let below = |level: &&Arc<Group>| !Arc::ptr_eq(level, common);
    for level in to.lineage().take_while(below) {
        let now = level.pids.add(tasks);
        level.pids.note_peak(now);
    }
    for level in from.lineage().take_while(below) {
        level.pids.current.fetch_sub(tasks, Relaxed);
    }
}

/// Counts tasks no longer.
pub(crate) fn refund(group: &Arc<Group>, tasks: u64) {
    for level in group.lineage() {
        level.pids.current.fetch_sub(tasks, Relaxed);
    }
}

/// Counts one more task. `EAGAIN` beyond a limit, and nothing has changed.
pub(crate) fn charge(group: &Arc<Group>) -> Result<()> {
    for (index, level) in group.lineage().enumerate() {
        let now = level.pids.add(1);
        if now > level.pids.max.load(Relaxed) {
            for charged in group.lineage().take(index + 1) {
                charged.pids.current.fetch_sub(1, Relaxed);
            }
            note_hit(level);
            return Err(Errno::EAGAIN);
        }
        level.pids.note_peak(now);
    }
    Ok(())
}

#[cold]
fn note_hit(group: &Arc<Group>) {
    group.pids.own_hits.fetch_add(1, Relaxed);
    group.pids.own_news.note();
    for level in group.lineage() {
        level.pids.hits.fetch_add(1, Relaxed);
        level.pids.news.note();
    }
}
