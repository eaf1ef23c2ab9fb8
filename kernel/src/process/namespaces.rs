//! The namespaces that processes are in (namespaces(7)): of mounts, of the names of the
//! host, of IPC, of the numbers of processes, of control groups, of the network, and of
//! users and their rights. All threads of a process are in the same. That of users is part of who they are ([`Cred`]).

use super::cgroup_space::CgroupSpace;
use super::ipc::IpcSpace;
use super::net_space::{self, NetNamespace};
use super::object::Process;
use super::uts::Uts;
use super::{Targets, accounts, vfs};
use alloc::sync::Arc;
use core::any::Any;
use paddock_abi::process::CloneFlags;
use paddock_abi::stat::make_device;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Cred, UserNamespace};
use paddock_process::PidSpace;
use paddock_sync::{OnceCell, Pollable, Ready, WaitQueue, try_arc};
use paddock_vfs::path::MountSpace;
use paddock_vfs::{File, FileKind, FsInfo, IoctlArg, Metadata, Path, PathContext};

/// The kinds that there are.
pub const KINDS: CloneFlags = CloneFlags::NEWNS
    .union(CloneFlags::NEWUTS)
    .union(CloneFlags::NEWIPC)
    .union(CloneFlags::NEWPID)
    .union(CloneFlags::NEWUSER)
    .union(CloneFlags::NEWCGROUP)
    .union(CloneFlags::NEWNET);

/// The namespaces of a process.
#[derive(Clone)]
pub struct Namespaces {
    /// The names of the host.
    pub uts: Arc<Uts>,
    /// The mounts.
    pub mounts: Arc<MountSpace>,
    /// The objects of IPC.
    pub ipc: Arc<IpcSpace>,
    /// From where the control groups are seen.
    pub cgroup: Arc<CgroupSpace>,
    /// The network.
    pub net: Arc<dyn NetNamespace>,
    /// The numbers of the processes that it makes; where it is itself is
    /// [`Process::space`].
    pub pid: PidSpace,
}

static INITIAL: OnceCell<Arc<Namespaces>> = OnceCell::new();

impl Namespaces {
    /// Those that there are from the start. After the root is mounted.
    pub fn initial() -> Arc<Namespaces> {
        match INITIAL.get() {
            Some(initial) => initial.clone(),
            None => panic!("namespaces are asked for before there are any"),
        }
    }

    /// The same, but for new ones as the flags of clone(2) and unshare(2) ask for, for
    /// `process` or a child of it; where `paths` are there, and who one is who is `cred`
    /// now, if that is another. A user namespace comes first: the others belong to it.
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN, and for a user namespace in those places that
    /// chroot(2) has hidden others from; `EINVAL` for a PID namespace if that for children
    /// is not the process's own, `ENOSPC` for one too deep or one too many; `ENOMEM`.
    pub fn unshared(
        &self,
        flags: CloneFlags,
        process: &Process,
        cred: &Cred,
        mut paths: FsInfo,
    ) -> Result<Unshared> {
        let mut new = self.clone();
        let new_cred = match flags.contains(CloneFlags::NEWUSER) {
            false => None,
            true if !paths.root.same_as(&self.mounts.root()) => return Err(Errno::EPERM),
            true => Some(cred.with_new_namespace(&accounts::paying())?),
        };
        let cred = new_cred.as_ref().unwrap_or(cred);
        let owner = &cred.user_namespace;
        if flags.intersects(KINDS.difference(CloneFlags::NEWUSER)) {
            cred.require_here(Cap::CAP_SYS_ADMIN)?;
        }
        if flags.contains(CloneFlags::NEWUTS) {
            new.uts = self.uts.copy(owner)?;
        }
        if flags.contains(CloneFlags::NEWIPC) {
            new.ipc = IpcSpace::new(owner)?;
        }
        if flags.contains(CloneFlags::NEWCGROUP) {
            new.cgroup = CgroupSpace::new(owner, process.cgroup())?;
        }
        if flags.contains(CloneFlags::NEWNET) {
            new.net = (net_space::provider().make)(owner)?;
        }
        if flags.contains(CloneFlags::NEWPID) {
            if self.pid != process.space {
                return Err(Errno::EINVAL);
            }
            new.pid = self.pid.make_inner(owner, &accounts::paying())?;
        }
        if flags.contains(CloneFlags::NEWNS) {
            let payer = accounts::paying();
            let places = [&paths.root, &paths.base];
            let (mounts, [root, base]) = self.mounts.copy(places, owner, &payer)?;
            new.mounts = mounts;
            (paths.root, paths.base) = (root, base);
        }
        Ok(Unshared {
            namespaces: try_arc(new)?,
            paths,
            cred: new_cred,
        })
    }
}

