//! Network namespaces (network_namespaces(7)): each has a stack for the sockets of its
//! programs ([`paddock_inet`]), behind a lock of its own, with a loopback interface. The
//! first one has the card, too, and the services of the kernel.
//!
//! The lock is held for one call at a time, with preemption off: for as long
//! as a call's bytes are copied, and those of the segments that follow from
//! it. Nothing in it waits.

use super::agenda::{self, Place};
use super::host::Machine;
use crate::process::accounts::paying;
use crate::process::net_space::{self, NetNamespace, Provider};
use crate::process::{Process, namespaces};
use crate::time;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use embassy_net::IpAddress;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_cred::UserNamespace;
use paddock_inet::{EPHEMERAL, Loopback, NEVER, Stack};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock, try_arc};

/// The inode number of the first network namespace.
const FIRST_NUMBER: u64 = 0xf900_0000;
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(FIRST_NUMBER + 1);

/// The first port that anybody may take, at first.
const UNPRIVILEGED: u16 = 1024;

/// A stack, and when it is seen to.
struct Watched {
    stack: Stack<Machine>,
    /// When the agenda has it, ns since boot.
    alarm: u64,
}

/// A network namespace. It ends with its last process and socket; what sockets that were
/// closed have left in it ends with it.
pub struct NetSpace {
    number: u64,
    owner: UserNamespace,
    inner: SpinLock<Watched, PreemptOff>,
    place: Place,
    /// The first port that anybody may take (`ip_unprivileged_port_start`).
    first_free: AtomicU16,
    _charge: Option<Charge>,
}

static INITIAL: OnceCell<Arc<NetSpace>> = OnceCell::new();

/// Makes the first one. Once, before anybody has a socket.
pub fn init() -> Result<()> {
    let stack = Stack::new(Machine::Whole);
    let space = NetSpace::make(FIRST_NUMBER, UserNamespace::INITIAL, stack, None)?;
    net_space::provide(Provider {
        first: space.clone(),
        make: |owner| Ok(NetSpace::new(owner)?),
    });
    match INITIAL.set(space) {
        Ok(_) => Ok(()),
        Err(_) => panic!("the network was started twice"),
    }
}

/// The first namespace.
pub fn initial() -> &'static Arc<NetSpace> {
    match INITIAL.get() {
        Some(space) => space,
        None => unreachable!("sockets exist only once the network was started"),
    }
}

/// The running process's; the first one for the kernel.
pub fn own() -> Arc<NetSpace> {
    known(namespaces::of_running().net.clone())
}

/// A process's.
pub fn of(process: &Process) -> Arc<NetSpace> {
    known(process.namespaces.lock().net.clone())
}

fn known(space: Arc<dyn NetNamespace>) -> Arc<NetSpace> {
    let any: Arc<dyn Any + Send + Sync> = space;
    match any.downcast() {
        Ok(space) => space,
        Err(_) => unreachable!("all network namespaces are made here"),
    }
}

impl NetSpace {
    /// Another one, which belongs to `owner`, with nothing but a loopback interface that
    /// is down. `ENOMEM`.
    pub fn new(owner: &UserNamespace) -> Result<Arc<NetSpace>> {
        let charge = Charge::new(&paying(), size_of::<NetSpace>())?;
        let mut stack = Stack::new(Machine::Isolated);
        *stack.loopback() = Loopback::down();
        let number = NEXT_NUMBER.fetch_add(1, Relaxed);
        Self::make(number, owner.clone(), stack, Some(charge))
    }

    fn make(
        number: u64,
        owner: UserNamespace,
        stack: Stack<Machine>,
        charge: Option<Charge>,
    ) -> Result<Arc<NetSpace>> {
        let watched = Watched {
            stack,
            alarm: NEVER,
        };
        let space = try_arc(NetSpace {
            number,
            owner,
            inner: SpinLock::new(Rank::Inet, watched),
            place: agenda::place()?,
            first_free: AtomicU16::new(UNPRIVILEGED),
            _charge: charge,
        })?;
        space.place.belongs_to(&space);
        Ok(space)
    }

    /// Whether it has the card and the kernel's services.
    pub fn is_initial(&self) -> bool {
        self.number == FIRST_NUMBER
    }

    /// Runs `body` with the stack and the time. Never sleeps; any context but an
    /// interrupt.
    #[track_caller]
    pub fn with<T>(&self, body: impl FnOnce(&mut Stack<Machine>, u64) -> T) -> T {
        let mut inner = self.inner.lock();
        let result = body(&mut inner.stack, time::now());
        if inner.stack.deadline() < inner.alarm {
            self.move_alarm(&mut inner);
        }
        result
    }

    /// The next deadline is before the alarm.
    #[inline(never)]
    fn move_alarm(&self, inner: &mut Watched) {
        inner.alarm = inner.stack.deadline();
        self.place.set(inner.alarm);
    }

    /// Does what is due, once the agenda has come to it.
    pub fn on_time(&self) {
        let mut inner = self.inner.lock();
        let now = time::now();
        if inner.stack.deadline() <= now {
            inner.stack.on_time(now);
        }
        inner.alarm = inner.stack.deadline();
        if inner.alarm != NEVER {
            self.place.set(inner.alarm);
        }
    }

    /// Whether an address is one of this machine's in it.
    pub fn is_own(&self, address: IpAddress) -> bool {
        self.with(|stack, _| stack.is_own(address))
    }

    /// Whether only those with CAP_NET_BIND_SERVICE may take a port (ip(7)).
    pub fn is_privileged(&self, port: u16) -> bool {
        (1..self.first_unprivileged()).contains(&port)
    }

    /// The first port that anybody may take. Any context.
    pub fn first_unprivileged(&self) -> u16 {
        self.first_free.load(Relaxed)
    }

    /// Sets the first port that anybody may take. `EINVAL` if sockets are given ports
    /// below it, which anybody may have.
    pub fn set_first_unprivileged(&self, port: u16) -> Result<()> {
        if port > *EPHEMERAL.start() {
            return Err(Errno::EINVAL);
        }
        self.first_free.store(port, Relaxed);
        Ok(())
    }
}

impl NetNamespace for NetSpace {
    fn number(&self) -> u64 {
        self.number
    }

    fn owner(&self) -> &UserNamespace {
        &self.owner
    }
}
