//! TCP sockets with Linux's behaviour (tcp(7)), never waiting: what cannot go
//! on is `EAGAIN`, and waiting is done through [`Pollable`].

use super::connection::{Connection, Incoming};
use super::listener::Listener;
use super::notifier::Notifier;
use super::orphans::{leave, orphan};
use super::{ports, route};
use alloc::sync::Arc;
use core::any::Any;
use embassy_net::tcp::State as TcpState;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address};
use paddock_abi::socket::AF_INET;
use paddock_abi::termios::{FIONREAD, TIOCOUTQ};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_unix_sockets::{SocketOptions, next_ino, socket_metadata};
use paddock_vfs::{File, IoctlArg, Metadata};

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
    /// connect(2) has reported the connection, or it was accepted.
    told: bool,
    /// The connection was reset, which `error` has told.
    is_reset: bool,
    /// What had come when the notifier began to watch, but for what was read
    /// since; `None` if it does not watch.
    seen: Option<Incoming>,
}

/// A TCP socket.
pub struct TcpSocket {
    inner: SpinLock<Inner, PreemptOff>,
    notifier: Arc<Notifier>,
    /// What setsockopt(2) set.
    pub options: SocketOptions,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// What fstat(2) tells.
    pub ino: u64,
}

impl TcpSocket {
    /// A fresh socket.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Arc<TcpSocket>> {
        Self::of_family(AF_INET)
    }

    /// A fresh socket whose addresses are those of `AF_INET` or `AF_INET6`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn of_family(family: u16) -> Result<Arc<TcpSocket>> {
        Self::with_state(State::Fresh, family, Notifier::for_tcp()?)
    }

    fn with_state(state: State, family: u16, notifier: Arc<Notifier>) -> Result<Arc<TcpSocket>> {
        let told = matches!(state, State::Connected(_));
        let inner = Inner {
            state,
            bound: None,
            error: None,
            read_closed: false,
            write_closed: false,
            told,
            is_reset: false,
            seen: None,
        };
        let options = SocketOptions::default();
        let inner = SpinLock::new(Rank::SocketState, inner);
        let socket = try_arc(TcpSocket {
            inner,
            notifier,
            options,
            family,
            ino: next_ino(),
        })?;
        socket.notifier.belongs_to(&socket);
        Ok(socket)
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
        inner.bound = Some((address, ports::TCP.take(port)?));
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
            None => (None, ports::TCP.take(0)?),
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
        let peer = connection.remote().unwrap_or(IpEndpoint::new(
            IpAddress::Ipv4(Ipv4Address::UNSPECIFIED),
            0,
        ));
        let notifier = Notifier::for_tcp()?;
        connection.set_wakers(notifier.wakers()?);
        let socket = Self::with_state(State::Connected(connection), self.family, notifier)?;
        // Accepted sockets inherit it on Linux.
        socket.options.set_linger(self.options.linger());
        Ok((socket, peer))
    }

    /// connect(2): begins, or says how it went.
    ///
    /// # Errors
    /// `EINPROGRESS` when begun, `EALREADY` while under way, `EISCONN`,
    /// `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH`, `ENFILE`, `ENOMEM`.
    pub fn connect(&self, remote: IpEndpoint) -> Result<()> {
        let mut inner = self.inner.lock();
        inner.settle();
        let connected = matches!(inner.state, State::Connected(_));
        if let Some(error) = inner.error.take_if(|_| !connected) {
            inner.state = State::Fresh;
            return Err(error);
        }
        match inner.state {
            State::Fresh => {}
            State::Connecting(_) => return Err(Errno::EALREADY),
            State::Connected(_) if inner.told => return Err(Errno::EISCONN),
            State::Connected(_) => {
                inner.told = true;
                return Ok(());
            }
            State::Listening(_) => return Err(Errno::EISCONN),
            State::Closed => return Err(Errno::EINVAL),
        }
        let (stack, address) = route(remote.addr).ok_or(Errno::ENETUNREACH)?;
        let mut connection = Connection::new(stack, self.notifier.wakers()?)?;
        connection.connect(IpEndpoint::new(address, remote.port))?;
        inner.state = State::Connecting(connection);
        Err(Errno::EINPROGRESS)
    }

    /// shutdown(2). It ends an attempt to connect, and the reading side of a
    /// listening socket stands for all of it.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        let mut inner = self.inner.lock();
        inner.settle();
        inner.notice_reset();
        let (is_reset, mut ended) = (inner.is_reset, State::Fresh);
        match &mut inner.state {
            State::Connected(_) if is_reset => return Err(Errno::ENOTCONN),
            State::Connected(connection) => {
                if write {
                    connection.close();
                }
                inner.read_closed |= read;
                inner.write_closed |= write;
            }
            State::Connecting(_) => {
                core::mem::swap(&mut inner.state, &mut ended);
                inner.error = Some(Errno::ECONNRESET);
            }
            State::Listening(_) if read => core::mem::swap(&mut inner.state, &mut ended),
            State::Listening(_) => {}
            State::Fresh | State::Closed => return Err(Errno::ENOTCONN),
        }
        drop(inner);
        drop(ended);
        self.notifier.queue.wake_all();
        Ok(())
    }

    /// Ends the connection at once: what waits is lost, and the other side
    /// sees a reset.
    pub fn reset(&self) {
        let mut inner = self.inner.lock();
        let state = core::mem::replace(&mut inner.state, State::Closed);
        match state {
            State::Connected(connection) => {
                drop(inner);
                orphan(connection, true);
                self.notifier.queue.wake_all();
            }
            other => inner.state = other,
        }
    }

    /// Reads what has come; 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`, `ECONNRESET` and the error of a failed connect.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        let inner = &mut *self.inner.lock();
        inner.settle();
        match &mut inner.state {
            State::Connected(_) if inner.read_closed => inner.end_of_data(),
            State::Connected(connection) => {
                let result = connection.read(buffer);
                if let (Ok(count), Some(seen)) = (&result, &mut inner.seen) {
                    seen.unread = seen.unread.saturating_sub(*count);
                }
                match result {
                    Err(Errno::ECONNRESET) => inner.end_of_data(),
                    result => result,
                }
            }
            State::Connecting(_) => Err(Errno::EAGAIN),
            State::Closed => inner.end_of_data(),
            State::Fresh | State::Listening(_) => Err(Errno::ENOTCONN),
        }
    }

    /// Copies what has come without taking it; 0 at the end. The errors of
    /// [`Self::receive`].
    pub fn peek(&self, buffer: &mut [u8]) -> Result<usize> {
        let inner = &mut *self.inner.lock();
        inner.settle();
        match &mut inner.state {
            State::Connected(connection) => match connection.peek(buffer) {
                Err(Errno::ECONNRESET) => inner.end_of_data(),
                result => result,
            },
            State::Connecting(_) => Err(Errno::EAGAIN),
            State::Closed => inner.end_of_data(),
            State::Fresh | State::Listening(_) => Err(Errno::ENOTCONN),
        }
    }

    /// Bytes that have come and not been read, and bytes that the other side
    /// has not acknowledged. `EINVAL` if it listens.
    pub fn queues(&self) -> Result<(usize, usize)> {
        match &self.inner.lock().state {
            State::Connected(connection) => Ok(connection.queues()),
            State::Listening(_) => Err(Errno::EINVAL),
            _ => Ok((0, 0)),
        }
    }

    /// Sends what there is room for.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, and the error of a failed connect.
    pub fn send(&self, bytes: &[u8]) -> Result<usize> {
        let inner = &mut *self.inner.lock();
        inner.settle();
        let result = match &mut inner.state {
            State::Connected(connection) if !inner.write_closed => connection.write(bytes),
            State::Connecting(_) => Err(Errno::EAGAIN),
            _ => Err(Errno::EPIPE),
        };
        if result != Err(Errno::EPIPE) {
            return result;
        }
        // The reason is told once.
        inner.notice_reset();
        Err(inner.error.take().unwrap_or(Errno::EPIPE))
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
            State::Connected(connection) if connection.state() != TcpState::Closed => {
                connection.remote().ok_or(Errno::ENOTCONN)
            }
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Takes the pending error (SO_ERROR).
    pub fn take_error(&self) -> Option<Errno> {
        let mut inner = self.inner.lock();
        inner.settle();
        inner.notice_reset();
        inner.error.take()
    }

    /// Whether it listens (SO_ACCEPTCONN).
    pub fn is_listening(&self) -> bool {
        matches!(self.inner.lock().state, State::Listening(_))
    }
}

