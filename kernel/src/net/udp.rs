//! UDP sockets with Linux's behaviour (udp(7)), never waiting, like
//! [`super::tcp`].

use super::datagrams::{Datagram, Datagrams};
use super::notifier::Notifier;
use super::{ethernet, loopback, ports, route};
use alloc::sync::Arc;
use core::any::Any;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address};
use paddock_abi::termios::FIONREAD;
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_unix_sockets::{SocketOptions, next_ino, socket_metadata};
use paddock_vfs::{File, IoctlArg, Metadata};

/// The largest datagram of all, in bytes of data (RFC 768 over IPv4).
pub const MAX_DATAGRAM: usize = 65507;

struct Inner {
    /// One for each stack that it uses.
    parts: [Option<Datagrams>; 2],
    bound: Option<(Option<IpAddress>, u16)>,
    peer: Option<IpEndpoint>,
    /// A datagram that was looked at and not yet received.
    next: Option<Datagram>,
    read_closed: bool,
    write_closed: bool,
}

/// A UDP socket.
pub struct UdpSocket {
    inner: SpinLock<Inner, PreemptOff>,
    notifier: Arc<Notifier>,
    /// What setsockopt(2) set.
    pub options: SocketOptions,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// What fstat(2) tells.
    pub ino: u64,
}

/// What receiving gives.
pub struct Arrived {
    /// Bytes in the buffer.
    pub count: usize,
    /// Bytes of the datagram.
    pub length: usize,
    /// Who sent it.
    pub from: Option<IpEndpoint>,
}

impl UdpSocket {
    /// A fresh socket. `ENOMEM`.
    pub fn new(family: u16) -> Result<Arc<UdpSocket>> {
        let inner = Inner {
            parts: [None, None],
            bound: None,
            peer: None,
            next: None,
            read_closed: false,
            write_closed: false,
        };
        let ino = next_ino();
        try_arc(UdpSocket {
            inner: SpinLock::new(Rank::SocketState, inner),
            notifier: Notifier::new(family, ino)?,
            options: SocketOptions::default(),
            family,
            ino,
        })
    }

    /// bind(2). Port 0 is a port of the system's choice. `EINVAL` if bound
    /// already, `EADDRINUSE`, `EADDRNOTAVAIL`, `ENFILE`, `ENOMEM`.
    pub fn bind(&self, address: Option<IpAddress>, port: u16) -> Result<()> {
        self.inner.lock().bind(address, port, &self.notifier)
    }

    /// connect(2): whom it talks to; `None` for everybody.
    pub fn connect(&self, peer: Option<IpEndpoint>) -> Result<()> {
        let mut inner = self.inner.lock();
        let peer = match peer {
            Some(peer) => {
                let (_, address) = route(peer.addr).ok_or(Errno::ENETUNREACH)?;
                inner.make_bound(&self.notifier)?;
                Some(IpEndpoint::new(address, peer.port))
            }
            None => None,
        };
        inner.peer = peer;
        Ok(())
    }

    /// Sends a datagram to `to`, or to whom it is connected.
    ///
    /// # Errors
    /// `EAGAIN`, `EDESTADDRREQ`, `EMSGSIZE`, `ENETUNREACH`, `EPIPE`,
    /// `EINVAL` for port 0, those of [`Self::bind`].
    pub fn send(&self, data: &[u8], to: Option<IpEndpoint>) -> Result<usize> {
        let mut inner = self.inner.lock();
        if inner.write_closed {
            return Err(Errno::EPIPE);
        }
        let to = to.or(inner.peer).ok_or(Errno::EDESTADDRREQ)?;
        if to.port == 0 {
            return Err(Errno::EINVAL);
        }
        let (stack, address) = route(to.addr).ok_or(Errno::ENETUNREACH)?;
        inner.make_bound(&self.notifier)?;
        let part = inner
            .parts
            .iter()
            .flatten()
            .find(|part| core::ptr::eq(part.stack(), stack));
        let part = part.ok_or(Errno::EINVAL)?;
        if data.len() > stack.largest_datagram(&address) {
            return Err(Errno::EMSGSIZE);
        }
        part.send(data, IpEndpoint::new(address, to.port))?;
        Ok(data.len())
    }

