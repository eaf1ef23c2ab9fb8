//! Sockets for datagrams with Linux's behaviour (udp(7), raw(7), icmp(7)), never waiting,
//! like [`super::tcp`].

use super::notifier::Notifier;
use super::space::NetSpace;
use crate::process::accounts::paying;
use alloc::sync::Arc;
use core::any::Any;
use embassy_net::{IpAddress, IpEndpoint};
use paddock_abi::socket::{
    AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_RAW,
};
use paddock_abi::termios::{FIONREAD, TIOCOUTQ};
use paddock_abi::{Errno, Result};
pub use paddock_inet::{Arrival, Arrived, MAX_DATAGRAM};
use paddock_inet::{Carries, Coverage, Delivery, Echoes, Failure, Id, Local, Packets, Settings};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_unix_sockets::{SocketOptions, Switch, next_ino, socket_metadata};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, IoctlArg, Metadata};

/// What sendmsg(2) says of one datagram, in place of what the socket's options do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen {
    /// The address of this machine that it is from.
    pub source: Option<IpAddress>,
    /// IP_TTL or IPV6_HOPLIMIT.
    pub hops: Option<u8>,
    /// IP_TOS or IPV6_TCLASS.
    pub class: Option<u8>,
}

impl Chosen {
    fn change(&self, settings: &mut Settings) {
        if let Some(hops) = self.hops {
            (settings.ttl, settings.hops) = (hops, hops);
        }
        if let Some(class) = self.class {
            (settings.tos, settings.traffic_class) = (class, class);
        }
    }
}

/// A socket for datagrams of UDP, for packets of another protocol, or for echoes.
pub struct UdpSocket {
    id: Id,
    /// `SOCK_DGRAM` or `SOCK_RAW`.
    pub kind: u32,
    /// What is in its packets.
    pub protocol: u8,
    /// IP_TTL and IP_TOS; SO_REUSEPORT at bind(2).
    settings: SpinLock<Settings, PreemptOff>,
    notifier: Arc<Notifier>,
    /// The network namespace that it was made in.
    pub space: Arc<NetSpace>,
    /// What setsockopt(2) set.
    pub options: SocketOptions,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// What fstat(2) tells.
    pub ino: u64,
}

impl UdpSocket {
    /// A fresh socket of a namespace. `ENOMEM`, `ENFILE`.
    pub fn new(family: u16, space: &Arc<NetSpace>) -> Result<Arc<UdpSocket>> {
        let protocol = IPPROTO_UDP as u8;
        Self::make(family, space, SOCK_DGRAM, protocol, Carries::Udp)
    }

    /// One of UDP-Lite (udplite(7)). `ENOMEM`, `ENFILE`.
    pub fn lite(family: u16, space: &Arc<NetSpace>) -> Result<Arc<UdpSocket>> {
        let (protocol, carries) = (IPPROTO_UDPLITE as u8, Carries::Lite(Coverage::default()));
        Self::make(family, space, SOCK_DGRAM, protocol, carries)
    }

    /// One for echoes (icmp(7)). `ENOMEM`, `ENFILE`.
    pub fn for_echoes(family: u16, space: &Arc<NetSpace>) -> Result<Arc<UdpSocket>> {
        let is_ipv6 = family == AF_INET6;
        let echoes = Echoes {
            is_ipv6,
            ident: None,
            local: None,
        };
        let protocol = if is_ipv6 {
            IPPROTO_ICMPV6
        } else {
            IPPROTO_ICMP
        };
        let (protocol, echoes) = (protocol as u8, Carries::Echoes(echoes));
        Self::make(family, space, SOCK_DGRAM, protocol, echoes)
    }

    /// One for packets (raw(7)). `ENOMEM`, `ENFILE`.
    pub fn for_packets(family: u16, space: &Arc<NetSpace>, protocol: u8) -> Result<Arc<UdpSocket>> {
        let packets = Packets::new(family == AF_INET6, protocol);
        Self::make(family, space, SOCK_RAW, protocol, Carries::Packets(packets))
    }

