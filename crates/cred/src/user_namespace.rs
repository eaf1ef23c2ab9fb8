//! User namespaces (user_namespaces(7)).
//!
//! The kernel knows every user and group by the number in the initial namespace; so do
//! all the fields of a [`Cred`]. What a program gives or is told goes through the maps of
//! its namespace. A capability that a thread has counts in its own namespace and in
//! those below; [`Cred::capable`] asks for the initial one, so that whoever does not
//! think of namespaces refuses those who are in another.

use crate::id_map::{EXTENTS_MAX, Extent, IdMap, OVERFLOW_ID};
use crate::namespace_count::Counted;
use crate::{Cap, CapSet, Cred, Securebits};
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock, try_arc};

/// How deep a namespace may be that has others in it.
const LEVELS_MAX: u32 = 32;
/// The inode number of the initial namespace, as on Linux.
const FIRST_INODE: u64 = 0xefff_fffd;
static NEXT_INODE: AtomicU64 = AtomicU64::new(0xf600_0000);
/// What a namespace is charged for, in bytes: itself, and maps of full length.
const COST: usize = size_of::<Inner>() + 3 * 2 * EXTENTS_MAX * size_of::<Extent>();

/// What a map is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Users.
    User,
    /// Groups.
    Group,
    /// Projects of quotas.
    Project,
}

struct Inner {
    above: UserNamespace,
    level: u32,
    inode: u64,
    /// User and group of who made it.
    owner: (u32, u32),
    /// Whether who made it might have given files capabilities.
    maker_could_setfcap: bool,
    maps: [OnceCell<IdMap>; 3],
    allows_setgroups: AtomicBool,
    /// One change at a time.
    changing: SpinLock<(), PreemptOff>,
    _charge: Charge,
    _counted: Counted,
}

/// A user namespace; the default is the initial one.
#[derive(Clone, Default)]
pub struct UserNamespace(Option<Arc<Inner>>);

impl fmt::Debug for UserNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserNamespace({:#x})", self.inode())
    }
}

impl PartialEq for UserNamespace {
    fn eq(&self, other: &UserNamespace) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl Eq for UserNamespace {}

impl UserNamespace {
    /// The one that there is from the start.
    pub const INITIAL: UserNamespace = UserNamespace(None);