    /// Receives a datagram, cut to the buffer's length; with `peek` it stays.
    /// `EAGAIN`, `ENOMEM`.
    pub fn receive(&self, buffer: &mut [u8], peek: bool) -> Result<Arrived> {
        let mut inner = self.inner.lock();
        inner.look();
        let Some(datagram) = inner.next.take() else {
            return match inner.read_closed {
                true => Ok(Arrived {
                    count: 0,
                    length: 0,
                    from: None,
                }),
                false => Err(Errno::EAGAIN),
            };
        };
        let length = datagram.data.len();
        let count = length.min(buffer.len());
        buffer[..count].copy_from_slice(&datagram.data[..count]);
        let from = Some(datagram.from);
        if peek {
            inner.next = Some(datagram);
        } else {
            // Arms the waker if that was the last: an edge-triggered epoll
            // waits for the next one without asking.
            inner.look();
        }
        Ok(Arrived {
            count,
            length,
            from,
        })
    }

    /// shutdown(2). `ENOTCONN`.
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
        let (address, port) = inner.bound.unwrap_or((None, 0));
        let towards = inner.peer.and_then(|peer| super::source_towards(peer.addr));
        let any = IpAddress::Ipv4(Ipv4Address::UNSPECIFIED);
        IpEndpoint::new(address.or(towards).unwrap_or(any), port)
    }

    /// getpeername(2). `ENOTCONN`.
    pub fn remote(&self) -> Result<IpEndpoint> {
        self.inner.lock().peer.ok_or(Errno::ENOTCONN)
    }
}

impl Inner {
    fn bind(
        &mut self,
        address: Option<IpAddress>,
        port: u16,
        notifier: &Arc<Notifier>,
    ) -> Result<()> {
        if self.bound.is_some() {
            return Err(Errno::EINVAL);
        }
        let port = ports::UDP.take(port)?;
        match open_parts(address, port, notifier) {
            Ok(parts) => {
                self.parts = parts;
                self.bound = Some((address, port));
                Ok(())
            }
            Err(error) => {
                ports::UDP.release(port);
                Err(error)
            }
        }
    }

    fn make_bound(&mut self, notifier: &Arc<Notifier>) -> Result<()> {
        if self.bound.is_some() {
            Ok(())
        } else {
            self.bind(None, 0, notifier)
        }
    }

    /// Fills `next` with a datagram that may be received, if one has come;
    /// otherwise all wakers are armed.
    fn look(&mut self) {
        let peer = self.peer;
        for part in self.parts.iter_mut().flatten() {
            while self.next.is_none() {
                match part.receive() {
                    Ok(datagram) if peer.is_none_or(|peer| peer == datagram.from) => {
                        self.next = Some(datagram)
                    }
                    // Not from whom it is connected to, or lost.
                    Ok(_) | Err(Errno::ENOMEM) => {}
                    Err(_) => break,
                }
            }
        }
    }
}

/// The sockets for an address, in the stacks that it is reached through.
fn open_parts(
    address: Option<IpAddress>,
    port: u16,
    notifier: &Arc<Notifier>,
) -> Result<[Option<Datagrams>; 2]> {
    let local = address.is_some_and(|address| super::is_loopback(&address));
    let inside = match loopback() {
        Some(stack) => Some(Datagrams::bind(stack, notifier, None, port)?),
        None => None,
    };
    let outside = match ethernet().filter(|_| !local) {
        Some(stack) => Some(Datagrams::bind(stack, notifier, None, port)?),
        None => None,
    };
    Ok([inside, outside])
}

impl Pollable for UdpSocket {
    fn ready(&self) -> Ready {
        let mut inner = self.inner.lock();
        inner.look();
        let mut ready = Ready::empty();
        ready.set(Ready::IN, inner.next.is_some() || inner.read_closed);
        ready.set(Ready::RDHUP, inner.read_closed);
        ready.set(Ready::HUP, inner.read_closed && inner.write_closed);
        ready.set(
            Ready::OUT,
            inner.parts.iter().flatten().all(Datagrams::can_send),
        );
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.notifier.queue)
    }
}

impl File for UdpSocket {
    fn read(&self, _: &mut u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.receive(buffer, false)?.count)
    }

    fn write(&self, _: &mut u64, buffer: &[u8]) -> Result<usize> {
        self.send(buffer, None)
    }

    fn ioctl(&self, command: u32, argument: &mut dyn IoctlArg) -> Result<u64> {
        if command != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let length = {
            let mut inner = self.inner.lock();
            inner.look();
            inner
                .next
                .as_ref()
                .map_or(0, |datagram| datagram.data.len())
        };
        argument.write_i32(length as i32)?;
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
        let inner = self.inner.get_mut();
        if let Some((_, port)) = inner.bound {
            ports::UDP.release(port);
        }
    }
}