/// What [`Namespaces::unshared`] makes.
pub struct Unshared {
    /// The namespaces.
    pub namespaces: Arc<Namespaces>,
    /// Where one is there.
    pub paths: FsInfo,
    /// Who one is in a new user namespace.
    pub cred: Option<Cred>,
}

/// Makes the first ones. Once, when the root is mounted.
pub fn init() -> Result<()> {
    let uts = Uts::first()?;
    let mounts = MountSpace::initial(vfs::namespace())?;
    let ipc = IpcSpace::first()?;
    match INITIAL.set(try_arc(Namespaces {
        uts,
        mounts,
        ipc,
        cgroup: CgroupSpace::first()?,
        net: net_space::provider().first.clone(),
        pid: PidSpace::INITIAL,
    })?) {
        Ok(_) => Ok(()),
        Err(_) => panic!("namespaces were made twice"),
    }
}

/// The running process's; the first ones for the kernel.
pub fn of_running() -> Arc<Namespaces> {
    match super::current() {
        Some(thread) => thread.process.namespaces.lock().clone(),
        None => Namespaces::initial(),
    }
}

/// The running process's names of the host.
pub fn uts() -> Arc<Uts> {
    of_running().uts.clone()
}

/// Puts a process that has one thread, the running one, into namespaces, and where it
/// is to be there. Sleeps.
pub fn enter(process: &Process, new: Arc<Namespaces>, paths: FsInfo) {
    super::shared_places::leave(process);
    let old_paths = core::mem::replace(&mut *process.paths.lock(), paths);
    drop(old_paths);
    let old = core::mem::replace(&mut *process.namespaces.lock(), new);
    drop(old);
}

/// pivot_root(2), for all who have their root or working directory where the root was.
///
/// # Errors
/// As of [`MountSpace::pivot_root`]; `ENOMEM`.
pub fn pivot_root(process: &Process, cred: Arc<Cred>, new: &[u8], old: &[u8]) -> Result<()> {
    let context = PathContext::new(&process.paths.lock(), cred);
    let mounts = process.namespaces.lock().mounts.clone();
    // Nobody forks past this as long as they are kept.
    let (all, ()) = Targets::find(|tree, add| tree.for_each(|_, process| add(process)))?;
    let (old, new) = mounts.pivot_root(&context, new, old)?;
    for process in all.processes() {
        let mut paths = process.paths.lock();
        let mut left: [Option<Path>; 2] = [None, None];
        if paths.root.same_as(&old) {
            left[0] = Some(core::mem::replace(&mut paths.root, new.clone()));
        }
        if paths.base.same_as(&old) {
            left[1] = Some(core::mem::replace(&mut paths.base, new.clone()));
        }
        drop(paths);
        drop(left);
    }
    Ok(())
}

/// A namespace, as a file that setns(2) takes.
#[derive(Clone)]
pub enum Namespace {
    /// Names of the host.
    Uts(Arc<Uts>),
    /// Mounts.
    Mounts(Arc<MountSpace>),
    /// IPC.
    Ipc(Arc<IpcSpace>),
    /// Processes.
    Pid(PidSpace),
    /// Users.
    User(UserNamespace),
    /// Control groups.
    Cgroup(Arc<CgroupSpace>),
    /// The network.
    Net(Arc<dyn NetNamespace>),
}

/// Inode numbers of mount namespaces begin here.
const MOUNTS_NUMBER: u64 = 0xf000_0000;

