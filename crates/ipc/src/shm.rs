//! Shared memory: shmget(2), shmop(2) and shmctl(2).
//!
//! A segment lives until it has been removed and nobody has it attached. What
//! its memory is made of is the caller's business.

use crate::table::{self, Table, Which};
use crate::{Caller, Perm};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};
use paddock_abi::ipc::{IpcPerm, SHM_DEST, SHM_LOCKED, ShmidDs};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};

/// The longest segment, in bytes (`kernel.shmmax`).
pub static SHMMAX: AtomicU64 = AtomicU64::new(u64::MAX - (1 << 24));
/// Pages of all segments together (`kernel.shmall`).
pub static SHMALL: AtomicU64 = AtomicU64::new(u64::MAX - (1 << 24));
/// Segments (`kernel.shmmni`).
pub static SHMMNI: AtomicU32 = AtomicU32::new(4096);

const PAGE_SIZE: u64 = 4096;

/// A segment, of memory `M`.
#[derive(Debug)]
pub struct Segment<M> {
    /// Its pages.
    pub memory: M,
    bytes: u64,
    creator: u32,
    id: AtomicI32,
    state: SpinLock<State, PreemptOff>,
}

#[derive(Debug)]
struct State {
    perm: Perm,
    attached: u64,
    /// It goes with the last attachment.
    removed: bool,
    /// It has gone.
    destroyed: bool,
    locked: bool,
    attach_time: i64,
    detach_time: i64,
    change_time: i64,
    last: u32,
}

impl<M> Segment<M> {
    fn new(caller: &Caller<'_>, key: i32, flags: u32, bytes: u64, memory: M) -> Self {
        let state = State {
            perm: Perm::new(key, flags, caller.cred),
            attached: 0,
            removed: false,
            destroyed: false,
            locked: false,
            attach_time: 0,
            detach_time: 0,
            change_time: caller.now,
            last: 0,
        };
        Segment {
            memory,
            bytes,
            creator: caller.pid,
            id: AtomicI32::new(-1),
            state: SpinLock::new(Rank::Leaf, state),
        }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its length in pages.
    pub fn pages(&self) -> u64 {
        self.bytes.div_ceil(PAGE_SIZE)
    }

    /// Its identifier.
    pub fn id(&self) -> i32 {
        self.id.load(Relaxed)
    }

    /// One more attachment, by process `pid` at `now`. There is one, or
    /// [`Segments::attach`] has made one.
    pub fn attached(&self, pid: u32, now: i64) {
        let mut state = self.state.lock();
        debug_assert!(!state.destroyed);
        state.attached += 1;
        (state.last, state.attach_time) = (pid, now);
    }

    /// As `IPC_STAT` shows it.
    pub fn shown(&self) -> ShmidDs {
        let state = self.state.lock();
        let mut perm = state.perm.shown(self.id());
        let flag = |set: bool, flag| if set { flag } else { 0 };
        perm.mode |= flag(state.removed, SHM_DEST) | flag(state.locked, SHM_LOCKED);
        ShmidDs {
            shm_perm: perm,
            shm_segsz: self.bytes,
            shm_atime: state.attach_time,
            shm_dtime: state.detach_time,
            shm_ctime: state.change_time,
            shm_cpid: self.creator,
            shm_lpid: state.last,
            shm_nattch: state.attached,
            unused: [0; 2],
        }
    }
}

/// All segments. Any context that may hold spin locks; what is dropped may be
/// a segment's memory.
#[derive(Debug)]
pub struct Segments<M> {
    table: SpinLock<Table<Segment<M>>, PreemptOff>,
    pages: AtomicU64,
}

impl<M> Default for Segments<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Segments<M> {
    /// None.
    pub const fn new() -> Self {
        Segments {
            table: SpinLock::new(Rank::Leaf, Table::new()),
            pages: AtomicU64::new(0),
        }
    }