    fn make(
        family: u16,
        space: &Arc<NetSpace>,
        kind: u32,
        protocol: u8,
        carries: Carries,
    ) -> Result<Arc<UdpSocket>> {
        let ino = next_ino();
        let (notifier, account) = (Notifier::new(family, ino)?, paying());
        let owner = notifier.clone();
        let id = space.with(|stack, _| stack.udp_open(owner, &account))?;
        let mut settings = super::settings_of(family);
        if !carries.has_ports() && family == AF_INET6 {
            settings.any = Local::AnyIpv6;
        }
        let socket = UdpSocket {
            id,
            kind,
            protocol,
            settings: SpinLock::new(Rank::SocketState, settings),
            notifier,
            space: space.clone(),
            options: SocketOptions::default(),
            family,
            ino,
        };
        // Without memory its drop gives it back.
        let socket = try_arc(socket)?;
        if carries != Carries::Udp {
            space.with(|stack, _| stack.carry(id, carries))?;
        }
        Ok(socket)
    }

    /// What it is about, if it is for packets.
    pub fn packets(&self) -> Option<Packets> {
        if self.kind != SOCK_RAW {
            return None;
        }
        match self.space.with(|stack, _| stack.carries(self.id)) {
            Carries::Packets(packets) => Some(packets),
            _ => None,
        }
    }

    /// Changes that.
    pub fn set_packets(&self, change: impl FnOnce(&mut Packets)) {
        self.space
            .with(|stack, _| stack.set_packets(self.id, change));
    }

    /// Whether a datagram that it was sent is of this machine, and was on no wire.
    pub fn is_looped(&self, arrival: &Arrival) -> bool {
        self.space.is_own(arrival.from.addr)
    }

    /// The address to answer a datagram from: the one that it was sent to, unless that is
    /// many machines'.
    pub fn answers_from(&self, arrival: &Arrival) -> IpAddress {
        let sender = IpEndpoint::new(arrival.from.addr, 0);
        let towards = self.space.with(|stack, _| match stack.is_own(arrival.to) {
            true => None,
            false => stack.source_towards(sender),
        });
        towards.unwrap_or(arrival.to)
    }

    /// Whether it is of UDP-Lite: what is covered of its datagrams.
    pub fn coverage(&self) -> Option<Coverage> {
        if u32::from(self.protocol) != IPPROTO_UDPLITE || self.kind != SOCK_DGRAM {
            return None;
        }
        match self.space.with(|stack, _| stack.carries(self.id)) {
            Carries::Lite(coverage) => Some(coverage),
            _ => None,
        }
    }

    /// Changes that.
    pub fn set_coverage(&self, change: impl FnOnce(&mut Coverage)) {
        self.space
            .with(|stack, _| stack.set_coverage(self.id, change));
    }

    /// Whether it has a port of UDP or UDP-Lite.
    pub fn has_ports(&self) -> bool {
        let protocol = u32::from(self.protocol);
        self.kind == SOCK_DGRAM && [IPPROTO_UDP, IPPROTO_UDPLITE].contains(&protocol)
    }

