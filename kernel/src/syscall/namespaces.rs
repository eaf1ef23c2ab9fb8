//! Namespaces: unshare(2), setns(2), pivot_root(2).

use super::{Call, descriptors, pidfd};
use crate::net::space::NetSpace;
use crate::process::namespaces::{
    self, KINDS, NS_GET_OWNER_UID, NS_GET_PARENT, NS_GET_USERNS, Namespace, Namespaces,
};
use crate::process::net_space::NetNamespace;
use crate::process::vfs::namespace;
use crate::process::{identity, ipc, shared_places};
use alloc::sync::Arc;
use paddock_abi::process::CloneFlags;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Cred};
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

/// unshare(2): namespaces of mounts, of the host's names, of IPC, of control groups, of
/// the network, of users and of processes to come (`EINVAL` for others), and what
/// processes share; not what is shared by the threads of one (`EINVAL`).
pub fn unshare(call: &mut Call<'_>) -> Result<u64> {
    let flags = CloneFlags::from_bits(call.word(0)).ok_or(Errno::EINVAL)?;
    if !(PARTS | KINDS).contains(flags) {
        return Err(Errno::EINVAL);
    }
    if flags.intersects(OF_THREADS) {
        check_single(call)?;
    }
    if flags.contains(CloneFlags::FS) {
        shared_places::leave(call.process());
    }
    if flags.intersects(KINDS) {
        let process = call.process();
        let paths = process.paths.lock().clone();
        let old = process.namespaces.lock().clone();
        let new = old.unshared(flags, process, &call.thread.cred(), paths)?;
        if flags.contains(CloneFlags::FILES) {
            descriptors::unshare(call)?;
        }
        if let Some(cred) = new.cred {
            identity::change(call.thread, cred)?;
        }
        namespaces::enter(process, new.namespaces, new.paths);
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

/// What setns(2) makes of who calls it.
struct Entered {
    namespaces: Namespaces,
    /// Who one is in another user namespace.
    cred: Option<Cred>,
    kinds: CloneFlags,
}

/// setns(2): of mounts, of the host's names, of IPC, of control groups, of the network, of
/// users and of processes to come, by a file of `/proc/PID/ns` or by a process's descriptor.
pub fn setns(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let wanted = CloneFlags::from_bits(u64::from(call.uint(1))).ok_or(Errno::EINVAL)?;
    let own = call.thread.cred();
    let entered = match file.file().as_any().downcast_ref::<Namespace>() {
        Some(namespace) if wanted.is_empty() || wanted == namespace.kind() => {
            entered_one(call, &own, namespace)?
        }
        Some(_) => return Err(Errno::EINVAL),
        None => entered_of_process(call, &own, &file, wanted)?,
    };
    check_rights(&own, &entered)?;
    check_single(call)?;
    let of_places = CloneFlags::NEWNS | CloneFlags::NEWUSER;
    if entered.kinds.intersects(of_places) && call.process().shared_places.is_shared() {
        return Err(Errno::EINVAL);
    }
    let mut paths = call.process().paths.lock().clone();
    if entered.kinds.contains(CloneFlags::NEWNS) {
        let root = entered.namespaces.mounts.root();
        (paths.root, paths.base) = (root.clone(), root);
    }
    let new: Arc<Namespaces> = try_arc(entered.namespaces)?;
    if let Some(cred) = entered.cred {
        identity::change(call.thread, cred)?;
    }
    namespaces::enter(call.process(), new, paths);
    if entered.kinds.contains(CloneFlags::NEWIPC) {
        ipc::sem::process_ended(call.process());
    }
    Ok(0)
}

fn of_caller(call: &Call<'_>) -> Namespaces {
    let own = call.process().namespaces.lock().clone();
    Namespaces::clone(&own)
}

/// With one of the namespaces another. `EINVAL`, `EPERM`.
fn entered_one(call: &Call<'_>, own: &Cred, namespace: &Namespace) -> Result<Entered> {
    let (mut new, mut cred) = (of_caller(call), None);
    match namespace {
        Namespace::Uts(uts) => new.uts = uts.clone(),
        Namespace::Ipc(ipc) => new.ipc = ipc.clone(),
        Namespace::Mounts(mounts) => new.mounts = mounts.clone(),
        Namespace::Cgroup(space) => new.cgroup = space.clone(),
        Namespace::Net(space) => new.net = space.clone(),
        Namespace::Pid(space) => new.pid = below(call, space)?,
        Namespace::User(namespace) => cred = Some(own.entering(namespace)?),
    }
    Ok(Entered {
        namespaces: new,
        cred,
        kinds: namespace.kind(),
    })
}

/// With those kinds of namespaces that are `wanted` a process's. `EINVAL` for none, or if
/// `file` is no process; `ESRCH`, `EPERM`.
fn entered_of_process(
    call: &Call<'_>,
    own: &Cred,
    file: &OpenFile,
    wanted: CloneFlags,
) -> Result<Entered> {
    let process = pidfd::process_of(file).map_err(|_| Errno::EINVAL)?;
    if wanted.is_empty() || !KINDS.contains(wanted) {
        return Err(Errno::EINVAL);
    }
    pidfd::check_alive(process)?;
    identity::may_inspect(process).map_err(|_| Errno::EPERM)?;
    let theirs = process.namespaces.lock().clone();
    let (mut new, mut cred) = (of_caller(call), None);
    if wanted.contains(CloneFlags::NEWUSER) {
        cred = Some(own.entering(&process.cred().user_namespace)?);
    }
    if wanted.contains(CloneFlags::NEWUTS) {
        new.uts = theirs.uts.clone();
    }
    if wanted.contains(CloneFlags::NEWIPC) {
        new.ipc = theirs.ipc.clone();
    }
    if wanted.contains(CloneFlags::NEWCGROUP) {
        new.cgroup = theirs.cgroup.clone();
    }
    if wanted.contains(CloneFlags::NEWNET) {
        new.net = theirs.net.clone();
    }
    if wanted.contains(CloneFlags::NEWNS) {
        new.mounts = theirs.mounts.clone();
    }
    if wanted.contains(CloneFlags::NEWPID) {
        new.pid = below(call, &process.space)?;
    }
    Ok(Entered {
        namespaces: new,
        cred,
        kinds: wanted,
    })
}

/// `EPERM` without CAP_SYS_ADMIN where each of the namespaces belongs, and where one will
/// be; for mounts CAP_SYS_CHROOT there as well.
fn check_rights(own: &Cred, entered: &Entered) -> Result<()> {
    let new = &entered.namespaces;
    let user = &entered.cred.as_ref().unwrap_or(own).user_namespace;
    let owners = [
        (CloneFlags::NEWUTS, new.uts.owner()),
        (CloneFlags::NEWIPC, new.ipc.owner()),
        (CloneFlags::NEWCGROUP, new.cgroup.owner()),
        (CloneFlags::NEWNET, new.net.owner()),
        (CloneFlags::NEWNS, new.mounts.owner()),
        (CloneFlags::NEWPID, new.pid.owner()),
    ];
    for (kind, owner) in owners {
        if entered.kinds.contains(kind) {
            own.require_in(owner, Cap::CAP_SYS_ADMIN)?;
            own.require_in(user, Cap::CAP_SYS_ADMIN)?;
        }
    }
    match entered.kinds.contains(CloneFlags::NEWNS) {
        true => own.require_in(user, Cap::CAP_SYS_CHROOT),
        false => Ok(()),
    }
}

/// A PID namespace for children. `EINVAL` for one that is neither the caller's nor within
/// that.
fn below(call: &Call<'_>, space: &PidSpace) -> Result<PidSpace> {
    match space.is_within(&call.process().space) {
        true => Ok(space.clone()),
        false => Err(Errno::EINVAL),
    }
}

/// The calls of ioctl_ns(2) that give a descriptor or store something; `None` for others.
///
/// # Errors
/// `EPERM` for a namespace that is not the caller's nor within it, `EINVAL` for a kind
/// that has none.
pub fn ioctl(call: &Call<'_>, file: &OpenFile, command: u32) -> Option<Result<u64>> {
    let namespace = file.file().as_any().downcast_ref::<Namespace>()?;
    match command {
        NS_GET_USERNS => Some(user_namespace(call, namespace)),
        NS_GET_PARENT => Some(parent(call, namespace)),
        NS_GET_OWNER_UID => Some(owner_uid(call, namespace)),
        _ => None,
    }
}

/// SIOCGSKNS: a descriptor of the network namespace that a socket was made in. `EPERM`
/// without CAP_NET_ADMIN there.
pub fn of_socket(call: &Call<'_>, space: &Arc<NetSpace>) -> Result<u64> {
    match call.capable_in(space.owner(), Cap::CAP_NET_ADMIN) {
        true => opened(call, Namespace::Net(space.clone())),
        false => Err(Errno::EPERM),
    }
}

fn opened(call: &Call<'_>, namespace: Namespace) -> Result<u64> {
    let file = OpenFile::new(try_arc(namespace)?, None, OpenFlags::empty())?;
    Ok(call.install(file, OpenFlags::CLOEXEC)? as u64)
}

fn user_namespace(call: &Call<'_>, namespace: &Namespace) -> Result<u64> {
    let owner = namespace.owner().ok_or(Errno::EPERM)?;
    match owner.is_within(&identity::viewer()) {
        true => opened(call, Namespace::User(owner)),
        false => Err(Errno::EPERM),
    }
}

fn parent(call: &Call<'_>, namespace: &Namespace) -> Result<u64> {
    match namespace {
        Namespace::User(_) => user_namespace(call, namespace),
        Namespace::Pid(space) => {
            let above = space.above().ok_or(Errno::EPERM)?;
            match above.is_within(&call.process().space) {
                true => opened(call, Namespace::Pid(above.clone())),
                false => Err(Errno::EPERM),
            }
        }
        _ => Err(Errno::EINVAL),
    }
}

fn owner_uid(call: &Call<'_>, namespace: &Namespace) -> Result<u64> {
    let Namespace::User(namespace) = namespace else {
        return Err(Errno::EINVAL);
    };
    let uid = identity::viewer().shown_uid(namespace.owner());
    call.pointer::<u32>(2).write(&uid)?;
    Ok(0)
}

/// pivot_root(2): not of the namespace that there is from the start (`EINVAL`), as on
/// Linux while its root is the initial RAM disk.
pub fn pivot_root(call: &mut Call<'_>) -> Result<u64> {
    namespace().may_mount(&call.context())?;
    let (new, old) = (call.path(0)?, call.path(1)?);
    namespaces::pivot_root(call.process(), call.thread.cred(), &new, &old)?;
    Ok(0)
}
