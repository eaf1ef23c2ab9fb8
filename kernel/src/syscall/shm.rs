//! Shared memory of System V: shmget(2), shmop(2), shmctl(2).

use super::Call;
use crate::process::Arm;
use crate::process::ipc::shm::{Mapped, Memory};
use crate::process::ipc::{self, IpcSpace};
use crate::process::object::{RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::ipc::*;
use paddock_abi::mman::{MapFlags, Prot};
use paddock_abi::{Errno, Result};
use paddock_ipc::Which;
use paddock_ipc::shm::{SHMALL, SHMMAX, SHMMNI, Segment};
use paddock_mem::{Attached, Limits, MapRequest, MapSource, PAGE_SIZE};
use paddock_sync::try_arc;

/// shmget(2): without huge pages (`EINVAL`). The memory is its maker's user's
/// to answer for, whether it is touched or not.
pub fn shmget(call: &mut Call<'_>) -> Result<u64> {
    let (key, bytes, flags) = (call.int(0), call.word(1), call.uint(2));
    if flags & SHM_HUGETLB != 0 {
        return Err(Errno::EINVAL);
    }
    let make = || Memory::new(key, bytes);
    let id = call.ipc(|caller| ipc::own().segments.get(caller, (key, flags), bytes, make))?;
    Ok(id as u64)
}

/// Where shmat(2) is to attach: the address, 0 for anywhere.
fn place(address: u64, flags: u32) -> Result<u64> {
    let rounded = address & !(PAGE_SIZE - 1);
    let is_bad = match address {
        0 => flags & SHM_REMAP != 0,
        _ if rounded == address => false,
        _ => flags & SHM_RND == 0 || rounded == 0 && flags & SHM_REMAP != 0,
    };
    match is_bad {
        true => Err(Errno::EINVAL),
        false => Ok(rounded),
    }
}

/// The protection that shmat(2)'s flags ask for, and as bits of a mode.
fn rights(flags: u32) -> (Prot, u32) {
    let (mut prot, mut wanted) = match flags & SHM_RDONLY {
        0 => (Prot::READ | Prot::WRITE, 0o666),
        _ => (Prot::READ, 0o444),
    };
    if flags & SHM_EXEC != 0 {
        prot |= Prot::EXEC;
        wanted |= 0o111;
    }
    (prot, wanted)
}

/// shmat(2).
pub fn shmat(call: &mut Call<'_>) -> Result<u64> {
    let (id, flags) = (call.int(0), call.uint(2));
    let address = place(call.word(1), flags)?;
    let (prot, wanted) = rights(flags);
    let space = ipc::own();
    let segment = call.ipc(|caller| space.segments.attach(caller, id, wanted))?;
    map(call, (segment, space), (address, prot), flags)
}

/// Maps a segment that is counted as attached once for this, which the end of
/// it takes back.
fn map(
    call: &Call<'_>,
    (segment, ipc): (Arc<Segment<Memory>>, Arc<IpcSpace>),
    (address, prot): (u64, Prot),
    flags: u32,
) -> Result<u64> {
    let length = segment.pages() * PAGE_SIZE;
    let source: Arc<dyn MapSource<Arm>> = match try_arc(Mapped(segment.clone(), ipc.clone())) {
        Ok(source) => source,
        Err(error) => {
            Mapped(segment, ipc).detached();
            return Err(error);
        }
    };
    let counted = Attached::adopt(source);
    let how = match (address, flags & SHM_REMAP) {
        (0, _) => MapFlags::empty(),
        (_, 0) => MapFlags::FIXED_NOREPLACE,
        _ => MapFlags::FIXED,
    };
    let request = MapRequest {
        address,
        length,
        prot,
        flags: MapFlags::SHARED | how,
        source: Some((Arc::clone(&counted), 0)),
        may: match prot.contains(Prot::WRITE) {
            true => Prot::all(),
            false => Prot::READ | Prot::EXEC,
        },
    };
    let memory = call.process().memory()?;
    let (address_space, data) = (
        call.process().limit(RLIMIT_AS),
        call.process().limit(RLIMIT_DATA),
    );
    let mut space = memory.space.lock();
    let limits = Limits {
        address_space,
        data,
        ..space.limits()
    };
    space.set_limits(limits);
    space.map(&request).map_err(|error| match error {
        Errno::EEXIST => Errno::EINVAL,
        error => error,
    })
}

/// shmdt(2).
pub fn shmdt(call: &mut Call<'_>) -> Result<u64> {
    let memory = call.process().memory()?;
    memory.space.lock().detach(call.word(0))?;
    Ok(0)
}

/// shmctl(2).
pub fn shmctl(call: &mut Call<'_>) -> Result<u64> {
    let (id, command) = (call.int(0), call.uint(1));
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    match command {
        IPC_INFO => limits(call),
        SHM_INFO => totals(call),
        IPC_STAT => stat(call, Which::Id(id)).map(|_| 0),
        SHM_STAT => stat(call, Which::Index(id)),
        SHM_STAT_ANY => stat(call, Which::IndexForAll(id)),
        IPC_SET => {
            let new = call.pointer::<ShmidDs>(2).read()?;
            call.ipc(|caller| ipc::own().segments.set(caller, id, &new.shm_perm))?;
            Ok(0)
        }
        IPC_RMID => call
            .ipc(|caller| ipc::own().segments.remove(caller, id))
            .map(|()| 0),
        SHM_LOCK | SHM_UNLOCK => {
            let may_lock = call.process().limit(RLIMIT_MEMLOCK) > 0;
            let lock = command == SHM_LOCK;
            call.ipc(|caller| ipc::own().segments.lock(caller, id, lock, may_lock))?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn stat(call: &Call<'_>, which: Which) -> Result<u64> {
    let (id, mut shown) = call.ipc(|caller| ipc::own().segments.stat(caller, which))?;
    for pid in [&mut shown.shm_cpid, &mut shown.shm_lpid] {
        *pid = call.known(*pid);
    }
    call.pointer::<ShmidDs>(2).write(&shown)?;
    Ok(id as u64)
}

/// `IPC_INFO`: the highest index.
fn limits(call: &Call<'_>) -> Result<u64> {
    call.pointer::<Shminfo>(2).write(&Shminfo {
        shmmax: SHMMAX.load(Relaxed),
        shmmin: 1,
        shmmni: u64::from(SHMMNI.load(Relaxed)),
        shmseg: u64::from(SHMMNI.load(Relaxed)),
        shmall: SHMALL.load(Relaxed),
        unused: [0; 4],
    })?;
    Ok(u64::from(ipc::own().segments.counts().1))
}

/// `SHM_INFO`: the highest index.
fn totals(call: &Call<'_>) -> Result<u64> {
    let ipc = ipc::own();
    let (used, highest, pages) = ipc.segments.counts();
    let mut resident = 0;
    let mut index = 0;
    while let Some(segment) = ipc.segments.from(index) {
        resident += segment.memory.resident();
        index = paddock_ipc::index_of(segment.id()) + 1;
    }
    call.pointer::<ShmInfo>(2).write(&ShmInfo {
        used_ids: used as i32,
        shm_tot: pages,
        shm_rss: resident,
        ..ShmInfo::default()
    })?;
    Ok(u64::from(highest))
}
