//! Epolls that watch epolls: never in a circle, nor for ever deeper.
//!
//! All of it runs under the lock that [`Epoll::add`]'s callers share, so that
//! no two looks are under way, and each epoll is looked at once.

use crate::{Epoll, Source};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use paddock_abi::{Errno, Result};

/// How many epolls may watch one another, each the next, but for the first.
pub const MAX_NESTS: usize = 4;
/// How many ways up of each length an epoll may have: what an event may cost.
const MAX_WAYS: [usize; MAX_NESTS] = [500, 100, 50, 10];

/// Looks so far.
static LOOKS: AtomicU64 = AtomicU64::new(0);

/// What the last look found of an epoll.
#[derive(Default)]
pub struct Mark {
    look: AtomicU64,
    found: AtomicUsize,
}

impl Mark {
    /// What this look has found already.
    fn found(&self, look: u64) -> Option<usize> {
        (self.look.load(Relaxed) == look).then(|| self.found.load(Relaxed))
    }

    fn note(&self, look: u64, found: usize) {
        self.look.store(look, Relaxed);
        self.found.store(found, Relaxed);
    }
}

/// Whether `outer` may watch `source`. `ELOOP`, `EINVAL`.
pub fn check<S: Source>(outer: &Arc<Epoll<S>>, source: &S) -> Result<()> {
    let Some(inner) = source.epoll() else {
        return Ok(());
    };
    let below = depth(inner, outer, 0, next_look()).ok_or(Errno::ELOOP)?;
    let above = height(outer, 0, next_look());
    if above + 1 + below > MAX_NESTS {
        return Err(Errno::ELOOP);
    }
    let mut ways = [0; MAX_NESTS];
    ways[0] = 1;
    match few_ways(inner, 0, &mut ways[..]) && few_ways(outer, 1, &mut ways[..]) {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    }
}

fn next_look() -> u64 {
    LOOKS.fetch_add(1, Relaxed) + 1
}

/// How many epolls are below `epoll`, one below the other. `None` if one is
/// `sought`, or there are too many.
fn depth<S: Source>(
    epoll: &Arc<Epoll<S>>,
    sought: &Arc<Epoll<S>>,
    above: usize,
    look: u64,
) -> Option<usize> {
    if Arc::ptr_eq(epoll, sought) || above > MAX_NESTS {
        return None;
    }
    if let Some(found) = epoll.mark.found(look) {
        return Some(found);
    }
    let (mut deepest, mut at) = (0, 0);
    while let Some((number, entry)) = epoll.nested_after(at) {
        if let Some(inner) = entry.source.epoll() {
            deepest = deepest.max(1 + depth(inner, sought, above + 1, look)?);
        }
        at = number;
    }
    epoll.mark.note(look, deepest);
    Some(deepest)
}

/// How many epolls are above `epoll`, one above the other.
fn height<S: Source>(epoll: &Arc<Epoll<S>>, below: usize, look: u64) -> usize {
    if below > MAX_NESTS {
        return 0;
    }
    if let Some(found) = epoll.mark.found(look) {
        return found;
    }
    let (mut highest, mut at) = (0, 0);
    while let Some((number, entry)) = epoll.watcher_after(at) {
        if let Some(outer) = entry.and_then(|entry| entry.epoll()) {
            highest = highest.max(1 + height(&outer, below + 1, look));
        }
        at = number;
    }
    epoll.mark.note(look, highest);
    highest
}

/// Counts the ways up from `epoll`, which is `length` steps up already;
/// whether there are few enough. Ends as soon as there are not.
fn few_ways<S: Source>(epoll: &Arc<Epoll<S>>, length: usize, ways: &mut [usize]) -> bool {
    let mut at = 0;
    while let Some((number, entry)) = epoll.watcher_after(at) {
        at = number;
        let Some(outer) = entry.and_then(|entry| entry.epoll()) else {
            continue;
        };
        let (Some(count), Some(most)) = (ways.get_mut(length), MAX_WAYS.get(length)) else {
            return false;
        };
        *count += 1;
        if *count > *most || !few_ways(&outer, length + 1, ways) {
            return false;
        }
    }
    true
}
