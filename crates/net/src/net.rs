//! [`Net`]: both stacks, and what their sockets share.

use crate::address::{is_loopback, loopback_of, plain};
use crate::loopback::Loopback;
use crate::ports::{Ports, Protocol};
use crate::stack::Door;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};
use embassy_net::driver::Driver;
use embassy_net::{
    Config, ConfigV4, ConfigV6, IpAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr,
    StaticConfigV4, StaticConfigV6,
};
use embassy_time::{Duration, Timer};
use paddock_abi::{Errno, Result};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock, try_arc};

/// What sockets are made of, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of each of a socket's two buffers.
    pub buffer: usize,
    /// Sockets of each stack.
    pub sockets: usize,
    /// Sockets that listen at the same time for one port of a stack: how
    /// many connections may come within one poll of it.
    pub listening: usize,
}

impl Limits {
    /// For a machine with this much memory, in bytes.
    pub const fn for_memory(memory: u64) -> Self {
        const MIB: u64 = 1 << 20;
        match memory {
            0..=0x3ff_ffff => Limits {
                buffer: 16 << 10,
                sockets: 64,
                listening: 4,
            },
            _ if memory < 256 * MIB => Limits {
                buffer: 64 << 10,
                sockets: 256,
                listening: 4,
            },
            _ => Limits {
                buffer: 64 << 10,
                sockets: 500,
                listening: 8,
            },
        }
    }
}

/// How the network begins.
#[derive(Clone, Copy)]
pub struct NetConfig {
    /// Sizes and numbers.
    pub limits: Limits,
    /// Random numbers that nobody can guess: ports and sequence numbers.
    pub random: fn() -> u64,
}

/// One of the two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// `lo`: this machine.
    Loopback,
    /// `eth0`: everything else.
    Ethernet,
}

impl Interface {
    /// Both.
    pub const ALL: [Interface; 2] = [Interface::Loopback, Interface::Ethernet];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Interface::Loopback => "lo",
            Interface::Ethernet => "eth0",
        }
    }
}

/// The network.
pub struct Net {
    loopback: Door,
    ethernet: OnceCell<Door>,
    pub(crate) ports: SpinLock<Ports, PreemptOff>,
    config: NetConfig,
}

