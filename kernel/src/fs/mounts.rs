//! What is mounted on top of the root: `/dev` and what is below it, `/proc`, `/sys`,
//! `/tmp`, `/run`.

use super::clock::WallClock;
use super::devices::EXTRA_NODES;
use super::kinds::Kind;
use super::{cgroup, fuse, loops, proc, root, sys};
use crate::memory;
use crate::net::space;
use crate::process::net_space::NetNamespace;
use crate::process::page_cache::ChargedPages;
use crate::process::vfs::namespace;
use crate::process::{namespaces, terminals};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use paddock_abi::stat::make_device;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Cred};
use paddock_ext4::{Ext4, Kind as ExtKind};
use paddock_process::PidSpace;
use paddock_sync::{OnceCell, try_arc};
use paddock_tty::DevPts;
use paddock_vfs::dev_fs::{self, STANDARD_NODES};
use paddock_vfs::mem_fs::{MemFs, Options};
use paddock_vfs::path::MountFlags;
use paddock_vfs::{FileKind, FileSystem, MountNamespace, PAGE_SIZE, PathContext, Reconfiguration};

/// Bytes for `/dev`, where there are only nodes.
const DEV_BYTES: u64 = 1 << 20;

/// The filesystems of which there is one, wherever it is mounted, by [`Kind`].
static SHARED: [OnceCell<Arc<dyn FileSystem>>; Kind::ALL.len()] =
    [const { OnceCell::new() }; Kind::ALL.len()];

static NEXT_DEVICE: AtomicU32 = AtomicU32::new(1);

/// A device number for a filesystem without a device.
pub fn device_number() -> u64 {
    make_device(0, NEXT_DEVICE.fetch_add(1, Ordering::Relaxed))
}

/// The machine's memory, in bytes.
fn whole_memory() -> u64 {
    memory::frames::total() as u64 * PAGE_SIZE as u64
}

/// Half of the machine's memory, in bytes: whole pages.
pub fn half_of_memory() -> u64 {
    whole_memory() / 2 / PAGE_SIZE as u64 * PAGE_SIZE as u64
}

/// An empty filesystem in memory.
///
/// # Errors
/// `ENOMEM`.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn memory_fs(clock: &Arc<WallClock>, bytes: u64, mode: u32) -> Result<Arc<dyn FileSystem>> {
    Ok(MemFs::new(
        device_number(),
        bytes,
        mode,
        clock.clone(),
        Arc::new(ChargedPages),
    )?)
}

/// A filesystem for mount(2), of this kind and with these options: one in memory, one that
/// is a program, which has a name of its own, or one of those of which there is one, whose
/// options are what they are. The caller may mount something.
///
/// # Errors
/// `EINVAL` for options, `ENOMEM`, `ENODEV` if it could not be made at boot; `EPERM` for
/// one that is not for the caller's user namespace.
pub fn of_kind(
    (kind, subtype): (Kind, Option<&str>),
    options: &str,
    context: &PathContext,
    flags: MountFlags,
) -> Result<Arc<dyn FileSystem>> {
    check_rights(kind, &context.cred)?;
    check_revealing(kind, context, flags)?;
    let read_only = flags.contains(MountFlags::RDONLY);
    made((kind, subtype), options, &context.cred, read_only)
}

/// The filesystem itself. One that is there already is read-only or not, as it is.
///
/// # Errors
/// `ENODEV`, `EINVAL`, `ENOMEM`.
pub fn made(
    (kind, subtype): (Kind, Option<&str>),
    options: &str,
    cred: &Cred,
    read_only: bool,
) -> Result<Arc<dyn FileSystem>> {
    if kind == Kind::Tmpfs {
        let options = Options::parse(options, whole_memory(), cred)?;
        let (clock, pages) = (try_arc(WallClock)?, try_arc(ChargedPages)?);
        let owner = cred.user_namespace.clone();
        let fs = MemFs::with_options(device_number(), options, owner, clock, pages)?;
        fs.state().set_read_only(read_only)?;
        return Ok(fs);
    }
    if kind == Kind::Fuse {
        let fs = fuse::filesystem(options, subtype, cred)?;
        fs.state().set_read_only(read_only)?;
        return Ok(fs);
    }
    let fs = match kind {
        Kind::Cgroup2 => cgroup::filesystem()?,
        Kind::Proc if !own_space().is_initial() => {
            proc::filesystem(&try_arc(WallClock)?, &own_space())?
        }
        Kind::Sysfs if !space::own().is_initial() => {
            sys::filesystem(&try_arc(WallClock)?, &space::own())?
        }
        _ => shared(kind).get().cloned().ok_or(Errno::ENODEV)?,
    };
    match options.is_empty() || kind == Kind::Devpts && options.split(',').all(is_so_in_devpts) {
        true => Ok(fs),
        false => Err(Errno::EINVAL),
    }
}

