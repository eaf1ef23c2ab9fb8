//! UDP sockets with Linux's behaviour (udp(7)), never waiting.

use crate::buffer::Lent;
use crate::net::{Bound, Interface, Net};
use crate::notifier::Notifier;
use crate::ports::Protocol;
use crate::slab::Key;
use crate::sockets::{Sockets, waker_of};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use embassy_net::udp::{PacketMetadata, SendError, UdpSocket as StackSocket};
use embassy_net::{IpAddress, IpEndpoint, IpListenEndpoint, Ipv4Address};
use embassy_time::{Duration, Instant};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, try_arc};
use paddock_unix_sockets::{SocketOptions, Switch, next_ino};

/// Datagrams that wait in one direction, whatever their size.
const DATAGRAMS: usize = 64;
/// The largest datagram of all, in bytes of data (RFC 768 over IPv4).
pub const MAX_DATAGRAM: usize = 65507;
/// The largest one that an ethernet frame holds: the stack sends no parts.
const MAX_IN_FRAME: usize = 1472;
/// How long a closed socket's last datagrams may wait for their way out.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(2);

/// A UDP socket of one stack.
pub struct Datagrams {
    // Borrows the buffers, so it is declared, and dropped, before them.
    socket: StackSocket<'static>,
    _metadata: [Lent<PacketMetadata>; 2],
    _bytes: [Lent<u8>; 2],
    waker: Waker,
    orphaned: Option<Instant>,
}

impl Datagrams {
    /// Whether nobody owns it any more.
    pub fn is_orphan(&self) -> bool {
        self.orphaned.is_some()
    }

    /// Whether an orphan has sent all it had.
    pub fn is_over(&mut self) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        let sent = pin!(self.socket.flush()).poll(&mut cx).is_ready();
        sent || self
            .orphaned
            .is_some_and(|since| since.elapsed() > ORPHAN_TIMEOUT)
    }

    /// Its port and address.
    pub fn endpoint(&self) -> IpListenEndpoint {
        self.socket.endpoint()
    }

    fn watch(&self) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        self.socket.poll_recv_ready(&mut cx).is_ready()
    }

    /// Takes a datagram: its length and sender. `EAGAIN`.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<IpEndpoint> {
        let mut cx = Context::from_waker(&self.waker);
        let taking = self.socket.recv_from_with(|bytes, from| {
            buffer.clear();
            buffer
                .try_reserve_exact(bytes.len())
                .map_err(|_| Errno::ENOMEM)?;
            buffer.extend_from_slice(bytes);
            Ok(from.endpoint)
        });
        match pin!(taking).poll(&mut cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(Errno::EAGAIN),
        }
    }

    fn send(&self, bytes: &[u8], to: IpEndpoint) -> Result<()> {
        let mut cx = Context::from_waker(&self.waker);
        match self.socket.poll_send_to(bytes, to, &mut cx) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(SendError::PacketTooLarge)) => Err(Errno::EMSGSIZE),
            Poll::Ready(Err(_)) => Err(Errno::ENETUNREACH),
            Poll::Pending => Err(Errno::EAGAIN),
        }
    }
}

impl Sockets {
    /// A UDP socket bound to a port. `ENFILE`, `ENOMEM`, `EINVAL`.
    fn add_udp(&mut self, endpoint: IpListenEndpoint, waker: Waker) -> Result<Key<Datagrams>> {
        self.make_room()?;
        let bytes = self.limits.buffer.min(64 << 10);
        // SAFETY: all four are kept beside the socket and dropped after it.
        let (receive_metadata, rx_meta) = unsafe { Lent::new(PacketMetadata::EMPTY, DATAGRAMS) }?;
        // SAFETY: as above.
        let (send_metadata, tx_meta) = unsafe { Lent::new(PacketMetadata::EMPTY, DATAGRAMS) }?;
        // SAFETY: as above.
        let (receive, rx) = unsafe { Lent::new(0, bytes) }?;
        // SAFETY: as above.
        let (send, tx) = unsafe { Lent::new(0, bytes) }?;
        let mut socket = StackSocket::new(self.stack, rx_meta, rx, tx_meta, tx);
        socket.bind(endpoint).map_err(|_| Errno::EINVAL)?;
        self.udp.insert(Datagrams {
            socket,
            _metadata: [receive_metadata, send_metadata],
            _bytes: [receive, send],
            waker,
            orphaned: None,
        })
    }

    /// Nobody's from now on: it goes once it has sent what it has.
    fn orphan_udp(&mut self, key: Key<Datagrams>) {
        let caretaker = self.caretaker();
        let Some(udp) = self.udp.get_mut(key) else {
            return;
        };
        udp.waker = caretaker;
        udp.orphaned = Some(Instant::now());
        if udp.is_over() {
            self.udp.remove(key);
        } else {
            self.want_attention();
        }
    }
}

/// A datagram that was received.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Bytes copied.
    pub count: usize,
    /// Bytes of the whole datagram; those that were not copied are gone.
    pub length: usize,
    /// Who sent it, if it is one.
    pub from: Option<IpEndpoint>,
}

