//! Mounts and their table.

use super::mount_table::Spot;
use super::{Dentry, Path};
use crate::notify;
use crate::writers::Writers;
use crate::{Errno, FileSystem, Result};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use paddock_charge::{Account, Charge};
use paddock_cred::{Cred, UserNamespace};
use paddock_sync::{PreemptOff, Rank, SpinLock};

bitflags::bitflags! {
    /// Flags of mount(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MountFlags: u64 {
        /// Nothing may be changed.
        const RDONLY = 1;
        /// Set-user bits mean nothing.
        const NOSUID = 2;
        /// Device nodes cannot be opened.
        const NODEV = 4;
        /// Nothing can be executed.
        const NOEXEC = 8;
        /// Symbolic links are not followed.
        const NOSYMFOLLOW = 0x100;
    }
}

impl MountFlags {
    /// Flags that stay where somebody with fewer rights copies a mount.
    const LOCKABLE: MountFlags = MountFlags::RDONLY
        .union(MountFlags::NOSUID)
        .union(MountFlags::NODEV)
        .union(MountFlags::NOEXEC);

    /// Those that the bits `MOUNT_ATTR_*` of mount_setattr(2) and fsmount(2) stand for;
    /// `None` if there are others.
    pub fn from_attributes(bits: u64) -> Option<MountFlags> {
        const MOUNT_ATTR_NOSYMFOLLOW: u64 = 0x20_0000;
        let mut flags = MountFlags::from_bits(bits & !MOUNT_ATTR_NOSYMFOLLOW)?;
        if flags.contains(MountFlags::NOSYMFOLLOW) {
            return None;
        }
        flags.set(MountFlags::NOSYMFOLLOW, bits & MOUNT_ATTR_NOSYMFOLLOW != 0);
        Some(flags)
    }
}

bitflags::bitflags! {
    /// Flags of umount2(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Unmount: u32 {
        /// Disturbs whoever is at it, where a filesystem knows how
        /// ([`FileSystem::interrupt`]).
        const FORCE = 1;
        /// Out of the tree at once, with all below it; it stays for whoever uses it.
        const DETACH = 2;
        /// Only if nobody has come by since the last call with it.
        const EXPIRE = 4;
        /// The path's last component is not followed if it is a symbolic link.
        const NOFOLLOW = 8;
    }
}

/// A filesystem, or a part of one, at a place in the tree.
pub struct Mount {
    pub(super) id: u64,
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) root: Arc<Dentry>,
    /// The mount namespace that it is in, and its number.
    space: SpinLock<Space, PreemptOff>,
    space_id: AtomicU64,
    /// What it covers; `None` for the root of all. Changed under the table's lock only.
    pub(super) covers: SpinLock<Option<Path>, PreemptOff>,
    source: String,
    flags: AtomicU64,
    /// Who has files open for writing through it; forbidden where it is read-only.
    writers: Writers,
    /// Flags that stay set, and [`LOCKED`]: what those who copied it with fewer rights
    /// than whoever made it must leave alone (mount_namespaces(7), "Restrictions").
    locked: AtomicU64,
    _charge: Option<Charge>,
    /// It is no longer in the tree, and stays for whoever uses it.
    pub(super) is_detached: AtomicBool,
    /// Marked to expire (`MNT_EXPIRE`): how many walks onto it are left until it no
    /// longer is. 0 if it is not.
    expires_in: AtomicU32,
}

/// The number of the namespace of a mount that is in none.
const NOWHERE: u64 = 0;
/// In the number of a tree of mounts that is in no namespace yet.
const DETACHED: u64 = 1 << 63;
/// In [`Mount::locked`]: it stays where it is, and shows what it covers to nobody.
const LOCKED: u64 = 1 << 63;
/// What a mount is charged for, in bytes: everybody who mounts something looks at all.
const COST: usize = 4096;

/// Which mount namespace a mount is in, whose rights count there, and who pays.
#[derive(Clone)]
pub(super) struct Space {
    pub id: u64,
    /// The user namespace whose capabilities are asked for.
    pub owner: UserNamespace,
    /// `None` for the machine's own mounts.
    pub payer: Option<Arc<Account>>,
}

impl Space {
    /// One that the machine itself has.
    pub fn own(id: u64) -> Space {
        Space {
            id,
            owner: UserNamespace::INITIAL,
            payer: None,
        }
    }

    /// That of a mount that is in none.
    pub fn nowhere() -> Space {
        Space::own(NOWHERE)
    }

