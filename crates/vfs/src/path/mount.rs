//! Mounts and their table.

use super::mount_table::Spot;
use super::{Dentry, Path};
use crate::{Errno, FileSystem, Result};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
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
    }
}

bitflags::bitflags! {
    /// Flags of umount2(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Unmount: u32 {
        /// Disturbs whoever is at it, where a filesystem knows how: none here does.
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
    /// The mount namespace that it is in.
    pub(super) space: Space,
    /// What it covers; `None` for the root of all. Changed under the table's lock only.
    pub(super) covers: SpinLock<Option<Path>, PreemptOff>,
    source: String,
    flags: AtomicU64,
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
}

impl PartialEq for Space {
    fn eq(&self, other: &Space) -> bool {
        self.id == other.id
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
            space,
            _charge: charge,
            locked: AtomicU64::new(0),
            covers: SpinLock::new(Rank::Leaf, covers),
            source: own_source,
            flags: AtomicU64::new(flags.bits()),
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
        let flags = self.flags().bits();
        self.locked.fetch_or(LOCKED | flags, Relaxed);
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
            && self.space == root.mount.space
            && cred.user_namespace.is_within(&self.space.owner)
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
        self.space.id == NOWHERE || self.is_detached.load(Acquire)
    }

    /// What it covers, in the tree or not.
    pub(super) fn covered(&self) -> Option<Path> {
        self.covers.lock().clone()
    }

    /// What is above its root: nothing, for one that is not in the tree.
    pub(super) fn above(&self) -> Option<Path> {
        match self.is_detached.load(Acquire) {
            true => None,
            false => self.covered(),
        }
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

    /// Changes them, for whoever comes by from now on.
    pub(super) fn set_flags(&self, flags: MountFlags) {
        self.flags.store(flags.bits(), Relaxed);
    }

    /// What was mounted: a device, or a name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// `EROFS` if nothing may be changed through it.
    pub fn check_writable(&self) -> Result<()> {
        match self.flags().contains(MountFlags::RDONLY) || self.fs.read_only() {
            true => Err(Errno::EROFS),
            false => Ok(()),
        }
    }
}

/// A line of `/proc/mounts`.
#[derive(Clone, Debug)]
pub struct MountInfo {
    /// Its number.
    pub id: u64,
    /// That of the mount that it is on; its own for a root.
    pub parent: u64,
    /// What was mounted.
    pub source: String,
    /// Where, from the root that was given.
    pub target: Vec<u8>,
    /// The kind of filesystem.
    pub kind: &'static str,
    /// The flags.
    pub flags: MountFlags,
}
