//! fanotify_mark(2): which marks a group has.

use super::MAX_MARKS;
use super::flags::{Command, InitFlags, MarkFlags, MarkRequest, MarkType, Mask};
use super::group::{Fanotify, Group};
use super::index;
use super::mark::{Key, Mark};
use crate::{Errno, FileKind, Path, Result};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use paddock_charge::{Charge, Countable, Counted};
use paddock_sync::{OnceCell, try_arc, try_insert};

/// What a mark counts for, in bytes.
const MARK_BYTES: usize = 512;

impl Fanotify {
    /// Whether the group can have what is asked for, before anything is looked up; for who
    /// has CAP_SYS_ADMIN or not. Never sleeps. `EPERM`, `EINVAL`.
    pub fn check(&self, request: &MarkRequest, is_admin: bool) -> Result<()> {
        let is_admin = is_admin && !self.group.is_unprivileged;
        request.check_for(self.group.flags, is_admin)
    }

    /// Takes all marks of the kind away. May sleep.
    pub fn flush(&self, request: &MarkRequest) {
        self.group.drop_marks(|mark| {
            let kind = match mark.key {
                Key::Inode(_) => MarkType::Inode,
                Key::Mount(_) => MarkType::Mount,
                Key::Filesystem(_) => MarkType::Filesystem,
            };
            kind == request.kind
        });
    }

    /// Adds to the mark of what is at `at`, or takes away from it. May sleep.
    ///
    /// # Errors
    /// `EINVAL`, `ENOTDIR` and `EISDIR` for what is not asked of such; `ENODEV` and
    /// `EOPNOTSUPP` if its filesystem has no number or no handles, where those are told;
    /// `EEXIST` for what would make less of a mark; `ENOENT` if there is none;
    /// `ENOSPC` for too many; `ENOMEM`.
    pub fn mark(&self, at: &Path, request: &MarkRequest) -> Result<()> {
        let flags = self.group.flags;
        if request.command == Command::Add {
            check_place(at, request, flags)?;
        }
        let fsid = match flags.handles() {
            true => fsid_with_handles(at)?,
            false => 0,
        };
        let whole = request.kind != MarkType::Inode;
        if request.command == Command::Add
            && request.flags.contains(MarkFlags::IGNORE)
            && !request.survives_modify()
        {
            match () {
                () if whole => return Err(Errno::EINVAL),
                () if at.is_dir() => return Err(Errno::EISDIR),
                () => {}
            }
        }
        let request = match whole || !at.is_dir() {
            true => request.without_children(flags),
            false => *request,
        };
        let key = match request.kind {
            MarkType::Inode => Key::of_inode(at.inode()),
            MarkType::Mount => Key::Mount(at.mount().number()),
            MarkType::Filesystem => Key::Filesystem(at.dentry.fs()),
        };
        let device = at.inode().metadata()?.device;
        let target = Target {
            at,
            key,
            fsid,
            device,
        };
        // What goes meanwhile takes no inode along: the path keeps it.
        let _one_at_a_time = self.group.changing.lock();
        let mark = self.group.marks.lock().get(&key).cloned();
        match request.command {
            Command::Add => add(&self.group, mark, &target, &request),
            _ => remove(&self.group, &mark.ok_or(Errno::ENOENT)?, &request),
        }
    }
}

/// Whether what is there can have such a mark.
fn check_place(at: &Path, request: &MarkRequest, group: InitFlags) -> Result<()> {
    let asks = request.mask.intersects(Mask::PERMISSION);
    if asks && at.mount().fs().shows_processes() {
        return Err(Errno::EINVAL);
    }
    let of_inode = request.kind == MarkType::Inode;
    if !of_inode && is_nameless(at) {
        return Err(Errno::EINVAL);
    }
    let of_dirs = request.mask.intersects(Mask::OF_NAMES | Mask::FLAGS);
    match request.is_strict(group) && of_inode && !at.is_dir() && of_dirs {
        true => Err(Errno::ENOTDIR),
        false => Ok(()),
    }
}

/// Whether it is a pipe or a socket without a name: it is of no filesystem that programs
/// see, whatever mount stands for that.
pub fn is_nameless(at: &Path) -> bool {
    matches!(at.kind(), FileKind::Fifo | FileKind::Socket) && at.dentry.parent().is_none()
}