#[derive(Clone, Copy)]
struct Part {
    interface: Interface,
    key: Key<Datagrams>,
}

struct Inner {
    bound: Option<Bound>,
    parts: Vec<Part>,
    peer: Option<IpEndpoint>,
    /// The next datagram, with its sender, if it was looked at already.
    next: Option<(Vec<u8>, IpEndpoint)>,
    read_closed: bool,
    write_closed: bool,
}

/// A UDP socket.
pub struct UdpSocket {
    net: Arc<Net>,
    inner: SpinLock<Inner, PreemptOff>,
    pub(crate) notifier: Arc<Notifier>,
    /// What setsockopt(2) set.
    pub options: SocketOptions,
    /// `AF_INET` or `AF_INET6`: how its addresses are told.
    pub family: u16,
    /// What fstat(2) tells.
    pub ino: u64,
}

const UNSPECIFIED: IpAddress = IpAddress::Ipv4(Ipv4Address::UNSPECIFIED);

impl UdpSocket {
    /// A fresh socket of `AF_INET` or `AF_INET6`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(net: &Arc<Net>, family: u16) -> Result<Arc<UdpSocket>> {
        let inner = Inner {
            bound: None,
            parts: Vec::new(),
            peer: None,
            next: None,
            read_closed: false,
            write_closed: false,
        };
        try_arc(UdpSocket {
            net: net.clone(),
            inner: SpinLock::new(Rank::SocketState, inner),
            notifier: try_arc(Notifier::default())?,
            options: SocketOptions::default(),
            family,
            ino: next_ino(),
        })
    }

    /// bind(2). No address is any; port 0 is a port of the system's choice.
    ///
    /// # Errors
    /// `EINVAL` if bound already, `EADDRINUSE`, `EADDRNOTAVAIL`, `ENFILE`,
    /// `ENOMEM`.
    pub fn bind(&self, address: Option<IpAddress>, port: u16) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.bound.is_some() {
            return Err(Errno::EINVAL);
        }
        self.bind_inner(&mut inner, address, port)
    }

    fn bind_inner(&self, inner: &mut Inner, address: Option<IpAddress>, port: u16) -> Result<()> {
        let bound = Bound::new(
            &self.net,
            Protocol::Udp,
            address,
            port,
            self.options.is_on(Switch::ReuseAddress),
        )?;
        let parts = Interface::ALL.len();
        inner
            .parts
            .try_reserve_exact(parts)
            .map_err(|_| Errno::ENOMEM)?;
        for (interface, addr) in self.net.reached_by(bound.address) {
            let endpoint = IpListenEndpoint {
                addr,
                port: bound.port,
            };
            let waker = waker_of(&self.notifier);
            match self.section(interface, |sockets| sockets.add_udp(endpoint, waker)) {
                Some(Ok(key)) => inner.parts.push(Part { interface, key }),
                Some(Err(error)) => {
                    self.let_go(inner);
                    return Err(error);
                }
                None => {}
            }
        }
        inner.bound = Some(bound);
        Ok(())
    }

    /// connect(2): the peer of send and receive from now on; `None` undoes it.
    ///
    /// # Errors
    /// Those of [`Self::bind`], `ENETUNREACH`.
    pub fn connect(&self, peer: Option<IpEndpoint>) -> Result<()> {
        let mut inner = self.inner.lock();
        if let Some(peer) = peer {
            let (interface, _) = self.net.route(peer.addr);
            self.net.door(interface).ok_or(Errno::ENETUNREACH)?;
            if inner.bound.is_none() {
                self.bind_inner(&mut inner, None, 0)?;
            }
        }
        inner.peer = peer;
        Ok(())
    }

    /// Sends a datagram to `to`, or to the peer.
    ///
    /// # Errors
    /// `EDESTADDRREQ`, `EAGAIN`, `EMSGSIZE`, `ENETUNREACH`, `EPIPE`, and
    /// those of [`Self::bind`].
    pub fn send(&self, bytes: &[u8], to: Option<IpEndpoint>) -> Result<usize> {
        let mut inner = self.inner.lock();
        if inner.write_closed {
            return Err(Errno::EPIPE);
        }
        let to = to.or(inner.peer).ok_or(Errno::EDESTADDRREQ)?;
        if to.port == 0 {
            return Err(Errno::EINVAL);
        }
        let (interface, address) = self.net.route(to.addr);
        let longest = match interface {
            Interface::Loopback => MAX_DATAGRAM,
            Interface::Ethernet => MAX_IN_FRAME,
        };
        if bytes.len() > longest {
            return Err(Errno::EMSGSIZE);
        }
        if inner.bound.is_none() {
            self.bind_inner(&mut inner, None, 0)?;
        }
        let to = IpEndpoint::new(address, to.port);
        let part = inner.parts.iter().find(|part| part.interface == interface);
        let part = *part.ok_or(Errno::ENETUNREACH)?;
        let send = |sockets: &mut Sockets| {
            let result = sockets
                .udp
                .get(part.key)
                .map_or(Err(Errno::EBADF), |udp| udp.send(bytes, to));
            sockets.changed |= result.is_ok();
            result
        };
        self.section(interface, send)
            .unwrap_or(Err(Errno::ENETUNREACH))?;
        Ok(bytes.len())
    }

    /// Takes the next datagram, or (`peek`) looks at it.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOMEM`.
    pub fn receive(&self, buffer: &mut [u8], peek: bool) -> Result<Arrived> {
        let mut inner = self.inner.lock();
        self.fetch(&mut inner)?;
        let Some((bytes, from)) = &inner.next else {
            let nothing = Arrived {
                count: 0,
                length: 0,
                from: None,
            };
            return if inner.read_closed {
                Ok(nothing)
            } else {
                Err(Errno::EAGAIN)
            };
        };
        let count = buffer.len().min(bytes.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        let received = Arrived {
            count,
            length: bytes.len(),
            from: Some(*from),
        };
        if !peek {
            inner.next = None;
        }
        Ok(received)
    }

    /// Has the next datagram that is for this socket at hand, if there is
    /// one. `ENOMEM`.
    fn fetch(&self, inner: &mut Inner) -> Result<()> {
        if inner.next.is_some() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for &part in &inner.parts {
            loop {
                let take = |sockets: &mut Sockets| {
                    sockets
                        .udp
                        .get_mut(part.key)
                        .map_or(Err(Errno::EAGAIN), |udp| udp.receive(&mut bytes))
                };
                match self
                    .section(part.interface, take)
                    .unwrap_or(Err(Errno::EAGAIN))
                {
                    Ok(from) if inner.peer.is_some_and(|peer| !self.is_from(peer, from)) => {}
                    Ok(from) => {
                        inner.next = Some((bytes, from));
                        return Ok(());
                    }
                    Err(Errno::EAGAIN) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn is_from(&self, peer: IpEndpoint, from: IpEndpoint) -> bool {
        let (_, address) = self.net.route(peer.addr);
        (address, peer.port) == (from.addr, from.port)
    }

    /// shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.peer.is_none() {
            return Err(Errno::ENOTCONN);
        }
        inner.read_closed |= read;
        inner.write_closed |= write;
        drop(inner);
        self.notifier.queue.wake_all();
        Ok(())
    }

    /// getsockname(2).
    pub fn local(&self) -> IpEndpoint {
        let inner = self.inner.lock();
        let Some(bound) = &inner.bound else {
            return IpEndpoint::new(UNSPECIFIED, 0);
        };
        let connected = inner.peer.map(|peer| self.source(peer));
        IpEndpoint::new(
            bound.address.or(connected).unwrap_or(UNSPECIFIED),
            bound.port,
        )
    }

    /// The address that datagrams to `peer` come from.
    fn source(&self, peer: IpEndpoint) -> IpAddress {
        match self.net.route(peer.addr) {
            (Interface::Loopback, address) => address,
            (Interface::Ethernet, _) => {
                let config = self.net.config_v4();
                config.map_or(UNSPECIFIED, |config| {
                    IpAddress::Ipv4(config.address.address())
                })
            }
        }
    }

    /// getpeername(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn remote(&self) -> Result<IpEndpoint> {
        self.inner.lock().peer.ok_or(Errno::ENOTCONN)
    }

    /// Bytes of the next datagram (`FIONREAD`).
    pub fn unread(&self) -> usize {
        let mut inner = self.inner.lock();
        let _ = self.fetch(&mut inner);
        inner.next.as_ref().map_or(0, |(bytes, _)| bytes.len())
    }

    fn section<T: Send>(
        &self,
        interface: Interface,
        body: impl FnOnce(&mut Sockets) -> T,
    ) -> Option<T> {
        Some(self.net.door(interface)?.section(body))
    }

    pub(crate) fn readiness(&self) -> Ready {
        let inner = self.inner.lock();
        // No short circuit: each part's waker is armed.
        let mut data = inner.next.is_some() || inner.read_closed;
        for part in &inner.parts {
            let watch =
                |sockets: &mut Sockets| sockets.udp.get(part.key).is_some_and(Datagrams::watch);
            data |= self.section(part.interface, watch) == Some(true);
        }
        let mut ready = self.send_readiness(&inner);
        ready.set(Ready::IN, data);
        ready.set(Ready::RDHUP, inner.read_closed);
        ready.set(Ready::HUP, inner.read_closed && inner.write_closed);
        ready
    }

    /// `OUT` unless a stack's queue is full; then its waker is armed.
    fn send_readiness(&self, inner: &Inner) -> Ready {
        let has_room = |part: &Part| {
            let room = |sockets: &mut Sockets| {
                let udp = sockets.udp.get(part.key)?;
                let mut cx = Context::from_waker(&udp.waker);
                Some(udp.socket.poll_send_ready(&mut cx).is_ready())
            };
            self.section(part.interface, room).flatten() != Some(false)
        };
        if inner.parts.iter().all(has_room) {
            Ready::OUT
        } else {
            Ready::empty()
        }
    }

    fn let_go(&self, inner: &mut Inner) {
        for part in inner.parts.drain(..) {
            self.section(part.interface, |sockets| sockets.orphan_udp(part.key));
        }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let mut inner = self.inner.lock();
        self.let_go(&mut inner);
    }
}