impl TcpSocket {
    /// Tells of what has come since the notifier began to watch. False if
    /// nothing has: it goes on.
    pub fn look_for_news(&self) -> bool {
        let mut inner = self.inner.lock();
        if let State::Listening(listener) = &mut inner.state {
            // First: who comes from here on has it asked again.
            self.notifier.unwatch();
            listener.note_arrivals();
            return true;
        }
        let now = match &inner.state {
            State::Connected(connection) => Some(connection.glance()),
            _ => None,
        };
        if now.is_some() && now == inner.seen {
            return false;
        }
        let watched = inner.seen.take().is_some();
        self.notifier.unwatch();
        drop(inner);
        if watched {
            self.notifier.tell();
        }
        true
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
                self.error = Some(connection.failure());
                self.state = State::Closed;
            }
            _ => {
                if let State::Connecting(mut connection) =
                    core::mem::replace(&mut self.state, State::Closed)
                {
                    connection.note_ends();
                    self.state = State::Connected(connection);
                }
            }
        }
    }

    /// Notices that the connection was reset: it is over without both sides
    /// having said so. What has come before can still be read.
    fn notice_reset(&mut self) {
        let State::Connected(connection) = &mut self.state else {
            return;
        };
        if self.is_reset || connection.state() != TcpState::Closed {
            return;
        }
        let error = match (self.write_closed, connection.peer_has_ended()) {
            // Over as it should be, or not to be told from that yet.
            (true, Some(true) | None) => return,
            // As Linux in CLOSE_WAIT.
            (false, Some(true)) => Errno::EPIPE,
            _ => Errno::ECONNRESET,
        };
        self.is_reset = true;
        self.error = Some(error);
    }

    /// What reading gives when nothing can come any more.
    fn end_of_data(&mut self) -> Result<usize> {
        self.notice_reset();
        self.error.take().map_or(Ok(0), Err)
    }

    fn ready(&mut self) -> Ready {
        self.settle();
        self.notice_reset();
        let mut ready = Ready::empty();
        ready.set(Ready::ERR, self.error.is_some());
        match &self.state {
            State::Fresh => ready |= Ready::OUT | Ready::HUP,
            State::Closed => ready |= Ready::IN | Ready::OUT | Ready::HUP | Ready::RDHUP,
            State::Listening(listener) => ready.set(Ready::IN, listener.has_connection()),
            State::Connecting(connection) => {
                let _ = connection.send_state();
            }
            State::Connected(_) if self.is_reset => {
                ready |= Ready::IN | Ready::OUT | Ready::HUP | Ready::RDHUP;
            }
            State::Connected(connection) => {
                let incoming = connection.incoming();
                let (data, more) = (incoming.unread > 0, incoming.is_open());
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
        let mut inner = self.inner.lock();
        let ready = inner.ready();
        // Data and room, and more or the end may still come.
        if ready & (Ready::IN | Ready::OUT | Ready::RDHUP) != Ready::IN | Ready::OUT
            || inner.seen.is_some()
        {
            return ready;
        }
        // What comes from here on is news; what has come is told.
        self.notifier.watch();
        if let State::Connected(connection) = &inner.state {
            inner.seen = Some(connection.incoming());
        }
        inner.ready()
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

    fn ioctl(&self, command: u32, argument: &mut dyn IoctlArg) -> Result<u64> {
        let (unread, unsent) = match command {
            FIONREAD | TIOCOUTQ => self.queues()?,
            _ => return Err(Errno::ENOTTY),
        };
        argument.write_i32(if command == FIONREAD { unread } else { unsent } as i32)?;
        Ok(0)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata(self.ino))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        match core::mem::replace(&mut inner.state, State::Closed) {
            State::Connected(connection) if self.options.linger() == Some(0) => {
                orphan(connection, true);
            }
            State::Connected(connection) => leave(connection),
            other => drop(other),
        }
        // Only now: who takes the port next must not share it with sockets
        // that listened.
        if let Some((_, port)) = inner.bound {
            ports::TCP.release(port);
        }
    }
}