/// The number that statfs(2) tells of its filesystem (`f_fsid`). `ENODEV` if it has none,
/// `EOPNOTSUPP` if there are no handles; `ENOMEM`.
fn fsid_with_handles(at: &Path) -> Result<u64> {
    let fsid = match is_nameless(at) {
        true => 0,
        false => at.inode().fs_stats()?.fsid,
    };
    if fsid == 0 {
        return Err(Errno::ENODEV);
    }
    at.handle().map(|_| fsid)
}

/// What gets a mark.
struct Target<'a> {
    at: &'a Path,
    key: Key,
    fsid: u64,
    device: u64,
}

fn add(
    group: &Arc<Group>,
    mark: Option<Arc<Mark>>,
    target: &Target<'_>,
    request: &MarkRequest,
) -> Result<()> {
    let at = target.at;
    let is_written = || {
        let count = at.inode().write_count();
        count.is_some_and(|count| count.writers() > 0)
    };
    // What does not survive a change is not left out of a file that is being written.
    if request.kind == MarkType::Inode
        && request.ignores()
        && !request.survives_modify()
        && is_written()
    {
        return Ok(());
    }
    let pin = || match request.flags.contains(MarkFlags::EVICTABLE) {
        true => None,
        false => Some(at.inode().clone()),
    };
    if let Some(mark) = mark {
        mark.check_update(request)?;
        if let (Some(_), Some(inode)) = (&mark.inode, pin()) {
            // It stays from now on, if it did not before.
            let _ = mark.pin.set(inode);
        }
        mark.add(request);
        return Ok(());
    }
    let mark = new_mark(group, target)?;
    if let (Some(_), Some(inode)) = (&mark.inode, pin()) {
        let _ = mark.pin.set(inode);
    }
    mark.add(request);
    index::add(mark.clone())?;
    let listed = try_insert(&mut group.marks.lock(), target.key, mark.clone());
    listed.map(drop).inspect_err(|_| index::remove(&mark))
}

fn new_mark(group: &Arc<Group>, target: &Target<'_>) -> Result<Arc<Mark>> {
    let (at, key) = (target.at, target.key);
    let most = MAX_MARKS.load(Relaxed) as usize;
    let count = || Counted::new(&group.account, Countable::FanotifyMark, most);
    let counted = match group.flags.contains(InitFlags::UNLIMITED_MARKS) {
        true => None,
        false => Some(match count() {
            Some(counted) => counted,
            None => {
                group.drop_marks(Mark::is_stale);
                count().ok_or(Errno::ENOSPC)?
            }
        }),
    };
    let inode = matches!(key, Key::Inode(_)).then(|| Arc::downgrade(at.inode()));
    let filesystem: Weak<dyn crate::FileSystem> = Arc::downgrade(at.mount().fs());
    try_arc(Mark {
        key,
        turn: group.turn,
        group: Arc::downgrade(group),
        fs: at.dentry.fs(),
        filesystem,
        fsid: target.fsid,
        device: target.device,
        inode,
        pin: OnceCell::new(),
        mask: AtomicU32::new(0),
        ignored: AtomicU32::new(0),
        flags: AtomicU32::new(0),
        _counted: counted,
        _charge: Charge::new(&group.account, MARK_BYTES)?,
    })
}

fn remove(group: &Group, mark: &Arc<Mark>, request: &MarkRequest) -> Result<()> {
    if !mark.remove(request) {
        index::remove(mark);
        group.forget(mark);
    }
    Ok(())
}

/// A mount has gone, and its marks with it.
pub fn mount_ended(number: u64) {
    while let Some(mark) = index::take_any(Key::Mount(number)) {
        forget(&mark);
    }
}

/// A filesystem is shown by no mount any more: its marks go. May sleep.
pub fn filesystem_ended(fs: u64) {
    index::take_of_filesystem(fs, &mut |mark| forget(&mark));
}

/// A mark that is not found any more goes from its group.
fn forget(mark: &Arc<Mark>) {
    if let Some(group) = mark.group.upgrade() {
        group.forget(mark);
    }
}