    /// bind(2). Port 0 is a port of the system's choice. `EINVAL` if bound
    /// already, `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&self, local: Local, port: u16) -> Result<()> {
        let mut settings = self.settings();
        settings.reuse_port = self.options.is_on(Switch::ReusePort);
        self.space
            .with(|stack, _| stack.udp_bind(self.id, local, port, &settings))
    }

    /// connect(2): whom it talks to; `None` for everybody.
    pub fn connect(&self, peer: Option<IpEndpoint>) -> Result<()> {
        let any = self.settings().any;
        self.space
            .with(|stack, _| stack.udp_connect(self.id, peer, any))
    }

    /// Sends a datagram to `to`, or to whom it is connected.
    ///
    /// # Errors
    /// An error that has come, once; `EDESTADDRREQ`, `EMSGSIZE`,
    /// `ENETUNREACH`, `EACCES`, `EPIPE`, `EINVAL` for port 0 or an address of
    /// another machine, those of [`Self::bind`].
    pub fn send(&self, data: &[u8], to: Option<IpEndpoint>, chosen: &Chosen) -> Result<usize> {
        let mut settings = self.settings();
        chosen.change(&mut settings);
        let delivery = Delivery {
            to,
            broadcasts: self.options.is_on(Switch::Broadcast),
            source: chosen.source,
        };
        self.space
            .with(|stack, now| stack.udp_send(now, self.id, data, &delivery, &settings))?;
        Ok(data.len())
    }

    /// Receives a datagram, cut to the buffer's length; with `peek` it stays.
    /// `EAGAIN`, and an error that has come, once.
    pub fn receive(&self, buffer: &mut [u8], peek: bool) -> Result<Arrived> {
        self.space
            .with(|stack, _| stack.udp_receive(self.id, buffer, peek))
    }

    /// shutdown(2). `ENOTCONN`.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        self.space
            .with(|stack, _| stack.udp_shutdown(self.id, read, write))
    }

    /// getsockname(2).
    pub fn local(&self) -> IpEndpoint {
        let any = self.settings().any;
        self.space.with(|stack, _| {
            let state = stack.udp_state(self.id);
            let (local, port) = state.and_then(|state| state.bound).unwrap_or((any, 0));
            let peer = state.and_then(|state| state.peer);
            let towards = peer.and_then(|peer| stack.source_towards(peer));
            let address = local.one().or(towards).unwrap_or(local.address());
            IpEndpoint::new(address, port)
        })
    }

    /// getpeername(2). `ENOTCONN`.
    pub fn remote(&self) -> Result<IpEndpoint> {
        let state = self.space.with(|stack, _| stack.udp_state(self.id));
        state.and_then(|state| state.peer).ok_or(Errno::ENOTCONN)
    }

    /// Takes the pending error (SO_ERROR).
    pub fn take_error(&self) -> Option<Errno> {
        self.space.with(|stack, _| stack.udp_take_error(self.id))
    }

    /// The next datagram that has not arrived (MSG_ERRQUEUE). `EAGAIN`.
    pub fn failure(&self) -> Result<Failure> {
        let failure = self.space.with(|stack, _| stack.udp_failure(self.id));
        failure.ok_or(Errno::EAGAIN)
    }

    /// The options that the stack acts by.
    pub fn settings(&self) -> Settings {
        *self.settings.lock()
    }

    /// Changes them.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        let settings = {
            let mut settings = self.settings.lock();
            change(&mut settings);
            *settings
        };
        self.space
            .with(|stack, _| stack.udp_set(self.id, &settings));
    }
}

impl Pollable for UdpSocket {
    fn ready(&self) -> Ready {
        self.space.with(|stack, _| stack.udp_ready(self.id))
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.notifier.queue)
    }
}

impl File for UdpSocket {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        to.with_buffer(MAX_DATAGRAM, |buffer| {
            Ok(self.receive(buffer, false)?.count)
        })
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        from.with_bytes(usize::MAX, |bytes| {
            self.send(bytes, None, &Chosen::default())
        })
    }

    fn ioctl(&self, command: u32, argument: &mut dyn IoctlArg) -> Result<u64> {
        let state = self.space.with(|stack, _| stack.udp_state(self.id));
        let value = match command {
            FIONREAD => state.and_then(|state| state.next).unwrap_or(0),
            // What is sent is on its way.
            TIOCOUTQ => 0,
            _ => return Err(Errno::ENOTTY),
        };
        argument.write_i32(value as i32)?;
        Ok(0)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata(self.ino))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.space.with(|stack, _| stack.udp_close(self.id));
    }
}
