//! TCP sockets with Linux's behaviour (tcp(7)), never waiting: what cannot go
//! on is `EAGAIN`, and waiting is done through [`Pollable`].

use super::connection::{Connection, Notifier};
use super::listener::Listener;
use super::route;
use crate::random;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use embassy_net::tcp::State as TcpState;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_vfs::{File, FileKind, Metadata, Timestamp};

/// Ports given out by the system (RFC 6335).
const EPHEMERAL: core::ops::Range<u16> = 49152..65535;

/// Ports that sockets are bound to.
static PORTS: SpinLock<Vec<u16>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());
/// Connections whose socket was closed and that still have something to send.
static ORPHANS: SpinLock<Vec<Connection>, PreemptOff> = SpinLock::new(Rank::SocketState, Vec::new());

enum State {
    Fresh,
    Listening(Listener),
    Connecting(Connection),
    Connected(Connection),
    Closed,
}

struct Inner {
    state: State,
    /// The address and port of bind(2).
    bound: Option<(Option<IpAddress>, u16)>,
    error: Option<Errno>,
    read_closed: bool,
    write_closed: bool,
}

/// A TCP socket.
pub struct TcpSocket {
    inner: SpinLock<Inner, PreemptOff>,
    notifier: Arc<Notifier>,
}

impl TcpSocket {
    /// A fresh socket.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Arc<TcpSocket>> {
        Self::with_state(State::Fresh, try_arc(Notifier::default())?)
    }

    fn with_state(state: State, notifier: Arc<Notifier>) -> Result<Arc<TcpSocket>> {
        let inner = Inner { state, bound: None, error: None, read_closed: false, write_closed: false };
        try_arc(TcpSocket { inner: SpinLock::new(Rank::SocketState, inner), notifier })
    }

    /// bind(2). Port 0 is a port of the system's choice.
    ///
    /// # Errors
    /// `EINVAL` if bound already, `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&self, address: Option<IpAddress>, port: u16) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.bound.is_some() || !matches!(inner.state, State::Fresh) {
            return Err(Errno::EINVAL);
        }
        inner.bound = Some((address, take_port(port)?));
        Ok(())
    }

    /// listen(2).
    ///
    /// # Errors
    /// `EINVAL` if connected, `EADDRNOTAVAIL`, `ENFILE`, `ENOMEM`.
    pub fn listen(&self, backlog: usize) -> Result<()> {
        let mut inner = self.inner.lock();
        match inner.state {
            State::Fresh => {}
            State::Listening(_) => return Ok(()),
            _ => return Err(Errno::EINVAL),
        }
        let (address, port) = match inner.bound {
            Some(bound) => bound,
            None => (None, take_port(0)?),
        };
        inner.bound = Some((address, port));
        inner.state = State::Listening(Listener::new(address, port, backlog, &self.notifier)?);
        Ok(())
    }

    /// accept(2): the new socket and the peer.
    ///
    /// # Errors
    /// `EAGAIN`, `EINVAL` if it does not listen, `ENOMEM`.
    pub fn accept(&self) -> Result<(Arc<TcpSocket>, IpEndpoint)> {
        let mut inner = self.inner.lock();
        let State::Listening(listener) = &mut inner.state else {
            return Err(Errno::EINVAL);
        };
        let mut connection = listener.accept().ok_or(Errno::EAGAIN)?;
        drop(inner);
        let peer = connection.remote().unwrap_or(IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::UNSPECIFIED), 0));
        let notifier = try_arc(Notifier::default())?;
        connection.set_notifier(&notifier);
        Ok((Self::with_state(State::Connected(connection), notifier)?, peer))
    }

    /// connect(2): begins, or says how it went.
    ///
    /// # Errors
    /// `EINPROGRESS` when begun, `EALREADY` while under way, `EISCONN`,
    /// `ECONNREFUSED`, `ENETUNREACH`, `ENFILE`, `ENOMEM`.
    pub fn connect(&self, remote: IpEndpoint) -> Result<()> {
        let mut inner = self.inner.lock();
        inner.settle();
        if let Some(error) = inner.error.take() {
            inner.state = State::Fresh;
            return Err(error);
        }
        match inner.state {
            State::Fresh => {}
            State::Connecting(_) => return Err(Errno::EALREADY),
            State::Connected(_) => return Err(Errno::EISCONN),
            State::Listening(_) | State::Closed => return Err(Errno::EINVAL),
        }
        let (stack, address) = route(remote.addr).ok_or(Errno::ENETUNREACH)?;
        let mut connection = Connection::new(stack, &self.notifier)?;
        connection.connect(IpEndpoint::new(address, remote.port))?;
        inner.state = State::Connecting(connection);
        Err(Errno::EINPROGRESS)
    }

    /// shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        let mut inner = self.inner.lock();
        inner.settle();
        let State::Connected(connection) = &mut inner.state else {
            return Err(Errno::ENOTCONN);
        };
        if write {
            connection.close();
        }
        inner.read_closed |= read;
        inner.write_closed |= write;
        drop(inner);
        self.notifier.queue.wake_all();
        Ok(())
    }

    /// Reads what has come; 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`, `ECONNRESET` and the error of a failed connect.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut inner = self.inner.lock();
        inner.settle();
        if let Some(error) = inner.error.take() {
            return Err(error);
        }
        if inner.read_closed {
            return Ok(0);
        }
        match &mut inner.state {
            State::Connected(connection) => connection.read(buffer),
            State::Connecting(_) => Err(Errno::EAGAIN),
            State::Closed => Ok(0),
            State::Fresh | State::Listening(_) => Err(Errno::ENOTCONN),
        }
    }

    /// Sends what there is room for.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `ENOTCONN`, and the error of a failed connect.
    pub fn send(&self, bytes: &[u8]) -> Result<usize> {
        let mut inner = self.inner.lock();
        inner.settle();
        if let Some(error) = inner.error.take() {
            return Err(error);
        }
        if inner.write_closed {
            return Err(Errno::EPIPE);
        }
        match &mut inner.state {
            State::Connected(connection) => connection.write(bytes),
            State::Connecting(_) => Err(Errno::EAGAIN),
            State::Closed => Err(Errno::EPIPE),
            State::Fresh | State::Listening(_) => Err(Errno::ENOTCONN),
        }
    }

    /// getsockname(2).
    pub fn local(&self) -> IpEndpoint {
        let inner = self.inner.lock();
        let any = IpAddress::Ipv4(Ipv4Address::UNSPECIFIED);
        match &inner.state {
            State::Connecting(connection) | State::Connected(connection) => {
                connection.local().unwrap_or(IpEndpoint::new(any, 0))
            }
            _ => {
                let (address, port) = inner.bound.unwrap_or((None, 0));
                IpEndpoint::new(address.unwrap_or(any), port)
            }
        }
    }

    /// getpeername(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn remote(&self) -> Result<IpEndpoint> {
        match &self.inner.lock().state {
            State::Connected(connection) => connection.remote().ok_or(Errno::ENOTCONN),
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Takes the pending error (SO_ERROR).
    pub fn take_error(&self) -> Option<Errno> {
        let mut inner = self.inner.lock();
        inner.settle();
        inner.error.take()
    }

    /// Whether it listens (SO_ACCEPTCONN).
    pub fn is_listening(&self) -> bool {
        matches!(self.inner.lock().state, State::Listening(_))
    }
}