    /// Not a namespace, but a tree with a number that nothing else has, with the rights
    /// and the payer of this one.
    pub fn detached(&self, number: u64) -> Space {
        Space {
            id: DETACHED | number,
            ..self.clone()
        }
    }
}

/// The walks that a mark to expire lasts: that of the call that finds it.
const EXPIRES_IN: u32 = 1;

impl Mount {
    /// The number by which `/proc/PID/mountinfo` tells it.
    pub fn number(&self) -> u64 {
        self.id
    }

    pub(super) fn new(
        (id, space): (u64, Space),
        fs: Arc<dyn FileSystem>,
        root: Arc<Dentry>,
        covers: Option<Path>,
        source: &str,
        flags: MountFlags,
    ) -> Result<Arc<Mount>> {
        let mut own_source = String::new();
        let room = own_source.try_reserve_exact(source.len());
        room.map_err(|_| Errno::ENOMEM)?;
        own_source.push_str(source);
        let payer = space.payer.as_ref();
        let charge = payer.map(|payer| Charge::new(payer, COST)).transpose()?;
        paddock_sync::try_arc(Mount {
            id,
            fs,
            root,
            space_id: AtomicU64::new(space.id),
            space: SpinLock::new(Rank::Leaf, space),
            _charge: charge,
            locked: AtomicU64::new(0),
            covers: SpinLock::new(Rank::Leaf, covers),
            source: own_source,
            flags: AtomicU64::new(flags.bits()),
            writers: Writers::with(!flags.contains(MountFlags::RDONLY)),
            is_detached: AtomicBool::new(false),
            expires_in: AtomicU32::new(0),
        })
    }

    /// The same filesystem, with the same flags, locked as it is. `ENOMEM`.
    pub(super) fn copy(
        &self,
        ids: (u64, Space),
        root: Arc<Dentry>,
        covers: Option<Path>,
    ) -> Result<Arc<Mount>> {
        let fs = self.fs.clone();
        let copy = Mount::new(ids, fs, root, covers, &self.source, self.flags())?;
        copy.locked.store(self.locked.load(Relaxed), Relaxed);
        Ok(copy)
    }

    /// Whether it must stay where it is.
    pub(super) fn is_locked(&self) -> bool {
        self.locked.load(Relaxed) & LOCKED != 0
    }

    /// Whether it must stay where it is from now on.
    pub(super) fn set_locked(&self, locked: bool) {
        match locked {
            true => self.locked.fetch_or(LOCKED, Relaxed),
            false => self.locked.fetch_and(!LOCKED, Relaxed),
        };
    }

    /// It stays where it is from now on, and what it forbids stays forbidden.
    pub(super) fn lock(&self) {
        let flags = self.flags() & MountFlags::LOCKABLE;
        self.locked.fetch_or(LOCKED | flags.bits(), Relaxed);
    }