impl Net {
    /// The network without a card: loopback only.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(config: NetConfig) -> Result<Arc<Net>> {
        let mut addresses = Config::default();
        addresses.ipv4 = ConfigV4::Static(StaticConfigV4 {
            address: Ipv4Cidr::new(Ipv4Address::LOCALHOST, 8),
            gateway: None,
            dns_servers: heapless::Vec::new(),
        });
        addresses.ipv6 = ConfigV6::Static(StaticConfigV6 {
            address: Ipv6Cidr::new(Ipv6Address::LOCALHOST, 128),
            gateway: None,
            dns_servers: heapless::Vec::new(),
        });
        let loopback = Door::new(Loopback::new()?, addresses, config.limits, &mut || {
            (config.random)()
        })?;
        try_arc(Net {
            loopback,
            ethernet: OnceCell::new(),
            ports: SpinLock::new(Rank::Leaf, Ports::new()),
            config,
        })
    }

    /// Adds the network card. Once.
    ///
    /// # Errors
    /// `EEXIST`, `ENOMEM`.
    pub fn attach<D: Driver + 'static>(&self, driver: D, addresses: Config) -> Result<()> {
        let random = self.config.random;
        let door = Door::new(driver, addresses, self.config.limits, &mut || random())?;
        self.ethernet.set(door).map(drop).map_err(|_| Errno::EEXIST)
    }

    /// Whether there is a network card.
    pub fn has_ethernet(&self) -> bool {
        self.ethernet.get().is_some()
    }

    /// One poll of an interface's runner, each in a section. Never ready.
    pub fn poll(&self, interface: Interface, cx: &mut Context<'_>) -> Poll<()> {
        self.door(interface)
            .map_or(Poll::Pending, |door| door.poll(cx))
    }

    /// Runs an interface for ever.
    pub async fn run(&self, interface: Interface) {
        poll_fn(|cx| self.poll(interface, cx)).await;
    }

    pub(crate) fn door(&self, interface: Interface) -> Option<&Door> {
        match interface {
            Interface::Loopback => Some(&self.loopback),
            Interface::Ethernet => self.ethernet.get(),
        }
    }

    /// The interface that leads to an address, and the address to use there.
    pub(crate) fn route(&self, address: IpAddress) -> (Interface, IpAddress) {
        let address = plain(address);
        if address.is_unspecified() || self.is_own(address) {
            // Connecting to no address means this machine (RFC 1122, 3.2.1.3).
            return (Interface::Loopback, loopback_of(address));
        }
        (Interface::Ethernet, address)
    }

    /// Whether an address is this machine's.
    pub fn is_own(&self, address: IpAddress) -> bool {
        if is_loopback(address) {
            return true;
        }
        let Some(door) = self.ethernet.get() else {
            return false;
        };
        door.section(|sockets| match address {
            IpAddress::Ipv4(address) => sockets
                .stack
                .config_v4()
                .is_some_and(|config| config.address.address() == address),
            IpAddress::Ipv6(address) => sockets
                .stack
                .config_v6()
                .is_some_and(|config| config.address.address() == address),
        })
    }

    /// Through which interfaces, and there at which address, somebody bound
    /// to `address` is reached.
    pub(crate) fn reached_by(
        &self,
        address: Option<IpAddress>,
    ) -> impl Iterator<Item = (Interface, Option<IpAddress>)> {
        let loopback_only = address.is_some_and(is_loopback);
        let ethernet =
            (!loopback_only && self.has_ethernet()).then_some((Interface::Ethernet, address));
        [Some((Interface::Loopback, None)), ethernet]
            .into_iter()
            .flatten()
    }

    pub(crate) fn random(&self) -> u64 {
        (self.config.random)()
    }

    /// The sizes in force.
    pub fn limits(&self) -> Limits {
        self.config.limits
    }

    /// The card's IPv4 configuration: its address, gateway and name servers.
    pub fn config_v4(&self) -> Option<StaticConfigV4> {
        self.ethernet
            .get()?
            .section(|sockets| sockets.stack.config_v4())
    }

    /// Whether the card's link is up.
    pub fn is_link_up(&self) -> bool {
        let up = |door: &Door| door.section(|sockets| sockets.stack.is_link_up());
        self.ethernet.get().is_some_and(up)
    }

    /// Waits until the card has an address; gives it `fallback` if that takes
    /// longer than `patience`. Whether it was configured without. One task
    /// only.
    pub async fn configure(&self, fallback: StaticConfigV4, patience: Duration) -> bool {
        let Some(door) = self.ethernet.get() else {
            return false;
        };
        let mut patience = pin!(Timer::after(patience));
        let configured = poll_fn(|cx| {
            let up = door.section(|sockets| pin!(sockets.stack.wait_config_up()).poll(cx));
            if up.is_ready() {
                return Poll::Ready(true);
            }
            patience.as_mut().poll(cx).map(|()| false)
        })
        .await;
        if !configured {
            door.section(|sockets| {
                sockets.stack.set_config_v4(ConfigV4::Static(fallback));
                sockets.changed = true;
            });
        }
        configured
    }
}

/// A bound port, given back when dropped.
pub struct Bound {
    net: Arc<Net>,
    id: u64,
    /// `None` is any address.
    pub address: Option<IpAddress>,
    /// The port.
    pub port: u16,
}

impl Bound {
    /// Takes a port, one of the system's choice for port 0.
    /// `EADDRINUSE`, `EADDRNOTAVAIL`, `ENOMEM`.
    pub fn new(
        net: &Arc<Net>,
        protocol: Protocol,
        address: Option<IpAddress>,
        port: u16,
        reuse: bool,
    ) -> Result<Self> {
        let address = address
            .map(plain)
            .filter(|address| !address.is_unspecified());
        if address.is_some_and(|address| !net.is_own(address)) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let random = net.random();
        let (id, port) = net
            .ports
            .lock()
            .claim(protocol, address, port, reuse, random)?;
        Ok(Bound {
            net: net.clone(),
            id,
            address,
            port,
        })
    }

    /// The socket listens from now on. `EADDRINUSE`.
    pub fn listen(&self) -> Result<()> {
        self.net.ports.lock().listen(self.id)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.net.ports.lock().release(self.id);
    }
}
