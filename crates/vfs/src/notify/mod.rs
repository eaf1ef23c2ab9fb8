//! Watches of files and directories (inotify(7)) and marks of those, of mounts and of
//! filesystems (fanotify(7)): who is told what happens to which inode, and who is asked.
//!
//! What does something to an inode says so here, after it is done and with no
//! lock held; what some ask leave for, before. Without any watch or mark that is the look
//! at one number.

mod events;
pub mod fanotify;
mod gone;
mod inotify;
mod listen;
#[cfg(test)]
mod tests;

pub use events::{Events, WatchFlags};
pub use gone::settle;
pub use inotify::{Inotify, MAX_EVENTS, MAX_INSTANCES, MAX_WATCHES};
pub use listen::{FOLDERS_TELL, Listener, Listening};

use crate::path::Dentry;
use crate::{FileKind, Inode, Path};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use fanotify::{Happening, Mask};
pub(crate) use gone::last_user_left;
use inotify::Queue;
use paddock_abi::{Errno, Result};
use paddock_charge::Counted;
use paddock_sync::{PreemptOff, Rank, SpinLock, may_allocate};

/// Whom a watch is for.
enum Receiver {
    /// An instance of inotify(7).
    Queue(Weak<Queue>),
    /// Somebody in the kernel, whatever the mask.
    Listener(Arc<dyn Listener>),
}

/// One watch: of an inode, by an instance or by somebody in the kernel.
struct Watch {
    number: i32,
    to: Receiver,
    /// What it is for, and [`WatchFlags`].
    mask: AtomicU32,
    /// Kept, so that its address means nothing else.
    inode: Arc<dyn Inode>,
    _counted: Option<Counted>,
}

/// All watches, by the addresses of inodes.
static WATCHES: SpinLock<BTreeMap<usize, Vec<Arc<Watch>>>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());
/// How many there are, with the marks of fanotify(7).
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The two halves of a move have one number.
static NEXT_COOKIE: AtomicU32 = AtomicU32::new(1);

fn key(inode: &Arc<dyn Inode>) -> usize {
    Arc::as_ptr(inode).cast::<()>().addr()
}

/// Whether anybody watches anything. Any context.
#[inline]
pub(crate) fn is_any() -> bool {
    COUNT.load(Relaxed) > 0
}

/// So many more, or fewer.
fn count(more: isize) {
    match more < 0 {
        true => COUNT.fetch_sub(more.unsigned_abs(), Relaxed),
        false => COUNT.fetch_add(more.unsigned_abs(), Relaxed),
    };
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
    let is_its = |watch: &&Arc<Watch>| match &watch.to {
        Receiver::Queue(own) => core::ptr::eq(own.as_ptr(), Arc::as_ptr(queue)),
        Receiver::Listener(_) => false,
    };
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
        match &watch.to {
            Receiver::Queue(queue) => {
                if let Some(queue) = queue.upgrade() {
                    queue.deliver(&watch, told);
                }
            }
            Receiver::Listener(listener) if !listener.hear(told.events) => {
                // The last one takes its place.
                index -= 1;
                remove(&watch);
            }
            Receiver::Listener(_) => {}
        }
    }
}

/// What inotify(7) has no name for.
fn tell_listeners(inode: &Arc<dyn Inode>, events: Events) {
    let told = Told {
        events,
        cookie: 0,
        name: b"",
        is_removed: false,
    };
    tell(inode, &told);
}

fn with_kind(events: Events, kind: FileKind) -> Events {
    let of_itself = Events::MOVE_SELF | Events::DELETE_SELF;
    match kind {
        FileKind::Directory if !events.intersects(of_itself) => events | Events::ISDIR,
        _ => events,
    }
}

/// The same events as groups of fanotify(7) have them.
fn mask_of(events: Events, is_dir: bool) -> Mask {
    let mask = Mask::from_bits_truncate(events.intersection(Events::WATCHED).bits());
    match is_dir {
        true => mask | Mask::ONDIR,
        false => mask,
    }
}