impl Inner {
    /// Notices how a connect under way has ended.
    fn settle(&mut self) {
        let State::Connecting(connection) = &self.state else {
            return;
        };
        match connection.state() {
            TcpState::SynSent | TcpState::SynReceived => {}
            TcpState::Closed | TcpState::Listen => {
                self.state = State::Closed;
                self.error = Some(Errno::ECONNREFUSED);
            }
            _ => {
                if let State::Connecting(connection) = core::mem::replace(&mut self.state, State::Closed) {
                    self.state = State::Connected(connection);
                }
            }
        }
    }

    fn ready(&mut self) -> Ready {
        self.settle();
        let mut ready = Ready::empty();
        ready.set(Ready::ERR, self.error.is_some());
        match &self.state {
            State::Fresh => ready |= Ready::OUT | Ready::HUP,
            State::Closed => ready |= Ready::IN | Ready::OUT | Ready::HUP | Ready::RDHUP,
            State::Listening(listener) => ready.set(Ready::IN, listener.has_connection()),
            State::Connecting(connection) => {
                let _ = connection.send_state();
            }
            State::Connected(connection) => {
                let (data, more) = connection.receive_state();
                let (room, open) = connection.send_state();
                let ended = !more && !data || self.read_closed;
                ready.set(Ready::IN, data || ended);
                ready.set(Ready::RDHUP, !more || self.read_closed);
                ready.set(Ready::OUT, room || !open || self.write_closed);
                ready.set(Ready::HUP, ended && (!open || self.write_closed));
            }
        }
        ready
    }
}

impl Pollable for TcpSocket {
    fn ready(&self) -> Ready {
        self.inner.lock().ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.notifier.queue)
    }
}

impl File for TcpSocket {
    fn read(&self, _pos: &mut u64, buf: &mut [u8]) -> Result<usize> {
        self.receive(buf)
    }

    fn write(&self, _pos: &mut u64, buf: &[u8]) -> Result<usize> {
        self.send(buf)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What fstat(2) tells of a socket.
pub fn socket_metadata() -> Metadata {
    let now = Timestamp::default();
    Metadata {
        device: 0,
        ino: 0,
        kind: FileKind::Socket,
        mode: 0o777,
        links: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        size: 0,
        blocks: 0,
        block_size: 4096,
        atime: now,
        mtime: now,
        ctime: now,
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        if let Some((_, port)) = inner.bound {
            PORTS.lock().retain(|&other| other != port);
        }
        if let State::Connected(mut connection) = core::mem::replace(&mut inner.state, State::Closed) {
            connection.close();
            let mut orphans = ORPHANS.lock();
            if orphans.try_reserve(1).is_ok() {
                orphans.push(connection);
            } else {
                drop(orphans);
                connection.abort();
            }
        }
    }
}

/// Lets go of closed connections that have nothing left to do. After every
/// poll of a stack, outside its section.
pub fn sweep() {
    let mut orphans = ORPHANS.lock();
    let mut index = 0;
    while index < orphans.len() {
        if matches!(orphans[index].state(), TcpState::Closed | TcpState::TimeWait) {
            let gone = orphans.swap_remove(index);
            drop(gone);
        } else {
            index += 1;
        }
    }
}

fn take_port(wish: u16) -> Result<u16> {
    let mut ports = PORTS.lock();
    ports.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    let port = match wish {
        0 => {
            let span = EPHEMERAL.end - EPHEMERAL.start;
            let start = (random::next_u64() % u64::from(span)) as u16;
            (0..span)
                .map(|step| EPHEMERAL.start + (start + step) % span)
                .find(|port| !ports.contains(port))
                .ok_or(Errno::EADDRINUSE)?
        }
        port if ports.contains(&port) => return Err(Errno::EADDRINUSE),
        port => port,
    };
    ports.push(port);
    Ok(port)
}
