//! [`Device`]: an open `/dev/fuse`.

use crate::connection::Connection;
use crate::host::Host;
use alloc::sync::Arc;
use core::any::Any;
use paddock_abi::{Errno, Result};
use paddock_cred::UserNamespace;
use paddock_sync::{OnceCell, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, Inode, IoctlArg, Metadata};

/// `FUSE_DEV_IOC_CLONE`.
const CLONE: u32 = 0x8004_e500;

/// An open `/dev/fuse`, which a mount connects, once.
pub struct Device {
    inode: Arc<dyn Inode>,
    host: Arc<dyn Host>,
    /// Where the program is that has opened it.
    owner: UserNamespace,
    connection: OnceCell<Arc<Connection>>,
    /// One connects it at a time.
    connecting: SpinLock<(), PreemptOff>,
    /// Nothing ever comes before it is connected.
    nothing: WaitQueue,
    find: Find,
}

/// The device of a descriptor of the running program. `EINVAL` if it is another file.
pub type Find = fn(descriptor: i32, then: &mut dyn FnMut(&Device) -> Result<()>) -> Result<()>;

impl Device {
    /// One that nothing is connected to, opened by way of `inode`.
    pub fn new(
        inode: &Arc<dyn Inode>,
        host: Arc<dyn Host>,
        owner: UserNamespace,
        find: Find,
    ) -> Device {
        Device {
            inode: inode.clone(),
            host,
            owner,
            connection: OnceCell::new(),
            connecting: SpinLock::new(Rank::Leaf, ()),
            nothing: WaitQueue::new(),
            find,
        }
    }

    /// Connects a new filesystem, for a mount in a user namespace.
    ///
    /// # Errors
    /// `EINVAL` if it is connected already, or the program is in another user namespace;
    /// `ENOMEM`.
    pub(crate) fn connect(&self, owner: &UserNamespace) -> Result<Arc<Connection>> {
        if self.owner != *owner {
            return Err(Errno::EINVAL);
        }
        let connection = Connection::new(&self.host, owner.clone())?;
        self.attach(&connection)?;
        Ok(connection)
    }

    fn attach(&self, connection: &Arc<Connection>) -> Result<()> {
        let _one = self.connecting.lock();
        let set = self.connection.set(connection.clone());
        set.map_err(|_| Errno::EINVAL)?;
        connection.add_device();
        Ok(())
    }

    /// `EPERM` before a mount has connected it.
    fn connected(&self) -> Result<&Arc<Connection>> {
        self.connection.get().ok_or(Errno::EPERM)
    }

    /// It leads where another one does, from now on.
    fn clone_of(&self, descriptor: i32) -> Result<()> {
        (self.find)(descriptor, &mut |other| {
            let connection = other.connection.get().ok_or(Errno::EINVAL)?;
            match self.owner == other.owner {
                true => self.attach(connection),
                false => Err(Errno::EINVAL),
            }
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get() {
            connection.remove_device();
        }
    }
}

impl Pollable for Device {
    fn ready(&self) -> Ready {
        match self.connection.get() {
            Some(connection) => connection.ready(),
            None => Ready::ERR,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        let connection = self.connection.get();
        Some(connection.map_or(&self.nothing, |connection| connection.news()))
    }
}

impl File for Device {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        self.connected()?.read(to)
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        self.connected()?.write(from)
    }

    fn gives_messages(&self) -> bool {
        true
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            CLONE => self.clone_of(arg.read_i32()?).map(|()| 0),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
