//! Namespaces: unshare(2), setns(2), pivot_root(2).

use super::{Call, descriptors, pidfd};
use crate::process::ipc;
use crate::process::namespaces::{self, KINDS, Namespace, Namespaces};
use alloc::sync::Arc;
use paddock_abi::process::CloneFlags;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_process::PidSpace;
use paddock_sync::try_arc;
use paddock_vfs::{OpenFile, OpenFlags};

/// What unshare(2) takes but for kinds of namespaces.
const PARTS: CloneFlags = CloneFlags::FS
    .union(CloneFlags::FILES)
    .union(CloneFlags::SYSVSEM)
    .union(CloneFlags::THREAD)
    .union(CloneFlags::SIGHAND)
    .union(CloneFlags::VM);
/// What the threads of a process always share.
const OF_THREADS: CloneFlags = PARTS.union(KINDS).difference(CloneFlags::SYSVSEM);

/// unshare(2): namespaces of mounts, of the host's names, of IPC and of processes to come
/// (`EINVAL` for others), and
/// what processes share; not what is shared by the threads of one (`EINVAL`).
pub fn unshare(call: &mut Call<'_>) -> Result<u64> {
    let flags = CloneFlags::from_bits(call.word(0)).ok_or(Errno::EINVAL)?;
    if !(PARTS | KINDS).contains(flags) {
        return Err(Errno::EINVAL);
    }
    if flags.intersects(OF_THREADS) {
        check_single(call)?;
    }
    if flags.intersects(KINDS) {
        let process = call.process();
        let paths = process.paths.lock().clone();
        let old = process.namespaces.lock().clone();
        let (new, paths) = old.unshared(flags, process, &call.thread.cred(), paths)?;
        if flags.contains(CloneFlags::FILES) {
            descriptors::unshare(call)?;
        }
        namespaces::enter(process, new, paths);
    } else if flags.contains(CloneFlags::FILES) {
        descriptors::unshare(call)?;
    }
    if flags.intersects(CloneFlags::SYSVSEM | CloneFlags::NEWIPC) {
        ipc::sem::process_ended(call.process());
    }
    Ok(0)
}

/// `EINVAL` if the process has other threads.
fn check_single(call: &Call<'_>) -> Result<()> {
    match call.process().threads.lock().len() {
        1 => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// setns(2): of mounts, of the host's names, of IPC and of processes to come, by a file of `/proc/PID/ns` or by a
/// process's descriptor.
pub fn setns(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let wanted = CloneFlags::from_bits(u64::from(call.uint(1))).ok_or(Errno::EINVAL)?;
    let own = call.process().namespaces.lock().clone();
    let mut new = Namespaces::clone(&own);
    let kinds = match file.file().as_any().downcast_ref::<Namespace>() {
        Some(namespace) => {
            let kind = namespace.kind();
            if !wanted.is_empty() && wanted != kind {
                return Err(Errno::EINVAL);
            }
            match namespace {
                Namespace::Uts(uts) => new.uts = uts.clone(),
                Namespace::Ipc(ipc) => new.ipc = ipc.clone(),
                Namespace::Mounts(mounts) => new.mounts = mounts.clone(),
                Namespace::Pid(space) => new.pid = below(call, space)?,
            }
            kind
        }
        None => {
            let process = pidfd::process_of(&file).map_err(|_| Errno::EINVAL)?;
            if wanted.is_empty() || !KINDS.contains(wanted) {
                return Err(Errno::EINVAL);
            }
            pidfd::check_alive(process)?;
            crate::process::identity::may_inspect(process).map_err(|_| Errno::EPERM)?;
            let theirs = process.namespaces.lock().clone();
            if wanted.contains(CloneFlags::NEWUTS) {
                new.uts = theirs.uts.clone();
            }
            if wanted.contains(CloneFlags::NEWIPC) {
                new.ipc = theirs.ipc.clone();
            }
            if wanted.contains(CloneFlags::NEWNS) {
                new.mounts = theirs.mounts.clone();
            }
            if wanted.contains(CloneFlags::NEWPID) {
                new.pid = below(call, &process.space)?;
            }
            wanted
        }
    };
    call.require(Cap::CAP_SYS_ADMIN)?;
    check_single(call)?;
    let mut paths = call.process().paths.lock().clone();
    if kinds.contains(CloneFlags::NEWNS) {
        call.require(Cap::CAP_SYS_CHROOT)?;
        let root = new.mounts.root();
        (paths.root, paths.base) = (root.clone(), root);
    }
    let new: Arc<Namespaces> = try_arc(new)?;
    namespaces::enter(call.process(), new, paths);
    if kinds.contains(CloneFlags::NEWIPC) {
        ipc::sem::process_ended(call.process());
    }
    Ok(0)
}

/// A PID namespace for children. `EINVAL` for one that is neither the caller's nor within
/// that.
fn below(call: &Call<'_>, space: &PidSpace) -> Result<PidSpace> {
    match space.is_within(&call.process().space) {
        true => Ok(space.clone()),
        false => Err(Errno::EINVAL),
    }
}

/// The PID namespace that a file is.
pub fn space_of(file: &OpenFile) -> Option<&PidSpace> {
    match file.file().as_any().downcast_ref::<Namespace>()? {
        Namespace::Pid(space) => Some(space),
        _ => None,
    }
}

/// `NS_GET_PARENT` of ioctl_ns(2): a descriptor of the PID namespace around another.
/// `EPERM` if that is not the caller's, or within it.
pub fn parent(call: &Call<'_>, file: &OpenFile) -> Result<u64> {
    let space = space_of(file).ok_or(Errno::EINVAL)?;
    let above = space.above().ok_or(Errno::EPERM)?;
    if !above.is_within(&call.process().space) {
        return Err(Errno::EPERM);
    }
    let file = try_arc(Namespace::Pid(above.clone()))?;
    let file = OpenFile::new(file, None, OpenFlags::empty())?;
    Ok(call.install(file, OpenFlags::CLOEXEC)? as u64)
}

/// pivot_root(2): not of the namespace that there is from the start (`EINVAL`), as on
/// Linux while its root is the initial RAM disk.
pub fn pivot_root(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_SYS_ADMIN)?;
    let (new, old) = (call.path(0)?, call.path(1)?);
    namespaces::pivot_root(call.process(), call.thread.cred(), &new, &old)?;
    Ok(0)
}