    /// Whether it is that.
    #[inline]
    pub const fn is_initial(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are around it.
    pub fn level(&self) -> u32 {
        self.0.as_ref().map_or(0, |inner| inner.level)
    }

    /// The one around it; `None` for the initial one.
    pub fn above(&self) -> Option<&UserNamespace> {
        self.0.as_ref().map(|inner| &inner.above)
    }

    /// Its inode number.
    pub fn inode(&self) -> u64 {
        self.0.as_ref().map_or(FIRST_INODE, |inner| inner.inode)
    }

    /// The user who made it.
    pub fn owner(&self) -> u32 {
        self.0.as_ref().map_or(0, |inner| inner.owner.0)
    }

    /// Whether it is `other`, or in it, however deep.
    pub fn is_within(&self, other: &UserNamespace) -> bool {
        let mut at = self;
        loop {
            if at == other {
                return true;
            }
            match at.above() {
                Some(above) => at = above,
                None => return false,
            }
        }
    }

    fn map(&self, kind: IdKind) -> Option<&IdMap> {
        self.0.as_ref()?.maps[kind as usize].get()
    }

    /// The kernel's id for one that a program of the namespace gives. `None` for one
    /// that stands for nobody.
    #[inline]
    pub fn given(&self, kind: IdKind, id: u32) -> Option<u32> {
        match self.is_initial() {
            true => Some(id).filter(|&id| id != u32::MAX),
            false => self.map(kind)?.lower(id),
        }
    }

    /// The id that programs of the namespace know one of the kernel's by, if any.
    #[inline]
    pub fn known(&self, kind: IdKind, id: u32) -> Option<u32> {
        match self.is_initial() {
            true => Some(id).filter(|&id| id != u32::MAX),
            false => self.map(kind)?.upper(id),
        }
    }

    /// The same as they are told it: one that stands for all whom it does not know.
    #[inline]
    pub fn shown(&self, kind: IdKind, id: u32) -> u32 {
        match self.is_initial() {
            true => id,
            false => self.known(kind, id).unwrap_or(OVERFLOW_ID),
        }
    }

    /// [`shown`](Self::shown) for a user.
    #[inline]
    pub fn shown_uid(&self, uid: u32) -> u32 {
        self.shown(IdKind::User, uid)
    }

    /// [`shown`](Self::shown) for a group.
    #[inline]
    pub fn shown_gid(&self, gid: u32) -> u32 {
        self.shown(IdKind::Group, gid)
    }

    /// Whether programs of the namespace know both a user and a group.
    #[inline]
    pub fn knows(&self, uid: u32, gid: u32) -> bool {
        self.is_initial()
            || self.known(IdKind::User, uid).is_some() && self.known(IdKind::Group, gid).is_some()
    }

    /// Whether setgroups(2) has not been denied.
    pub fn allows_setgroups(&self) -> bool {
        let inner = self.0.as_ref();
        inner.is_none_or(|inner| inner.allows_setgroups.load(Ordering::Acquire))
    }

    /// Whether setgroups(2) may be called at all: groups are mapped, and it was not
    /// denied before.
    pub fn may_setgroups(&self) -> bool {
        self.is_initial() || self.map(IdKind::Group).is_some() && self.allows_setgroups()
    }

    /// Allows or denies setgroups(2), which nothing takes back. `EPERM` for allowing
    /// what is denied, and for denying it once groups are mapped.
    pub fn set_setgroups(&self, allow: bool) -> Result<()> {
        let Some(inner) = &self.0 else {
            return if allow { Ok(()) } else { Err(Errno::EPERM) };
        };
        let _one = inner.changing.lock();
        match allow {
            true if !self.allows_setgroups() => Err(Errno::EPERM),
            false if self.map(IdKind::Group).is_some() => Err(Errno::EPERM),
            _ => {
                inner.allows_setgroups.store(allow, Ordering::Release);
                Ok(())
            }
        }
    }

    /// Calls `each` with the lines of a map as programs of `viewer` see them.
    pub fn each_line(
        &self,
        kind: IdKind,
        viewer: &UserNamespace,
        mut each: impl FnMut(Extent) -> Result<()>,
    ) -> Result<()> {
        // Its own programs see it as those around it do.
        let viewer = match self.above() {
            Some(above) if viewer == self => above,
            _ => viewer,
        };
        let all = [Extent::ALL];
        let extents = match self.is_initial() {
            true => &all[..],
            false => self.map(kind).map_or(&[][..], IdMap::extents),
        };
        for extent in extents {
            let lower = viewer.known(kind, extent.lower);
            each(Extent {
                lower: lower.unwrap_or(u32::MAX),
                ..*extent
            })?;
        }
        Ok(())
    }

    /// Sets a map, once, to what `opener` has written, who opened the file, while `writer`
    /// wrote it.
    ///
    /// # Errors
    /// `EPERM` if there is one already, for who is neither in the namespace nor in the one
    /// around it, without the rights that user_namespaces(7) asks for, and for ids that
    /// the namespace around has not; `EINVAL` for what makes no map; `ENOMEM`.
    pub fn set_map(&self, kind: IdKind, text: &[u8], opener: &Cred, writer: &Cred) -> Result<()> {
        let inner = self.0.as_ref().ok_or(Errno::EPERM)?;
        let namespace = &opener.user_namespace;
        if namespace != self && *namespace != inner.above || self.map(kind).is_some() {
            return Err(Errno::EPERM);
        }
        let is_of_project = kind == IdKind::Project;
        if !is_of_project && !opener.capable_in(self, Cap::CAP_SYS_ADMIN) {
            return Err(Errno::EPERM);
        }
        let written = IdMap::parse(text)?;
        let may = || self.may_map(inner, kind, &written, opener, writer);
        let look_up = |first, count| match inner.above.map(kind) {
            _ if inner.above.is_initial() => Some(first),
            map => map?.lower_range(first, count),
        };
        let resolved = written.resolved(look_up);
        let _one = inner.changing.lock();
        if !may() {
            return Err(Errno::EPERM);
        }
        let set = inner.maps[kind as usize].set(resolved?);
        set.map(drop).map_err(|_| Errno::EPERM)
    }

    /// Whether a map may be, as far as rights go; under the lock of changes.
    fn may_map(
        &self,
        inner: &Inner,
        kind: IdKind,
        map: &IdMap,
        opener: &Cred,
        writer: &Cred,
    ) -> bool {
        let above = &inner.above;
        if kind == IdKind::User && !self.may_map_root(inner, map, opener) {
            return false;
        }
        if let [one] = map.extents()
            && one.count == 1
            && inner.owner.0 == opener.uid.effective
        {
            let lower = above.given(kind, one.lower);
            let is_own = match kind {
                IdKind::User => lower == Some(opener.uid.effective),
                IdKind::Group => !self.allows_setgroups() && lower == Some(opener.gid.effective),
                IdKind::Project => false,
            };
            if is_own {
                return true;
            }
        }
        let cap = match kind {
            IdKind::User => Cap::CAP_SETUID,
            IdKind::Group => Cap::CAP_SETGID,
            IdKind::Project => return true,
        };
        writer.capable_in(above, cap) && opener.capable_in(above, cap)
    }

    /// User 0 of the namespace around may give files capabilities: so must who maps it
    /// have been able to.
    fn may_map_root(&self, inner: &Inner, map: &IdMap, opener: &Cred) -> bool {
        if map.upper(0).is_none() {
            return true;
        }
        match opener.user_namespace == *self {
            true => inner.maker_could_setfcap,
            false => opener.capable_in(&inner.above, Cap::CAP_SETFCAP),
        }
    }
}

impl Cred {
    /// Whether a capability is effective in `namespace`: its threads', and those of the
    /// namespaces around it, of which the user who made it has all.
    pub fn capable_in(&self, namespace: &UserNamespace, cap: Cap) -> bool {
        let mut at = namespace;
        loop {
            if *at == self.user_namespace {
                return self.effective.has(cap);
            }
            let Some(inner) = &at.0 else { return false };
            if inner.level <= self.user_namespace.level() {
                return false;
            }
            if inner.above == self.user_namespace && inner.owner.0 == self.uid.effective {
                return true;
            }
            at = &inner.above;
        }
    }

