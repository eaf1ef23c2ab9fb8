//! All marks of all groups, by what they are of.

use super::group::Group;
use super::mark::{Key, Mark, Turn};
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use paddock_sync::{PreemptOff, Rank, SpinLock, may_allocate};

/// Of each object in the order in which groups are told.
static MARKS: SpinLock<BTreeMap<Key, Vec<Arc<Mark>>>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());
/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Whether there is any. Any context.
pub fn is_any() -> bool {
    COUNT.load(Relaxed) > 0
}

/// `ENOMEM`.
#[allow(
    clippy::disallowed_methods,
    reason = "small: may_allocate was asked, and the heap keeps a reserve for such"
)]
pub fn add(mark: Arc<Mark>) -> Result<()> {
    may_allocate()?;
    let mut marks = MARKS.lock();
    let of_object = marks.entry(mark.key).or_default();
    of_object.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    let at = of_object.partition_point(|other| other.turn < mark.turn);
    of_object.insert(at, mark);
    COUNT.fetch_add(1, Relaxed);
    super::super::count(1);
    Ok(())
}

/// Takes the mark out, if it is there.
pub fn remove(mark: &Arc<Mark>) {
    take(mark.key, |other| Arc::ptr_eq(other, mark));
}

/// Takes a mark of an object out.
fn take(key: Key, is_it: impl Fn(&Arc<Mark>) -> bool) -> Option<Arc<Mark>> {
    let mut marks = MARKS.lock();
    let of_object = marks.get_mut(&key)?;
    let at = of_object.iter().position(is_it)?;
    let gone = of_object.remove(at);
    let empty = match of_object.is_empty() {
        true => marks.remove(&key),
        false => None,
    };
    COUNT.fetch_sub(1, Relaxed);
    super::super::count(-1);
    drop(marks);
    drop(empty);
    Some(gone)
}

/// Takes any mark of an object out.
pub fn take_any(key: Key) -> Option<Arc<Mark>> {
    take(key, |_| true)
}

/// Takes all marks out that are of a filesystem or of something in it, and gives each to
/// `taken`, with no lock held.
pub fn take_of_filesystem(fs: u64, taken: &mut dyn FnMut(Arc<Mark>)) {
    let mut behind = Bound::Unbounded;
    while let Some((key, is_its)) = look(fs, behind) {
        match is_its.then(|| take(key, |mark| mark.fs == fs)).flatten() {
            Some(mark) => taken(mark),
            None => behind = Bound::Excluded(key),
        }
    }
}

/// The next object with a mark of that filesystem, and that it is one; or the last one of
/// so many that are not, so that nobody waits long for the lock.
fn look(fs: u64, behind: Bound<Key>) -> Option<(Key, bool)> {
    const AT_ONCE: usize = 64;
    let marks = MARKS.lock();
    let mut last = None;
    for (key, of_object) in marks.range((behind, Bound::Unbounded)).take(AT_ONCE) {
        if of_object.iter().any(|mark| mark.fs == fs) {
            return Some((*key, true));
        }
        last = Some((*key, false));
    }
    last
}

/// A group and its marks of some objects.
pub struct Matched<const N: usize> {
    pub group: Arc<Group>,
    pub marks: [Option<Arc<Mark>>; N],
}

/// The group behind `after` that has marks of any of the objects.
pub fn next<const N: usize>(
    keys: &[Option<Key>; N],
    mut after: Option<Turn>,
) -> Option<(Turn, Matched<N>)> {
    loop {
        let (turn, marks) = marks_behind(keys, after)?;
        let first = marks.iter().flatten().next();
        if let Some(group) = first.and_then(|mark| mark.group.upgrade()) {
            return Some((turn, Matched { group, marks }));
        }
        // It is being closed.
        after = Some(turn);
    }
}

fn marks_behind<const N: usize>(
    keys: &[Option<Key>; N],
    after: Option<Turn>,
) -> Option<(Turn, [Option<Arc<Mark>>; N])> {
    let marks = MARKS.lock();
    let lists = keys.map(|key| key.and_then(|key| marks.get(&key)));
    let behind = lists.map(|list| {
        let list = list?;
        let at = after.map_or(0, |after| list.partition_point(|mark| mark.turn <= after));
        list.get(at)
    });
    let turn = behind.iter().flatten().map(|mark| mark.turn).min()?;
    Some((
        turn,
        behind.map(|mark| mark.filter(|mark| mark.turn == turn).cloned()),
    ))
}
