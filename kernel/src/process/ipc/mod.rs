//! System V IPC and POSIX message queues: their objects, in each IPC namespace.

pub mod sem;
pub mod shm;

use super::{accounts, namespaces};
use crate::time;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::Result;
use paddock_abi::time::NANOS;
use paddock_charge::Charge;
use paddock_cred::UserNamespace;
use paddock_ipc::msg::Queues;
use paddock_ipc::sem::Sets;
use paddock_ipc::shm::Segments;
use paddock_sync::{OnceCell, try_arc};

/// The inode number of the first IPC namespace, as on Linux, and of the next one.
const FIRST_NUMBER: u64 = 0xefff_ffff;
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0xf300_0000);

/// An IPC namespace; its objects end with it.
pub struct IpcSpace {
    number: u64,
    owner: UserNamespace,
    _charge: Option<Charge>,
    /// Message queues of System V.
    pub queues: Queues,
    /// Semaphores.
    pub sets: Sets,
    /// Segments of shared memory.
    pub segments: Segments<shm::Memory>,
    /// The names of POSIX message queues, which those who know them make.
    pub names: OnceCell<Arc<dyn Any + Send + Sync>>,
}

impl IpcSpace {
    /// The first one. `ENOMEM`.
    pub fn first() -> Result<Arc<IpcSpace>> {
        Self::of(FIRST_NUMBER, UserNamespace::INITIAL, None)
    }

    /// Another one, without objects, which belongs to `owner`. `ENOMEM`.
    pub fn new(owner: &UserNamespace) -> Result<Arc<IpcSpace>> {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let charge = Charge::new(&accounts::paying(), size_of::<IpcSpace>())?;
        Self::of(number, owner.clone(), Some(charge))
    }

    fn of(number: u64, owner: UserNamespace, charge: Option<Charge>) -> Result<Arc<IpcSpace>> {
        try_arc(IpcSpace {
            number,
            owner,
            _charge: charge,
            queues: Queues::new(),
            sets: Sets::new(),
            segments: Segments::new(),
            names: OnceCell::new(),
        })
    }

    /// The user namespace that it belongs to.
    pub fn owner(&self) -> &UserNamespace {
        &self.owner
    }

    /// Its inode number.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// The running process's; the first one for the kernel.
pub fn own() -> Arc<IpcSpace> {
    namespaces::of_running().ipc.clone()
}

/// Seconds of the wall clock.
pub fn now() -> i64 {
    (time::wall() / NANOS) as i64
}

/// The running process's number; 0 for the kernel.
pub fn pid() -> u32 {
    super::current().map_or(0, |thread| thread.process.pid)
}