    /// `EPERM` unless a capability is effective in `namespace`.
    pub fn require_in(&self, namespace: &UserNamespace, cap: Cap) -> Result<()> {
        match self.capable_in(namespace, cap) {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// Whether a capability is effective in its own namespace.
    #[inline]
    pub const fn capable_here(&self, cap: Cap) -> bool {
        self.effective.has(cap)
    }

    /// `EPERM` unless a capability is effective in its own namespace.
    pub fn require_here(&self, cap: Cap) -> Result<()> {
        match self.capable_here(cap) {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// Whether a capability is effective for what belongs to a user and a group: its
    /// namespace must know both.
    #[inline]
    pub fn capable_over(&self, cap: Cap, uid: u32, gid: u32) -> bool {
        self.effective.has(cap) && self.user_namespace.knows(uid, gid)
    }

    /// The kernel's id of user 0 of its namespace.
    #[inline]
    pub(crate) fn root_uid(&self) -> Option<u32> {
        self.user_namespace.given(IdKind::User, 0)
    }

    /// Who it is in a new user namespace in its own, for which `payer` pays.
    ///
    /// # Errors
    /// `ENOSPC` for one too deep or too many, `EPERM` for who is nobody in its own one;
    /// `ENOMEM`.
    pub fn with_new_namespace(&self, payer: &Arc<Account>) -> Result<Cred> {
        let above = &self.user_namespace;
        let level = above.level() + 1;
        if level > LEVELS_MAX + 1 {
            return Err(Errno::ENOSPC);
        }
        let owner = (self.uid.effective, self.gid.effective);
        let counted = Counted::new(above.payer().unwrap_or(owner.0))?;
        if !above.knows(owner.0, owner.1) {
            return Err(Errno::EPERM);
        }
        let inner = try_arc(Inner {
            above: above.clone(),
            level,
            inode: NEXT_INODE.fetch_add(1, Ordering::Relaxed),
            owner,
            maker_could_setfcap: self.effective.has(Cap::CAP_SETFCAP),
            maps: [const { OnceCell::new() }; 3],
            allows_setgroups: AtomicBool::new(above.allows_setgroups()),
            changing: SpinLock::new(Rank::Leaf, ()),
            _charge: Charge::new(payer, COST)?,
            _counted: counted,
        })?;
        Ok(self.within(UserNamespace(Some(inner))))
    }

    /// Who it is in another user namespace: it has all capabilities there.
    fn within(&self, namespace: UserNamespace) -> Cred {
        Cred {
            user_namespace: namespace,
            permitted: CapSet::ALL,
            effective: CapSet::ALL,
            inheritable: CapSet::EMPTY,
            bounding: CapSet::ALL,
            ambient: CapSet::EMPTY,
            securebits: Securebits::empty(),
            ..self.clone()
        }
    }

    /// Who it is once it has come into another user namespace. `EINVAL` for its own,
    /// `EPERM` without CAP_SYS_ADMIN there.
    pub fn entering(&self, namespace: &UserNamespace) -> Result<Cred> {
        if *namespace == self.user_namespace {
            return Err(Errno::EINVAL);
        }
        self.require_in(namespace, Cap::CAP_SYS_ADMIN)?;
        Ok(self.within(namespace.clone()))
    }

    /// Whether `new` may do nothing that this one may not, by capabilities.
    pub(crate) fn covers(&self, new: &Cred) -> bool {
        if self.user_namespace == new.user_namespace {
            return new.permitted.within(self.permitted);
        }
        let mut at = &new.user_namespace;
        while let Some(inner) = &at.0 {
            if inner.above == self.user_namespace && inner.owner.0 == self.uid.effective {
                return true;
            }
            at = &inner.above;
        }
        false
    }
}