/// The filesystem on the disk that `source` names, or the one that is mounted of it: with
/// `read_only` it refuses changes.
///
/// # Errors
/// Those of the path; `EINVAL` without one, for options, and for a disk without such a
/// filesystem; `ENOTBLK` for what is no disk, `EACCES` where devices are not opened,
/// `ENXIO` for one that is not there; `EBUSY` if it is mounted the other way, or as another kind;
/// those of [`Ext4::mount`].
pub fn of_device(
    kind: ExtKind,
    context: &PathContext,
    source: Option<&[u8]>,
    options: &str,
    read_only: bool,
) -> Result<Arc<dyn FileSystem>> {
    let at = namespace().resolve(context, source.ok_or(Errno::EINVAL)?, true)?;
    let metadata = at.inode().metadata()?;
    if metadata.kind != FileKind::BlockDevice {
        return Err(Errno::ENOTBLK);
    }
    if at.mount().flags().contains(MountFlags::NODEV) {
        return Err(Errno::EACCES);
    }
    if !options.is_empty() {
        return Err(Errno::EINVAL);
    }
    if let Some(fs) = namespace().on_device(metadata.rdev) {
        return match fs.kind() == kind.name() && fs.state().is_read_only() == read_only {
            true => Ok(fs),
            false => Err(Errno::EBUSY),
        };
    }
    let disk = loops::disk(metadata.rdev)?;
    let (clock, cache) = (try_arc(WallClock)?, root::cache()?);
    let fs = Ext4::mount(kind, disk, clock, cache, metadata.rdev, false)?;
    fs.state().set_read_only(read_only)?;
    Ok(fs)
}

/// A filesystem could not be mounted: if it was made for that, its disk is left clean.
pub fn give_up(fs: &Arc<dyn FileSystem>) {
    if fs.has_disk() && !namespace().is_mounted(fs) {
        let _ = fs.unmount();
    }
}

/// `EINVAL` unless a kind of filesystem knows an option. Those of devpts are looked at
/// when it is made.
pub fn check_option(kind: Kind, key: &str, value: Option<&str>, cred: &Cred) -> Result<()> {
    match (kind, value) {
        (Kind::Devpts, _) => Ok(()),
        (Kind::Fuse, value) => paddock_fuse::Options::check(key, value, cred),
        (Kind::Tmpfs, Some(value)) => Options::check(key, value, whole_memory(), cred),
        _ => Err(Errno::EINVAL),
    }
}

/// A change of a filesystem on this machine.
pub fn reconfiguration<'a>(
    options: &'a str,
    caller: &'a Cred,
    read_only: Option<bool>,
) -> Reconfiguration<'a> {
    Reconfiguration {
        read_only,
        options,
        caller,
        memory: whole_memory(),
    }
}

/// `EPERM` unless the caller may make a filesystem of a kind (user_namespaces(7)): one in
/// memory, terminals and programs with CAP_SYS_ADMIN where it is; control groups where the
/// cgroup namespace belongs; `/proc` where the PID namespace belongs; `/sys` where the
/// network namespace belongs; `/dev` only where the machine's own namespaces are.
pub fn check_rights(kind: Kind, cred: &Cred) -> Result<()> {
    if cred.user_namespace.is_initial() {
        return cred.require(Cap::CAP_SYS_ADMIN);
    }
    match kind {
        Kind::Tmpfs | Kind::Devpts | Kind::Fuse => cred.require_here(Cap::CAP_SYS_ADMIN),
        Kind::Cgroup2 => {
            let own = namespaces::of_running();
            cred.require_in(own.cgroup.owner(), Cap::CAP_SYS_ADMIN)
        }
        Kind::Proc => cred.require_in(own_space().owner(), Cap::CAP_SYS_ADMIN),
        Kind::Sysfs => cred.require_in(space::own().owner(), Cap::CAP_SYS_ADMIN),
        Kind::Devtmpfs | Kind::Ext(_) => Err(Errno::EPERM),
    }
}

