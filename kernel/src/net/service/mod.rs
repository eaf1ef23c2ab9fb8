//! TCP sockets of the kernel's own services, on embassy-net. They only accept:
//! connections that the kernel makes are as those of programs
//! ([`super::tcp`]). Nothing waits: what cannot go on is `EAGAIN`, and waiting
//! is done through [`Pollable`].

mod connection;
mod listener;
mod notifier;
mod orphans;

use super::ports::SERVICES;
use alloc::sync::Arc;
use connection::{Connection, Incoming};
use embassy_net::tcp::State as TcpState;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address};
use listener::Listener;
use notifier::Notifier;
pub use notifier::wake_watched;
pub use orphans::sweep;
use orphans::{leave, orphan};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};

/// How many connections there are, those that only listen included, and how
/// many of them nobody has open any more.
pub fn counts() -> (usize, usize) {
    (connection::count(), orphans::count())
}

enum State {
    Fresh,
    Listening(Listener),
    Connected(Connection),
    Closed,
}

struct Inner {
    state: State,
    /// The address and port it is bound to.
    bound: Option<(Option<IpAddress>, u16)>,
    error: Option<Errno>,
    write_closed: bool,
    /// The connection was reset, which `error` has told.
    is_reset: bool,
    /// What had come when the notifier began to watch, but for what was read
    /// since; `None` if it does not watch.
    seen: Option<Incoming>,
}

/// A service's TCP socket.
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
        Self::with_state(State::Fresh, Notifier::new()?)
    }

    fn with_state(state: State, notifier: Arc<Notifier>) -> Result<Arc<TcpSocket>> {
        let inner = Inner {
            state,
            bound: None,
            error: None,
            write_closed: false,
            is_reset: false,
            seen: None,
        };
        let inner = SpinLock::new(Rank::SocketState, inner);
        let socket = try_arc(TcpSocket { inner, notifier })?;
        socket.notifier.belongs_to(&socket);
        Ok(socket)
    }

    /// Takes a port of an address, or of all of them.
    ///
    /// # Errors
    /// `EINVAL` if it has one, `EADDRINUSE`.
    pub fn bind(&self, address: Option<IpAddress>, port: u16) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.bound.is_some() || port == 0 {
            return Err(Errno::EINVAL);
        }
        SERVICES.take(port)?;
        inner.bound = Some((address, port));
        Ok(())
    }

    /// Listens at the port it is bound to.
    ///
    /// # Errors
    /// `EINVAL` if there is none, or it is connected; `EADDRNOTAVAIL`,
    /// `ENFILE`, `ENOMEM`.
    pub fn listen(&self, backlog: usize) -> Result<()> {
        let mut inner = self.inner.lock();
        match inner.state {
            State::Fresh => {}
            State::Listening(_) => return Ok(()),
            _ => return Err(Errno::EINVAL),
        }
        let (address, port) = inner.bound.ok_or(Errno::EINVAL)?;
        inner.state = State::Listening(Listener::new(address, port, backlog, &self.notifier)?);
        Ok(())
    }

    /// The next connection and its peer.
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
        let notifier = Notifier::new()?;
        connection.set_wakers(notifier.wakers()?);
        let socket = Self::with_state(State::Connected(connection), notifier)?;
        Ok((socket, peer))
    }

    /// Sends the end after all that was written.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn close_writing(&self) -> Result<()> {
        let mut inner = self.inner.lock();
        inner.notice_reset();
        let is_reset = inner.is_reset;
        match &mut inner.state {
            State::Connected(connection) if !is_reset => connection.close(),
            _ => return Err(Errno::ENOTCONN),
        }
        inner.write_closed = true;
        drop(inner);
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
    /// `EAGAIN`, `ENOTCONN`, `ECONNRESET`.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        let inner = &mut *self.inner.lock();
        match &mut inner.state {
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
            State::Closed => inner.end_of_data(),
            State::Fresh | State::Listening(_) => Err(Errno::ENOTCONN),
        }
    }

    /// Sends what there is room for.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `ECONNRESET`.
    pub fn send(&self, bytes: &[u8]) -> Result<usize> {
        let inner = &mut *self.inner.lock();
        let result = match &mut inner.state {
            State::Connected(connection) if !inner.write_closed => connection.write(bytes),
            _ => Err(Errno::EPIPE),
        };
        if result != Err(Errno::EPIPE) {
            return result;
        }
        // The reason is told once.
        inner.notice_reset();
        Err(inner.error.take().unwrap_or(Errno::EPIPE))
    }

    /// This side's address.
    pub fn local(&self) -> IpEndpoint {
        let inner = self.inner.lock();
        let any = IpAddress::Ipv4(Ipv4Address::UNSPECIFIED);
        match &inner.state {
            State::Connected(connection) => connection.local().unwrap_or(IpEndpoint::new(any, 0)),
            _ => {
                let (address, port) = inner.bound.unwrap_or((None, 0));
                IpEndpoint::new(address.unwrap_or(any), port)
            }
        }
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
        self.notice_reset();
        let mut ready = Ready::empty();
        ready.set(Ready::ERR, self.error.is_some());
        match &self.state {
            State::Fresh => ready |= Ready::OUT | Ready::HUP,
            State::Closed => ready |= Ready::IN | Ready::OUT | Ready::HUP | Ready::RDHUP,
            State::Listening(listener) => ready.set(Ready::IN, listener.has_connection()),
            State::Connected(_) if self.is_reset => {
                ready |= Ready::IN | Ready::OUT | Ready::HUP | Ready::RDHUP;
            }
            State::Connected(connection) => {
                let incoming = connection.incoming();
                let (data, more) = (incoming.unread > 0, incoming.is_open());
                let (room, open) = connection.send_state();
                let ended = !more && !data;
                ready.set(Ready::IN, data || ended);
                ready.set(Ready::RDHUP, !more);
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

impl Drop for TcpSocket {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        match core::mem::replace(&mut inner.state, State::Closed) {
            State::Connected(connection) => leave(connection),
            other => drop(other),
        }
        // Only now: who takes the port next must not share it with sockets
        // that listened.
        if let Some((_, port)) = inner.bound {
            SERVICES.release(port);
        }
    }
}
