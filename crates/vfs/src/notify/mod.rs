//! Watches of files and directories (inotify(7)): who is told what happens to
//! which inode.
//!
//! What does something to an inode says so here, after it is done and with no
//! lock held. Without any watch that is the look at one number.

mod events;
mod inotify;
#[cfg(test)]
mod tests;

pub use events::{Events, WatchFlags};
pub use inotify::{Inotify, MAX_EVENTS, MAX_INSTANCES, MAX_WATCHES};

use crate::path::Dentry;
use crate::{FileKind, Inode, Path};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use inotify::Queue;
use paddock_abi::{Errno, Result};
use paddock_charge::Counted;
use paddock_sync::{PreemptOff, Rank, SpinLock, may_allocate};

/// One watch: of an inode, by an instance.
struct Watch {
    number: i32,
    queue: Weak<Queue>,
    /// What it is for, and [`WatchFlags`].
    mask: AtomicU32,
    /// Kept, so that its address means nothing else.
    inode: Arc<dyn Inode>,
    _counted: Counted,
}

/// All watches, by the addresses of inodes.
static WATCHES: SpinLock<BTreeMap<usize, Vec<Arc<Watch>>>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());
/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The two halves of a move have one number.
static NEXT_COOKIE: AtomicU32 = AtomicU32::new(1);

fn key(inode: &Arc<dyn Inode>) -> usize {
    Arc::as_ptr(inode).cast::<()>().addr()
}

fn is_any() -> bool {
    COUNT.load(Relaxed) > 0
}

/// `ENOMEM`.
#[allow(
    clippy::disallowed_methods,
    reason = "small: may_allocate was asked, and the heap keeps a reserve for such"
)]
fn add(watch: Arc<Watch>) -> Result<()> {
    may_allocate()?;
    let mut watches = WATCHES.lock();
    let of_inode = watches.entry(key(&watch.inode)).or_default();
    of_inode.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    of_inode.push(watch);
    COUNT.fetch_add(1, Relaxed);
    Ok(())
}

/// The instance's watch of an inode.
fn find(inode: &Arc<dyn Inode>, queue: &Arc<Queue>) -> Option<Arc<Watch>> {
    let watches = WATCHES.lock();
    let mut of_inode = watches.get(&key(inode))?.iter();
    let is_its = |watch: &&Arc<Watch>| core::ptr::eq(watch.queue.as_ptr(), Arc::as_ptr(queue));
    of_inode.find(is_its).cloned()
}

fn remove(watch: &Arc<Watch>) {
    let mut watches = WATCHES.lock();
    let key = key(&watch.inode);
    let Some(of_inode) = watches.get_mut(&key) else {
        return;
    };
    let Some(at) = of_inode.iter().position(|other| Arc::ptr_eq(other, watch)) else {
        return;
    };
    let gone = of_inode.swap_remove(at);
    let empty = match of_inode.is_empty() {
        true => watches.remove(&key),
        false => None,
    };
    COUNT.fetch_sub(1, Relaxed);
    drop(watches);
    // The caller has it, too: no inode goes here.
    drop((gone, empty));
}

/// What is told to one watch after another.
struct Told<'a> {
    events: Events,
    cookie: u32,
    name: &'a [u8],
    /// What it is about has no name any more.
    is_removed: bool,
}

fn tell(inode: &Arc<dyn Inode>, told: &Told<'_>) {
    let mut index = 0;
    loop {
        let watches = WATCHES.lock();
        let of_inode = watches.get(&key(inode));
        let Some(watch) = of_inode.and_then(|all| all.get(index)).cloned() else {
            return;
        };
        drop(watches);
        index += 1;
        if let Some(queue) = watch.queue.upgrade() {
            queue.deliver(&watch, told);
        }
    }
}

fn with_kind(events: Events, kind: FileKind) -> Events {
    let of_itself = Events::MOVE_SELF | Events::DELETE_SELF;
    match kind {
        FileKind::Directory if !events.intersects(of_itself) => events | Events::ISDIR,
        _ => events,
    }
}

/// What a generated file says has changed. No lock may be held. May sleep.
pub fn modified(inode: &Arc<dyn Inode>) {
    to_inode(inode, Events::MODIFY);
}

/// Something happened to the inode itself. May sleep.
pub(crate) fn to_inode(inode: &Arc<dyn Inode>, events: Events) {
    if is_any() {
        let told = Told {
            events: with_kind(events, inode.kind()),
            cookie: 0,
            name: b"",
            is_removed: false,
        };
        tell(inode, &told);
    }
}

/// Something happened to what is at a path: those who watch its directory hear
/// of it, too. May sleep.
pub(crate) fn at_path(path: &Path, events: Events) {
    if !is_any() {
        return;
    }
    to_inode(path.inode(), events);
    if let Some(parent) = path.dentry.parent() {
        let told = Told {
            events: with_kind(events, path.inode().kind()),
            cookie: 0,
            name: &path.dentry.name(),
            is_removed: path.dentry.is_removed(),
        };
        tell(parent.inode(), &told);
    }
}

/// Something happened to a name in `dir`, of `inode`. May sleep.
pub(crate) fn to_name(dir: &Dentry, name: &[u8], kind: FileKind, events: Events) {
    to_moved_name(dir, name, kind, events, 0);
}

fn to_moved_name(dir: &Dentry, name: &[u8], kind: FileKind, events: Events, cookie: u32) {
    if is_any() {
        let told = Told {
            events: with_kind(events, kind),
            cookie,
            name,
            is_removed: false,
        };
        tell(dir.inode(), &told);
    }
}

/// One of whom [`name_lost`] tells, for who does not keep it: `None` if nobody watches.
pub(crate) fn watched(inode: &Arc<dyn Inode>) -> Option<Weak<dyn Inode>> {
    is_any().then(|| Arc::downgrade(inode))
}

/// `inode` has lost a name, maybe its last one. May sleep.
pub(crate) fn name_lost(inode: &Arc<dyn Inode>) {
    if !is_any() {
        return;
    }
    let is_folder = inode.kind() == FileKind::Directory;
    if !is_folder {
        to_inode(inode, Events::ATTRIB);
    }
    if is_folder || inode.metadata().is_ok_and(|metadata| metadata.links == 0) {
        to_inode(inode, Events::DELETE_SELF);
    }
}

/// `inode` has got another name. May sleep.
pub(crate) fn moved(from: (&Dentry, &[u8]), to: (&Dentry, &[u8]), inode: &Arc<dyn Inode>) {
    if is_any() {
        let cookie = NEXT_COOKIE.fetch_add(1, Relaxed);
        let kind = inode.kind();
        to_moved_name(from.0, from.1, kind, Events::MOVED_FROM, cookie);
        to_moved_name(to.0, to.1, kind, Events::MOVED_TO, cookie);
        to_inode(inode, Events::MOVE_SELF);
    }
}