    /// shmget(2), but for huge pages. `make` gives the memory of a new one.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`, `EEXIST`, `ENOENT`, `ENOSPC`, `ENOMEM` as in the
    /// manual.
    pub fn get(
        &self,
        caller: &Caller<'_>,
        (key, flags): (i32, u32),
        bytes: u64,
        make: impl FnOnce() -> Result<M>,
    ) -> Result<i32> {
        let check = |segment: &Segment<M>| match bytes > segment.bytes {
            true => Err(Errno::EINVAL),
            false => segment.state.lock().perm.check(caller.cred, flags & 0o777),
        };
        let make = || {
            if !(1..=SHMMAX.load(Relaxed)).contains(&bytes) {
                return Err(Errno::EINVAL);
            }
            let pages = bytes.div_ceil(PAGE_SIZE);
            let sum = self.pages.load(Relaxed).checked_add(pages);
            if sum.is_none_or(|sum| sum > SHMALL.load(Relaxed)) {
                return Err(Errno::ENOSPC);
            }
            try_arc(Segment::new(caller, key, flags, bytes, make()?))
        };
        let add = |table: &mut Table<_>, segment: Arc<Segment<M>>| {
            let id = table.insert(key, SHMMNI.load(Relaxed), segment.clone())?;
            segment.id.store(id, Relaxed);
            self.pages.fetch_add(segment.pages(), Relaxed);
            Ok(id)
        };
        table::get(&self.table, (key, flags), check, make, add)
    }

    fn find(&self, id: i32) -> Result<Arc<Segment<M>>> {
        self.table.lock().get(id).cloned()
    }

    /// shmat(2): counts an attachment, for which `wanted` (bits of a mode) must
    /// be granted.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`; `EIDRM` if it is going.
    pub fn attach(&self, caller: &Caller<'_>, id: i32, wanted: u32) -> Result<Arc<Segment<M>>> {
        let segment = self.find(id)?;
        let mut state = segment.state.lock();
        state.perm.check(caller.cred, wanted)?;
        if state.destroyed {
            return Err(Errno::EIDRM);
        }
        state.attached += 1;
        drop(state);
        Ok(segment)
    }

    /// One attachment less. The caller has a share of the segment, which he
    /// drops outside this.
    pub fn detached(&self, segment: &Segment<M>, pid: u32, now: i64) {
        let mut state = segment.state.lock();
        state.attached = state.attached.saturating_sub(1);
        (state.last, state.detach_time) = (pid, now);
        let last = state.attached == 0 && state.removed && !state.destroyed;
        state.destroyed |= last;
        drop(state);
        if last {
            drop(self.forget(segment, 0));
        }
    }

    /// Takes a segment that is destroyed out of the table.
    fn forget(&self, segment: &Segment<M>, key: i32) -> Option<Arc<Segment<M>>> {
        let removed = self.table.lock().remove(segment.id(), key);
        self.pages.fetch_sub(segment.pages(), Relaxed);
        removed
    }

    /// `IPC_RMID`.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    pub fn remove(&self, caller: &Caller<'_>, id: i32) -> Result<()> {
        let segment = self.find(id)?;
        let mut state = segment.state.lock();
        state.perm.check_change(caller.cred)?;
        let key = state.perm.hide();
        let last = state.attached == 0 && !state.destroyed;
        state.removed = true;
        state.destroyed |= last;
        drop(state);
        match last {
            true => drop(self.forget(&segment, key)),
            false if key != 0 => self.table.lock().forget_key(key),
            false => {}
        }
        Ok(())
    }