/// Tells groups of what asks nobody.
fn tell_groups(happening: &Happening<'_>) {
    if fanotify::is_any() {
        // Only questions end with an error.
        let _ = fanotify::tell(happening);
    }
}

/// What happens to what is at a path, by way of an open file or of the name alone.
fn happening_at(path: &Path, mask: Mask, parent: Option<&Dentry>, by_file: bool) -> Result<()> {
    let name = match parent {
        Some(_) => path.dentry.name(),
        None => Vec::new(),
    };
    fanotify::tell(&Happening {
        mask,
        object: Some(path.inode()),
        place: by_file.then_some(path),
        dir: parent,
        name: &name,
        new_place: None,
        fs: (!fanotify::is_nameless(path)).then(|| path.dentry.fs()),
    })
}

/// What a generated file says has changed. No lock may be held. May sleep.
pub fn modified(inode: &Arc<dyn Inode>) {
    if is_any() {
        to_inode(inode, None, Events::MODIFY);
    }
}

/// Something happened to the inode itself, of the filesystem of that number. May sleep.
pub(crate) fn to_inode(inode: &Arc<dyn Inode>, fs: Option<u64>, events: Events) {
    if !is_any() {
        return;
    }
    tell_groups(&Happening {
        mask: mask_of(events, inode.kind() == FileKind::Directory),
        object: Some(inode),
        place: None,
        dir: None,
        name: b"",
        new_place: None,
        fs,
    });
    tell_of_itself(inode, events);
}

fn tell_of_itself(inode: &Arc<dyn Inode>, events: Events) {
    let told = Told {
        events: with_kind(events, inode.kind()),
        cookie: 0,
        name: b"",
        is_removed: false,
    };
    tell(inode, &told);
}

/// Something was done to what is at a path by way of an open file: those who watch its
/// directory hear of it, too. May sleep.
#[inline]
pub(crate) fn at_path(path: &Path, events: Events) {
    if is_any() {
        tell_at(path, events, Mask::empty(), true);
    }
}

/// The same of what was done by its name, or to its metadata. May sleep.
#[inline]
pub(crate) fn at_name(path: &Path, events: Events) {
    if is_any() {
        tell_at(path, events, Mask::empty(), false);
    }
}

/// A program at a path was opened, and its head read, to be executed. May sleep.
///
/// # Errors
/// `EPERM` if somebody who was asked refuses it; `ERESTARTSYS` for who has to end
/// meanwhile; `ENOMEM`.
pub fn executes(path: &Path) -> Result<()> {
    if !is_any() {
        return Ok(());
    }
    ask(path, Mask::OPEN_EXEC_PERM)?;
    ask(path, Mask::OPEN_PERM)?;
    tell_at(path, Events::OPEN, Mask::OPEN_EXEC, true);
    ask(path, Mask::ACCESS_PERM)?;
    tell_at(path, Events::ACCESS, Mask::empty(), true);
    Ok(())
}

#[cold]
#[inline(never)]
fn tell_at(path: &Path, events: Events, more: Mask, by_file: bool) {
    let parent = path.dentry.parent();
    if fanotify::is_any() {
        let mask = mask_of(events, path.is_dir()) | more;
        let _ = happening_at(path, mask, parent.as_deref(), by_file);
    }
    tell_of_itself(path.inode(), events);
    if let Some(parent) = parent {
        let told = Told {
            events: with_kind(events, path.inode().kind()),
            cookie: 0,
            name: &path.dentry.name(),
            is_removed: path.dentry.is_removed(),
        };
        tell(parent.inode(), &told);
    }
}