/// `EPERM` if a mount with these flags would tell more than what is mounted already:
/// all of another filesystem of the kind must be to be seen.
pub fn check_revealing(kind: Kind, context: &PathContext, flags: MountFlags) -> Result<()> {
    let tells = matches!(kind, Kind::Proc | Kind::Sysfs | Kind::Devpts);
    if context.cred.user_namespace.is_initial() || !tells {
        return Ok(());
    }
    match namespace().shows_all_of(context, kind.name(), flags)? {
        true => Ok(()),
        false => Err(Errno::EPERM),
    }
}

/// The PID namespace of the running process.
fn own_space() -> PidSpace {
    let thread = crate::process::current();
    thread.map_or(PidSpace::INITIAL, |thread| thread.process.space.clone())
}

/// Whether an option of devpts asks for what is so anyway. Linux ignores `newinstance`.
fn is_so_in_devpts(option: &str) -> bool {
    let mode = |text: &str, mode| u32::from_str_radix(text, 8) == Ok(mode);
    match option.split_once('=') {
        None => option == "newinstance",
        Some(("gid", group)) => group == "5",
        Some(("mode", text)) => mode(text, 0o620),
        Some(("ptmxmode", text)) => mode(text, 0o666),
        Some(_) => false,
    }
}

/// Notes the one filesystem of a kind.
fn share(kind: Kind, fs: Result<Arc<dyn FileSystem>>) -> Result<Arc<dyn FileSystem>> {
    let fs = fs?;
    let _ = shared(kind).set(fs.clone());
    Ok(fs)
}

fn shared(kind: Kind) -> &'static OnceCell<Arc<dyn FileSystem>> {
    &SHARED[kind.index()]
}

/// Mounts everything. What cannot be mounted is reported and left out.
pub fn mount_all(namespace: &MountNamespace, context: &PathContext, clock: &Arc<WallClock>) {
    let half = half_of_memory();
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    let memory = |bytes, mode| memory_fs(clock, bytes, mode);
    let mount = |target: &str, source: &str, flags, fs: Result<Arc<dyn FileSystem>>| {
        let mounted = fs.and_then(|fs| mount_on(namespace, context, target, source, flags, fs));
        if let Err(error) = mounted {
            log::error!("mount: {target}: {error}; make sure that the root has this directory");
        }
    };
    let dev = share(Kind::Devtmpfs, memory(DEV_BYTES, 0o755));
    mount("/dev", "dev", MountFlags::NOSUID, dev);
    if let Err(error) = fill_dev(namespace, context) {
        log::error!("mount: /dev cannot be filled: {error}");
    }
    mount(
        "/dev/pts",
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        share(Kind::Devpts, pts(clock)),
    );
    // POSIX shared memory; shm_overview(7).
    mount("/dev/shm", "shm", plain, memory(half, 0o1777));
    mount(
        "/proc",
        "proc",
        plain | MountFlags::NOEXEC,
        share(Kind::Proc, proc::filesystem(clock, &PidSpace::INITIAL)),
    );
    mount(
        "/sys",
        "sysfs",
        plain | MountFlags::NOEXEC,
        share(Kind::Sysfs, sys::filesystem(clock, space::initial())),
    );
    mount(
        "/sys/fs/cgroup",
        "cgroup2",
        plain | MountFlags::NOEXEC,
        cgroup::the_filesystem().map(|fs| fs as Arc<dyn FileSystem>),
    );
    mount("/tmp", "tmp", plain, memory(half, 0o1777));
    mount("/run", "run", plain, memory(half / 2, 0o755));
}

fn pts(clock: &Arc<WallClock>) -> Result<Arc<dyn FileSystem>> {
    Ok(try_arc(DevPts::new(
        terminals::all().clone(),
        clock.clone(),
        device_number(),
    ))?)
}

fn mount_on(
    namespace: &MountNamespace,
    context: &PathContext,
    target: &str,
    source: &str,
    flags: MountFlags,
    fs: Arc<dyn FileSystem>,
) -> Result<()> {
    match namespace.mkdir(context, target.as_bytes(), 0o755) {
        Ok(_) | Err(Errno::EEXIST | Errno::EROFS) => {}
        Err(error) => return Err(error),
    }
    namespace.mount(context, target.as_bytes(), fs, source, flags)
}

fn fill_dev(namespace: &MountNamespace, context: &PathContext) -> Result<()> {
    let dev = namespace.resolve(context, b"/dev", true)?;
    let inside = context.with_base(dev);
    dev_fs::populate(namespace, &inside, STANDARD_NODES)?;
    for &(name, mode, major, minor) in EXTRA_NODES {
        let number = make_device(major, minor);
        namespace.mknod(&inside, name.as_bytes(), FileKind::CharDevice, mode, number)?;
    }
    loops::fill(namespace, &inside)
}