    /// `IPC_SET`.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    pub fn set(&self, caller: &Caller<'_>, id: i32, new: &IpcPerm) -> Result<()> {
        let segment = self.find(id)?;
        let mut state = segment.state.lock();
        state.perm.check_change(caller.cred)?;
        state.perm.set(new)?;
        state.change_time = caller.now;
        Ok(())
    }

    /// `SHM_LOCK` and `SHM_UNLOCK`: noted, since no page is ever swapped out.
    /// `may_lock` says whether the caller's limit (`RLIMIT_MEMLOCK`) allows
    /// any.
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`.
    pub fn lock(&self, caller: &Caller<'_>, id: i32, lock: bool, may_lock: bool) -> Result<()> {
        let segment = self.find(id)?;
        let mut state = segment.state.lock();
        let allowed = state.perm.is_owner(caller.cred) && (may_lock || !lock);
        if !allowed && !caller.cred.capable(Cap::CAP_IPC_LOCK) {
            return Err(Errno::EPERM);
        }
        state.locked = lock;
        Ok(())
    }

    /// `IPC_STAT`, `SHM_STAT` and `SHM_STAT_ANY`: the identifier as well.
    ///
    /// # Errors
    /// `EINVAL`, `EACCES`.
    pub fn stat(&self, caller: &Caller<'_>, which: Which) -> Result<(i32, ShmidDs)> {
        let table = self.table.lock();
        let (id, segment) = table.find(which)?;
        let segment = segment.clone();
        drop(table);
        if !matches!(which, Which::IndexForAll(_)) {
            segment.state.lock().perm.check(caller.cred, 0o444)?;
        }
        Ok((id, segment.shown()))
    }

    /// The first segment at an index or above it.
    pub fn from(&self, index: u32) -> Option<Arc<Segment<M>>> {
        let table = self.table.lock();
        table.from(index).map(|(_, segment)| segment.clone())
    }

    /// How many there are, the highest index, and the pages of all.
    pub fn counts(&self) -> (usize, u32, u64) {
        let table = self.table.lock();
        (table.len(), table.highest(), self.pages.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paddock_abi::ipc::{IPC_CREAT, IPC_EXCL};
    use paddock_cred::Cred;

    fn caller(cred: &Cred) -> Caller<'_> {
        Caller {
            cred,
            pid: 7,
            now: 100,
        }
    }

    #[test]
    fn a_segment_is_found_by_its_key_and_checked() {
        let (own, other) = (Cred::user(1, 1), Cred::user(2, 2));
        let (own, other) = (caller(&own), caller(&other));
        let all: Segments<()> = Segments::new();
        let get =
            |who: &Caller<'_>, key, flags, bytes| all.get(who, (key, flags), bytes, || Ok(()));
        assert_eq!(get(&own, 5, 0o600, 10), Err(Errno::ENOENT));
        assert_eq!(get(&own, 5, IPC_CREAT, 0), Err(Errno::EINVAL));
        let too_long = get(&own, 5, IPC_CREAT, SHMMAX.load(Relaxed) + 1);
        assert_eq!(too_long, Err(Errno::EINVAL));
        let id = get(&own, 5, IPC_CREAT | 0o600, 5000).unwrap();
        assert_eq!(get(&own, 5, 0o600, 0), Ok(id));
        assert_eq!(get(&own, 5, IPC_CREAT, 5000), Ok(id));
        assert_eq!(get(&own, 5, IPC_CREAT | IPC_EXCL, 0), Err(Errno::EEXIST));
        assert_eq!(get(&own, 5, 0, 5001), Err(Errno::EINVAL));
        assert_eq!(get(&other, 5, 0o400, 0), Err(Errno::EACCES));
        assert_eq!(get(&other, 5, 0, 0), Ok(id));
        assert_eq!(all.counts(), (1, 0, 2));
        assert!(matches!(all.attach(&other, id, 0o444), Err(Errno::EACCES)));
        assert_eq!(all.remove(&other, id), Err(Errno::EPERM));
        let refused = all.stat(&other, Which::Index(0)).map(drop);
        assert_eq!(refused, Err(Errno::EACCES));
        let (found, shown) = all.stat(&other, Which::IndexForAll(0)).unwrap();
        assert_eq!((found, shown.shm_segsz, shown.shm_cpid), (id, 5000, 7));
        assert_eq!(all.lock(&other, id, true, true), Err(Errno::EPERM));
        assert_eq!(all.lock(&own, id, true, false), Err(Errno::EPERM));
        all.lock(&own, id, true, true).unwrap();
        assert_eq!(
            all.stat(&own, Which::Id(id)).unwrap().1.shm_perm.mode,
            0o2600
        );
    }

    #[test]
    fn it_goes_once_it_is_removed_and_nobody_has_it() {
        let cred = Cred::root();
        let caller = caller(&cred);
        let all: Segments<Arc<()>> = Segments::new();
        let memory = Arc::new(());
        let make = || Ok(memory.clone());
        let id = all.get(&caller, (9, IPC_CREAT), 1, make).unwrap();
        let segment = all.attach(&caller, id, 0o666).unwrap();
        segment.attached(8, 101);
        all.detached(&segment, 8, 102);
        all.remove(&caller, id).unwrap();
        all.remove(&caller, id).unwrap();
        let shown = all.stat(&caller, Which::Id(id)).unwrap().1;
        assert_eq!((shown.shm_perm.key, shown.shm_perm.mode), (0, SHM_DEST));
        assert_eq!((shown.shm_nattch, shown.shm_dtime), (1, 102));
        // Its key is free, and it can still be attached.
        let other = all.get(&caller, (9, IPC_CREAT), 1, make).unwrap();
        assert_ne!(other, id);
        let again = all.attach(&caller, id, 0o666).unwrap();
        all.detached(&again, 8, 103);
        all.detached(&segment, 8, 104);
        assert_eq!(all.remove(&caller, id), Err(Errno::EINVAL));
        assert_eq!(all.counts().0, 1);
        all.remove(&caller, other).unwrap();
        assert_eq!(all.counts(), (0, 0, 0));
        drop((segment, again));
        assert_eq!(Arc::strong_count(&memory), 1);
        assert!(matches!(all.attach(&caller, id, 0), Err(Errno::EINVAL)));
    }
}