/// Something is to be opened or read: those are asked who want to be. No lock may be held.
/// Sleeps.
///
/// # Errors
/// `EPERM` if somebody refuses it; `ERESTARTSYS` for who has to end meanwhile; `ENOMEM`.
#[cold]
#[inline(never)]
pub(crate) fn ask(path: &Path, mask: Mask) -> Result<()> {
    if !fanotify::is_any() {
        return Ok(());
    }
    let kind = match path.is_dir() {
        true => Mask::ONDIR,
        false => Mask::empty(),
    };
    happening_at(path, mask | kind, path.dentry.parent().as_deref(), true)
}

/// Something happened to a name in `dir`, of `inode` as far as that is there still.
/// May sleep.
pub(crate) fn to_name(
    dir: &Dentry,
    name: &[u8],
    inode: Option<&Arc<dyn Inode>>,
    kind: FileKind,
    events: Events,
) {
    if is_any() {
        to_moved_name(dir, name, (inode, kind), events, 0);
    }
}

fn to_moved_name(
    dir: &Dentry,
    name: &[u8],
    (inode, kind): (Option<&Arc<dyn Inode>>, FileKind),
    events: Events,
    cookie: u32,
) {
    tell_groups(&Happening {
        mask: mask_of(events, kind == FileKind::Directory),
        object: inode,
        place: None,
        dir: Some(dir),
        name,
        new_place: None,
        fs: Some(dir.fs()),
    });
    let told = Told {
        events: with_kind(events, kind),
        cookie,
        name,
        is_removed: false,
    };
    tell(dir.inode(), &told);
}

/// One of whom [`name_lost`] tells, for who does not keep it.
pub(crate) enum Watched {
    /// Who hears of it keeps it.
    ByItself(Weak<dyn Inode>),
    /// Somebody hears of all that are in its filesystem.
    WithOthers(Arc<dyn Inode>),
}

impl Watched {
    /// The inode, if anybody is to hear of it.
    pub fn inode(&self) -> Option<Arc<dyn Inode>> {
        match self {
            Watched::ByItself(inode) => inode.upgrade(),
            Watched::WithOthers(inode) => Some(inode.clone()),
        }
    }
}

/// The same of an inode: `None` if nobody watches.
pub(crate) fn watched(inode: &Arc<dyn Inode>) -> Option<Watched> {
    is_any().then(|| match fanotify::is_any() {
        true => Watched::WithOthers(inode.clone()),
        false => Watched::ByItself(Arc::downgrade(inode)),
    })
}

/// `inode`, of the filesystem of that number, has lost a name, maybe its last one, and
/// with `is_unused` nobody has it by that name. May sleep.
pub(crate) fn name_lost(inode: &Arc<dyn Inode>, fs: u64, is_unused: bool) {
    if !is_any() {
        return;
    }
    if inode.kind() != FileKind::Directory {
        to_inode(inode, Some(fs), Events::ATTRIB);
    }
    if is_unused {
        gone::tell(inode, fs);
    }
}

/// `inode` has got another name. May sleep.
pub(crate) fn moved(from: (&Dentry, &[u8]), to: (&Dentry, &[u8]), inode: &Arc<dyn Inode>) {
    if !is_any() {
        return;
    }
    let cookie = NEXT_COOKIE.fetch_add(1, Relaxed);
    let what = (Some(inode), inode.kind());
    let kind = mask_of(Events::empty(), inode.kind() == FileKind::Directory);
    tell_groups(&Happening {
        mask: Mask::RENAME | kind,
        object: Some(inode),
        place: None,
        dir: Some(from.0),
        name: from.1,
        new_place: Some(to),
        fs: Some(from.0.fs()),
    });
    if core::ptr::eq(from.0, to.0) {
        tell_listeners(from.0.inode(), with_kind(Events::RENAMED, inode.kind()));
    }
    to_moved_name(from.0, from.1, what, Events::MOVED_FROM, cookie);
    to_moved_name(to.0, to.1, what, Events::MOVED_TO, cookie);
    to_inode(inode, Some(from.0.fs()), Events::MOVE_SELF);
}
