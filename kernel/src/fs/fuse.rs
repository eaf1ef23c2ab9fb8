//! `/dev/fuse`, and the filesystems whose programs are at its other end (fuse(4)).

use super::{mounts, root};
use crate::process::{self, accounts, cgroup, reclaim};
use crate::time;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_charge::Account;
use paddock_cred::{Cred, UserNamespace};
use paddock_fuse::{Caller, Device, FuseFs, Host, Options, Woken};
use paddock_sync::{NO_DEADLINE, WaitError, WaitQueue, try_arc};
use paddock_vfs::cache::PageCache;
use paddock_vfs::{File, FileSystem, Inode, OpenFlags};

/// What filesystems ask of the thread that runs.
struct Running;

impl Host for Running {
    fn caller(&self) -> Option<Caller> {
        let thread = process::current()?;
        let umask = thread.process.paths.lock().umask;
        Some(Caller {
            cred: thread.cred(),
            thread: thread.tid,
            umask,
            is_ending: thread.is_doomed(),
        })
    }

    fn wait(&self, queue: &WaitQueue, interruptible: bool, done: &dyn Fn() -> bool) -> Woken {
        let Some(thread) = process::current() else {
            return Woken::Doomed;
        };
        let look = || match done() {
            true => Some(Woken::Done),
            false => thread.is_doomed().then_some(Woken::Doomed),
        };
        cgroup::stand_while(thread, || match interruptible {
            false => queue.wait_until(look),
            true => match queue.wait_interruptible(NO_DEADLINE, look) {
                Ok(woken) => woken,
                Err(WaitError::Interrupted | WaitError::TimedOut) => Woken::Interrupted,
            },
        })
    }

    fn account(&self) -> Arc<Account> {
        accounts::paying()
    }

    fn now(&self) -> u64 {
        time::now()
    }

    fn look_for_unused(&self) {
        // The thread that writes back does.
        if let Some(cache) = reclaim::page_cache() {
            cache.announce_change();
        }
    }

    fn page_cache(&self) -> Result<Arc<PageCache>> {
        root::cache()
    }
}

/// Where a thread of a program is; the kernel's own are where the machine is.
fn own_namespace() -> UserNamespace {
    let thread = process::current();
    thread.map_or(UserNamespace::INITIAL, |thread| {
        thread.with_cred(|cred| cred.user_namespace.clone())
    })
}

/// Opens `/dev/fuse`.
///
/// # Errors
/// `ENOMEM`.
pub fn open(inode: &Arc<dyn Inode>, _: OpenFlags) -> Result<Arc<dyn File>> {
    let device = Device::new(inode, try_arc(Running)?, own_namespace(), with_device);
    Ok(try_arc(device)?)
}

/// Has `then` look at the device of a descriptor. `EINVAL` if there is none there.
fn with_device(descriptor: i32, then: &mut dyn FnMut(&Device) -> Result<()>) -> Result<()> {
    let thread = process::current().ok_or(Errno::EINVAL)?;
    let file = thread.process.files().lock().get(descriptor);
    let file = file.map_err(|_| Errno::EINVAL)?;
    let device = file.file().as_any().downcast_ref().ok_or(Errno::EINVAL)?;
    then(device)
}

/// A filesystem of these options, for a mount of `cred`'s.
///
/// # Errors
/// `EINVAL` for options, and for a descriptor that is not of `/dev/fuse`, is in use, or was
/// opened in another user namespace; `ENOTDIR` for one whose root is no directory; `ENOMEM`.
pub fn filesystem(
    options: &str,
    subtype: Option<&str>,
    cred: &Cred,
) -> Result<Arc<dyn FileSystem>> {
    let options = Options::parse(options, subtype, cred)?;
    if options.root != paddock_vfs::FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    let (descriptor, mut options) = (options.descriptor, Some(options));
    let mut made = None;
    with_device(descriptor, &mut |device| {
        let options = options.take().ok_or(Errno::EINVAL)?;
        let number = mounts::device_number();
        made = Some(FuseFs::new(device, options, number, &cred.user_namespace)?);
        Ok(())
    })?;
    Ok(made.ok_or(Errno::EINVAL)?)
}