impl Namespace {
    /// A process's of a kind, by its name in `/proc/PID/ns`. `ENOENT`, also for a PID
    /// namespace for children that has had none yet.
    pub fn of(process: &Process, name: &[u8]) -> Result<Namespace> {
        let namespaces = process.namespaces.lock();
        match name {
            b"uts" => Ok(Namespace::Uts(namespaces.uts.clone())),
            b"ipc" => Ok(Namespace::Ipc(namespaces.ipc.clone())),
            b"cgroup" => Ok(Namespace::Cgroup(namespaces.cgroup.clone())),
            b"net" => Ok(Namespace::Net(namespaces.net.clone())),
            b"mnt" => Ok(Namespace::Mounts(namespaces.mounts.clone())),
            b"user" => Ok(Namespace::User(process.cred().user_namespace.clone())),
            b"pid" => Ok(Namespace::Pid(process.space.clone())),
            b"pid_for_children" => match namespaces.pid.is_empty() {
                true => Err(Errno::ENOENT),
                false => Ok(Namespace::Pid(namespaces.pid.clone())),
            },
            _ => Err(Errno::ENOENT),
        }
    }

    /// Its inode number.
    pub fn number(&self) -> u64 {
        match self {
            Namespace::Uts(uts) => uts.number(),
            Namespace::Ipc(ipc) => ipc.number(),
            Namespace::Mounts(mounts) => MOUNTS_NUMBER + mounts.id(),
            Namespace::Pid(space) => space.inode(),
            Namespace::User(namespace) => namespace.inode(),
            Namespace::Cgroup(space) => space.number(),
            Namespace::Net(space) => space.number(),
        }
    }

    /// The flag of clone(2) that makes one of its kind.
    pub fn kind(&self) -> CloneFlags {
        match self {
            Namespace::Uts(_) => CloneFlags::NEWUTS,
            Namespace::Ipc(_) => CloneFlags::NEWIPC,
            Namespace::Mounts(_) => CloneFlags::NEWNS,
            Namespace::Pid(_) => CloneFlags::NEWPID,
            Namespace::User(_) => CloneFlags::NEWUSER,
            Namespace::Cgroup(_) => CloneFlags::NEWCGROUP,
            Namespace::Net(_) => CloneFlags::NEWNET,
        }
    }

    /// The user namespace that it belongs to; for one of users the one around it, if any.
    pub fn owner(&self) -> Option<UserNamespace> {
        match self {
            Namespace::Uts(uts) => Some(uts.owner().clone()),
            Namespace::Ipc(ipc) => Some(ipc.owner().clone()),
            Namespace::Mounts(mounts) => Some(mounts.owner().clone()),
            Namespace::Pid(space) => Some(space.owner().clone()),
            Namespace::User(namespace) => namespace.above().cloned(),
            Namespace::Cgroup(space) => Some(space.owner().clone()),
            Namespace::Net(space) => Some(space.owner().clone()),
        }
    }
}

impl Pollable for Namespace {
    fn ready(&self) -> Ready {
        Ready::IN
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

/// Minor number of the filesystem that its files are said to be of.
const DEVICE: u64 = make_device(0, 4);

/// ioctl(2): a descriptor of the user namespace that another belongs to.
pub const NS_GET_USERNS: u32 = 0xb701;
/// ioctl(2): a descriptor of the namespace around.
pub const NS_GET_PARENT: u32 = 0xb702;
/// ioctl(2): who made a user namespace.
pub const NS_GET_OWNER_UID: u32 = 0xb704;

impl File for Namespace {
    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::nameless(
            DEVICE,
            self.number(),
            FileKind::Regular,
            0o444,
        ))
    }

    /// ioctl_ns(2), but for what the caller's descriptors and memory are needed for.
    /// `EINVAL` for what other kinds have.
    fn ioctl(&self, command: u32, _: &mut dyn IoctlArg) -> Result<u64> {
        const NS_GET_NSTYPE: u32 = 0xb703;
        match command {
            NS_GET_PARENT | NS_GET_OWNER_UID => Err(Errno::EINVAL),
            NS_GET_NSTYPE => Ok(self.kind().bits()),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