    /// `EPERM` if `flags` lack one that it keeps.
    pub(super) fn check_flags(&self, flags: MountFlags) -> Result<()> {
        let kept = MountFlags::from_bits_truncate(self.locked.load(Relaxed));
        match flags.contains(kept) {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// Whether programs on it may make `cred` somebody else (`MS_NOSUID` of mount(2)), who
    /// has its root at `root`: not those of another mount namespace, nor of one that was
    /// made with fewer rights.
    pub fn may_set_user(&self, cred: &Cred, root: &Path) -> bool {
        !self.flags().contains(MountFlags::NOSUID)
            && self.is_beside(&root.mount)
            && cred.user_namespace.is_within(&self.space().owner)
    }

    /// The mount namespace that it is in, or what stands for one.
    pub(super) fn space(&self) -> Space {
        self.space.lock().clone()
    }

    /// The number of that.
    pub(super) fn space_id(&self) -> u64 {
        self.space_id.load(Acquire)
    }

    /// It is in another from now on. The caller holds the table's lock, and another
    /// reference to what the old one refers to.
    pub(super) fn set_space(&self, space: &Space) {
        *self.space.lock() = space.clone();
        self.space_id.store(space.id, Release);
    }

    /// Whether both are in the same mount namespace.
    pub(super) fn is_beside(&self, other: &Mount) -> bool {
        self.space_id() == other.space_id()
    }

    /// Whether it is of a tree that is in no namespace yet.
    pub(super) fn is_of_detached_tree(&self) -> bool {
        self.space_id() & DETACHED != 0
    }

    /// Whether it is the root of a tree that is in no namespace yet.
    pub(super) fn is_detached_root(&self) -> bool {
        self.is_of_detached_tree() && !self.is_detached.load(Acquire) && self.covered().is_none()
    }

    /// The place of its root.
    pub(super) fn root_path(self: &Arc<Self>) -> Path {
        Path {
            dentry: self.root.clone(),
            mount: self.clone(),
        }
    }

    /// Whether it was never in the tree, or is no more.
    pub(super) fn is_apart(&self) -> bool {
        self.space_id() == NOWHERE || self.is_of_detached_tree() || self.is_detached.load(Acquire)
    }

    /// What it covers, in the tree or not.
    pub(super) fn covered(&self) -> Option<Path> {
        self.covers.lock().clone()
    }

    /// What is above its root: nothing, for one that is not in the tree.
    pub(crate) fn above(&self) -> Option<Path> {
        match self.is_detached.load(Acquire) {
            true => None,
            false => self.covered(),
        }
    }

    /// Whether what it covers is of a filesystem whose folders stand for processes.
    pub(super) fn is_on_processes(&self) -> bool {
        let covers = self.covers.lock();
        covers
            .as_ref()
            .is_some_and(|place| place.mount.fs.shows_processes())
    }

    pub(super) fn spot(&self) -> Option<Spot> {
        self.covers.lock().as_ref().map(Spot::new)
    }

    /// `EINVAL` if it is not in the tree, so that nothing can be mounted there.
    pub(super) fn check_attached(&self) -> Result<()> {
        match self.is_detached.load(Acquire) {
            true => Err(Errno::EINVAL),
            false => Ok(()),
        }
    }

    /// Whether it was marked to expire, with no walk onto it since but the caller's
    /// own; it is from now on.
    pub(super) fn has_expired(&self) -> bool {
        self.expires_in.swap(EXPIRES_IN + 1, AcqRel) != 0
    }

    /// A walk comes onto it.
    pub(super) fn note_walk(&self) {
        if self.expires_in.load(Relaxed) > 0 {
            let fewer = |left: u32| left.checked_sub(1);
            let _ = self.expires_in.fetch_update(AcqRel, Relaxed, fewer);
        }
    }

    /// The filesystem.
    pub fn fs(&self) -> &Arc<dyn FileSystem> {
        &self.fs
    }

    /// The flags it was mounted with.
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_retain(self.flags.load(Relaxed))
    }

    /// Changes them, for whoever comes by from now on. `EBUSY` if it is to be read-only
    /// and files are open for writing. One change of mounts at a time.
    pub(super) fn set_flags(&self, flags: MountFlags) -> Result<()> {
        self.writers
            .set_allowed(!flags.contains(MountFlags::RDONLY))?;
        self.flags.store(flags.bits(), Relaxed);
        Ok(())
    }

    /// What was mounted: a device, or a name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// `EROFS` if nothing may be changed through it.
    pub fn check_writable(&self) -> Result<()> {
        match self.flags().contains(MountFlags::RDONLY) || self.is_fs_read_only() {
            true => Err(Errno::EROFS),
            false => Ok(()),
        }
    }

    /// Whether its filesystem refuses changes through any mount.
    pub fn is_fs_read_only(&self) -> bool {
        self.fs.read_only() || self.fs.state().is_read_only()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        notify::fanotify::mount_ended(self.id);
    }
}

/// A file is open for writing through a mount for as long as this is there.
pub(crate) struct MountWriting(Arc<Mount>);

impl MountWriting {
    /// `EROFS`.
    pub fn new(mount: &Arc<Mount>) -> Result<MountWriting> {
        mount.writers.enter()?;
        let entered = mount.fs.state().writers.enter();
        if let Err(error) = entered {
            mount.writers.leave();
            return Err(error);
        }
        Ok(MountWriting(mount.clone()))
    }
}

impl Drop for MountWriting {
    fn drop(&mut self) {
        self.0.fs.state().writers.leave();
        self.0.writers.leave();
    }
}

/// A line of `/proc/mounts`.
#[derive(Clone, Debug)]
pub struct MountInfo {
    /// Its number.
    pub id: u64,
    /// That of the mount that it is on; its own for a root.
    pub parent: u64,
    /// The device number of its filesystem.
    pub device: u64,
    /// What of that it shows, as a path there.
    pub root: Vec<u8>,
    /// What was mounted.
    pub source: String,
    /// Where, from the root that was given.
    pub target: Vec<u8>,
    /// The kind of filesystem.
    pub kind: &'static str,
    /// What follows that, behind a dot.
    pub subtype: Option<String>,
    /// Options of the filesystem's own, each behind a comma.
    pub options: String,
    /// The flags.
    pub flags: MountFlags,
    /// Whether the filesystem refuses changes through any mount.
    pub fs_read_only: bool,
}
