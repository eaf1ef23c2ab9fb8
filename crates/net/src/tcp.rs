//! TCP sockets with Linux's behaviour (tcp(7)), never waiting: what cannot go
//! on is `EAGAIN`, and waiting is done through [`paddock_sync::Pollable`].

use crate::listening::Listener;
use crate::net::{Bound, Interface, Net};
use crate::notifier::Notifier;
use crate::ports::Protocol;
use crate::slab::Key;
use crate::sockets::{Phase, Receive, Sockets, Tcp, waker_of};
use alloc::sync::Arc;
use alloc::vec::Vec;
use embassy_net::tcp::State as TcpState;
use embassy_net::{IpAddress, IpEndpoint, IpListenEndpoint, Ipv4Address};
use embassy_time::Duration;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, try_arc};
use paddock_unix_sockets::{SocketOptions, Switch, next_ino};

/// A connect that got no answer for this long was not refused: it timed out.
const NO_ANSWER: Duration = Duration::from_secs(59);

/// When an idle peer is probed while `SO_KEEPALIVE` is on, and how often
/// (tcp(7)); seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// `TCP_KEEPIDLE`.
    pub idle: u32,
    /// `TCP_KEEPINTVL`.
    pub interval: u32,
    /// `TCP_KEEPCNT`.
    pub count: u32,
}

impl Default for KeepAlive {
    fn default() -> Self {
        KeepAlive {
            idle: 7200,
            interval: 75,
            count: 9,
        }
    }
}

impl KeepAlive {
    /// Between probes, and until the peer is given up.
    fn durations(self) -> (Duration, Duration) {
        let seconds = |count: u32| Duration::from_secs(u64::from(count.max(1)));
        let patience = self
            .idle
            .saturating_add(self.interval.saturating_mul(self.count));
        // The stack probes at one pace: the shorter of the two.
        (seconds(self.idle.min(self.interval)), seconds(patience))
    }
}

/// A connection in its stack.
#[derive(Clone, Copy)]
pub(crate) struct Connection {
    interface: Interface,
    key: Key<Tcp>,
}

enum State {
    Fresh,
    /// A connect is being begun.
    Starting,
    Listening(Vec<(Interface, Key<Listener>)>),
    Connecting(Connection),
    Connected(Connection),
    /// It was connected, or tried to be.
    Closed,
}

struct Inner {
    state: State,
    bound: Option<Bound>,
    keep_alive: KeepAlive,
    /// What the stack was told of `keep_alive`.
    probing: bool,
    /// connect(2) has reported the connection, or it was accepted.
    told: bool,
    error: Option<Errno>,
    /// Whether the reset of the connection was turned into an error already.
    reset_seen: bool,
    read_closed: bool,
    write_closed: bool,
    linger_reset: bool,
    /// What MSG_PEEK has looked at, to be read first.
    peeked: Vec<u8>,
    /// Whom a program connected to, if that is reached by another address.
    peer: Option<IpEndpoint>,
}

/// A TCP socket.
pub struct TcpSocket {
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

impl TcpSocket {
    /// A fresh socket of `AF_INET` or `AF_INET6`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(net: &Arc<Net>, family: u16) -> Result<Arc<TcpSocket>> {
        let inner = Inner {
            state: State::Fresh,
            bound: None,
            keep_alive: KeepAlive::default(),
            probing: false,
            told: false,
            error: None,
            reset_seen: false,
            read_closed: false,
            write_closed: false,
            linger_reset: false,
            peeked: Vec::new(),
            peer: None,
        };
        let inner = SpinLock::new(Rank::SocketState, inner);
        try_arc(TcpSocket {
            net: net.clone(),
            inner,
            notifier: try_arc(Notifier::default())?,
            options: SocketOptions::default(),
            family,
            ino: next_ino(),
        })
    }

    /// bind(2). No address is any; port 0 is a port of the system's choice.
    ///
    /// # Errors
    /// `EINVAL` if bound already, `EADDRINUSE`, `EADDRNOTAVAIL`, `ENOMEM`.
    pub fn bind(&self, address: Option<IpAddress>, port: u16) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.bound.is_some() || !matches!(inner.state, State::Fresh) {
            return Err(Errno::EINVAL);
        }
        inner.bound = Some(Bound::new(
            &self.net,
            Protocol::Tcp,
            address,
            port,
            self.options.is_on(Switch::ReuseAddress),
        )?);
        Ok(())
    }

    /// listen(2), through every interface that leads to the bound address.
    ///
    /// # Errors
    /// `EINVAL` if connected, `EADDRINUSE`, `ENFILE`, `ENOMEM`.
    pub fn listen(&self, backlog: usize) -> Result<()> {
        let mut inner = self.inner.lock();
        match &inner.state {
            State::Fresh => {}
            State::Listening(listeners) => {
                for &(interface, key) in listeners {
                    self.section(interface, |sockets| sockets.set_backlog(key, backlog));
                }
                return Ok(());
            }
            _ => return Err(Errno::EINVAL),
        }
        if inner.bound.is_none() {
            inner.bound = Some(Bound::new(&self.net, Protocol::Tcp, None, 0, false)?);
        }
        let Some(bound) = &inner.bound else {
            return Err(Errno::EINVAL);
        };
        bound.listen()?;
        let listeners = self.start_listening(bound.address, bound.port, backlog)?;
        inner.state = State::Listening(listeners);
        Ok(())
    }

    fn start_listening(
        &self,
        address: Option<IpAddress>,
        port: u16,
        backlog: usize,
    ) -> Result<Vec<(Interface, Key<Listener>)>> {
        let mut listeners = Vec::new();
        listeners
            .try_reserve_exact(Interface::ALL.len())
            .map_err(|_| Errno::ENOMEM)?;
        for (interface, addr) in self.net.reached_by(address) {
            let endpoint = IpListenEndpoint { addr, port };
            let waker = waker_of(&self.notifier);
            match self.section(interface, |sockets| {
                sockets.add_listener(endpoint, backlog, waker)
            }) {
                Some(Ok(key)) => listeners.push((interface, key)),
                Some(Err(error)) => {
                    self.stop_listening(&listeners);
                    return Err(error);
                }
                None => {}
            }
        }
        Ok(listeners)
    }

    fn stop_listening(&self, listeners: &[(Interface, Key<Listener>)]) {
        for &(interface, key) in listeners {
            self.section(interface, |sockets| sockets.remove_listener(key));
        }
    }

    /// accept(2): the new socket and its peer.
    ///
    /// # Errors
    /// `EAGAIN`, `EINVAL` if it does not listen, `ENOMEM`.
    pub fn accept(&self) -> Result<(Arc<TcpSocket>, IpEndpoint)> {
        let accepted = Self::new(&self.net, self.family)?;
        let (connection, keep_alive) = {
            let inner = self.inner.lock();
            let State::Listening(listeners) = &inner.state else {
                return Err(Errno::EINVAL);
            };
            let connection = listeners.iter().find_map(|&(interface, key)| {
                let waker = waker_of(&accepted.notifier);
                let key = self.section(interface, |sockets| sockets.accept(key, waker))??;
                Some(Connection { interface, key })
            });
            (connection.ok_or(Errno::EAGAIN)?, inner.keep_alive)
        };
        let peer = self.with(connection, |tcp, _| tcp.remote()).flatten();
        let mut inner = accepted.inner.lock();
        inner.state = State::Connected(connection);
        inner.told = true;
        inner.keep_alive = keep_alive;
        drop(inner);
        for inherited in [Switch::KeepAlive, Switch::NoDelay, Switch::UrgentInline] {
            accepted
                .options
                .set(inherited, self.options.is_on(inherited));
        }
        Ok((accepted, peer.unwrap_or(IpEndpoint::new(UNSPECIFIED, 0))))
    }

    /// connect(2): begins, or says how it went.
    ///
    /// # Errors
    /// `EINPROGRESS` when begun, `EALREADY` while under way, `EISCONN` when
    /// that was told before,
    /// `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH`, `EADDRNOTAVAIL`, `ENFILE`,
    /// `ENOMEM`.
    pub fn connect(&self, remote: IpEndpoint) -> Result<()> {
        let bound = {
            let mut inner = self.inner.lock();
            self.settle(&mut inner);
            if let Some(error) = inner.error.take() {
                inner.state = State::Fresh;
                return Err(error);
            }
            match inner.state {
                State::Fresh => {}
                State::Starting | State::Connecting(_) => return Err(Errno::EALREADY),
                State::Connected(_) if !inner.told => {
                    inner.told = true;
                    return Ok(());
                }
                State::Connected(_) | State::Listening(_) => return Err(Errno::EISCONN),
                State::Closed => return Err(Errno::ECONNABORTED),
            }
            inner.state = State::Starting;
            inner.bound.as_ref().map(|bound| bound.port)
        };
        let started = self.start_connecting(remote, bound);
        let mut inner = self.inner.lock();
        match started {
            Ok(connection) => {
                inner.state = State::Connecting(connection);
                inner.peer = Some(remote);
                Err(Errno::EINPROGRESS)
            }
            Err(error) => {
                inner.state = State::Fresh;
                Err(error)
            }
        }
    }

    fn start_connecting(&self, remote: IpEndpoint, bound: Option<u16>) -> Result<Connection> {
        let (interface, address) = self.net.route(remote.addr);
        let remote = IpEndpoint::new(address, remote.port);
        if remote.port == 0 {
            return Err(Errno::ECONNREFUSED);
        }
        let waker = waker_of(&self.notifier);
        let add = |sockets: &mut Sockets| sockets.add_tcp(waker, Phase::Open);
        let key = self.section(interface, add).ok_or(Errno::ENETUNREACH)??;
        let mut port = bound;
        loop {
            let wanted = *port.get_or_insert_with(|| self.free_port(interface));
            let connect = |sockets: &mut Sockets| sockets.connect(key, remote, wanted);
            match self
                .section(interface, connect)
                .unwrap_or(Err(Errno::ENETUNREACH))
            {
                Ok(()) => return Ok(Connection { interface, key }),
                // The stack counts on from here in the next section.
                Err(Errno::EAGAIN) => {}
                Err(error) => {
                    self.section(interface, |sockets| drop(sockets.tcp.remove(key)));
                    return Err(error);
                }
            }
        }
    }

    /// A port that nobody uses.
    fn free_port(&self, interface: Interface) -> u16 {
        const TRIES: usize = 64;
        let mut near = 0;
        for _ in 0..TRIES {
            let random = self.net.random();
            let look = |sockets: &mut Sockets| {
                let port = sockets.near_port(random);
                (port, sockets.has_local_port(port))
            };
            let Some((port, used)) = self.section(interface, look) else {
                break;
            };
            near = port;
            if !used && self.net.ports.lock().is_unclaimed(Protocol::Tcp, port) {
                break;
            }
        }
        near
    }

    /// shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        let mut inner = self.inner.lock();
        self.settle(&mut inner);
        match &inner.state {
            State::Connected(connection) => {
                if write {
                    self.with(*connection, |tcp, changed| {
                        tcp.close();
                        *changed = true;
                    });
                }
                inner.read_closed |= read;
                inner.write_closed |= write;
            }
            State::Listening(listeners) if read => {
                // As on Linux: it listens no more, and accept is EINVAL.
                self.stop_listening(listeners);
                inner.state = State::Fresh;
            }
            _ => return Err(Errno::ENOTCONN),
        }
        drop(inner);
        self.notifier.queue.wake_all();
        Ok(())
    }

    /// Reads what has come; 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`, `ECONNRESET`, and the error of a failed connect.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut inner = self.inner.lock();
        if !inner.peeked.is_empty() {
            let count = buffer.len().min(inner.peeked.len());
            let (now, _) = inner.peeked.split_at(count);
            buffer[..count].copy_from_slice(now);
            inner.peeked.drain(..count);
            return Ok(count);
        }
        self.receive_new(&mut inner, buffer)
    }

    /// Reads what has come without taking it (`MSG_PEEK`).
    ///
    /// # Errors
    /// Those of [`Self::receive`], `ENOMEM`.
    pub fn peek(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut inner = self.inner.lock();
        let want = buffer.len().min(self.net.limits().buffer);
        while inner.peeked.len() < want {
            let mut peeked = core::mem::take(&mut inner.peeked);
            let had = peeked.len();
            let more = peeked
                .try_reserve_exact(want - had)
                .map_err(|_| Errno::ENOMEM);
            let result = more.and_then(|()| {
                peeked.resize(want, 0);
                self.receive_new(&mut inner, &mut peeked[had..])
            });
            peeked.truncate(had + result.unwrap_or(0));
            inner.peeked = peeked;
            match result {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) if had > 0 => break,
                Err(error) => return Err(error),
            }
        }
        let count = buffer.len().min(inner.peeked.len());
        buffer[..count].copy_from_slice(&inner.peeked[..count]);
        Ok(count)
    }

    fn receive_new(&self, inner: &mut Inner, buffer: &mut [u8]) -> Result<usize> {
        self.settle(inner);
        let connection = match &inner.state {
            State::Connected(connection) => *connection,
            State::Starting | State::Connecting(_) => return Err(Errno::EAGAIN),
            State::Closed => return inner.error.take().map_or(Ok(0), Err),
            State::Fresh | State::Listening(_) => return Err(Errno::ENOTCONN),
        };
        let result = self.with(connection, |tcp, changed| {
            let result = tcp.read(buffer);
            // There is room again: the peer wants to know.
            *changed = matches!(result, Ok(count) if count > 0);
            result
        });
        match result {
            Some(Ok(count)) if count > 0 || buffer.is_empty() => Ok(count),
            _ if inner.error.is_some() => inner.error.take().map_or(Ok(0), Err),
            Some(Err(Errno::ECONNRESET)) | None => Ok(0),
            Some(Err(Errno::EAGAIN)) if inner.read_closed => Ok(0),
            Some(result) => result,
        }
    }

    /// Sends what there is room for.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE` (the caller raises SIGPIPE), `ENOTCONN`,
    /// `ECONNRESET`, and the error of a failed connect.
    pub fn send(&self, bytes: &[u8]) -> Result<usize> {
        let mut inner = self.inner.lock();
        self.settle(&mut inner);
        if let Some(error) = inner.error.take() {
            return Err(error);
        }
        if inner.write_closed {
            return Err(Errno::EPIPE);
        }
        let connection = match &inner.state {
            State::Connected(connection) => *connection,
            State::Starting | State::Connecting(_) => return Err(Errno::EAGAIN),
            State::Closed => return Err(Errno::EPIPE),
            State::Fresh | State::Listening(_) => return Err(Errno::ENOTCONN),
        };
        if bytes.is_empty() {
            return Ok(0);
        }
        let result = self.with(connection, |tcp, changed| {
            let result = tcp.write(bytes);
            *changed = result.is_ok();
            result
        });
        result.unwrap_or(Err(Errno::EPIPE))
    }

    /// getsockname(2).
    pub fn local(&self) -> IpEndpoint {
        let inner = self.inner.lock();
        let connected = match &inner.state {
            State::Connecting(connection) | State::Connected(connection) => {
                self.with(*connection, |tcp, _| tcp.local()).flatten()
            }
            _ => None,
        };
        let bound = || {
            inner
                .bound
                .as_ref()
                .map(|bound| (bound.address.unwrap_or(UNSPECIFIED), bound.port))
        };
        connected
            .or_else(|| bound().map(|(address, port)| IpEndpoint::new(address, port)))
            .unwrap_or(IpEndpoint::new(UNSPECIFIED, 0))
    }

    /// getpeername(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn remote(&self) -> Result<IpEndpoint> {
        let mut inner = self.inner.lock();
        self.settle(&mut inner);
        let State::Connected(connection) = &inner.state else {
            return Err(Errno::ENOTCONN);
        };
        if inner.reset_seen {
            return Err(Errno::ENOTCONN);
        }
        let remote = || self.with(*connection, |tcp, _| tcp.remote()).flatten();
        inner.peer.or_else(remote).ok_or(Errno::ENOTCONN)
    }

    /// Takes the pending error (`SO_ERROR`).
    pub fn take_error(&self) -> Option<Errno> {
        let mut inner = self.inner.lock();
        self.settle(&mut inner);
        inner.error.take()
    }

    /// Whether it listens (`SO_ACCEPTCONN`).
    pub fn is_listening(&self) -> bool {
        matches!(self.inner.lock().state, State::Listening(_))
    }

    /// Close with a reset instead of an end (`SO_LINGER` with no time).
    pub fn set_linger_reset(&self, reset: bool) {
        self.inner.lock().linger_reset = reset;
    }

    /// How idle peers are probed.
    pub fn keep_alive(&self) -> KeepAlive {
        self.inner.lock().keep_alive
    }

    /// Changes how idle peers are probed while `SO_KEEPALIVE` is on; accepted
    /// sockets inherit it.
    pub fn set_keep_alive(&self, keep_alive: KeepAlive) {
        let mut inner = self.inner.lock();
        inner.keep_alive = keep_alive;
        inner.probing = false;
        self.settle(&mut inner);
    }

    /// Tells the stack of `SO_KEEPALIVE`, if that has changed.
    fn settle_keep_alive(&self, connection: Connection, inner: &mut Inner) {
        let wanted = self.options.is_on(Switch::KeepAlive);
        if inner.probing == wanted {
            return;
        }
        inner.probing = wanted;
        let probing = wanted.then(|| inner.keep_alive.durations());
        self.with(connection, |tcp, changed| {
            tcp.keep_alive(probing);
            *changed = true;
        });
    }

    /// Bytes that have come and not been read, and bytes that the other side
    /// has not acknowledged (`FIONREAD`, `TIOCOUTQ`).
    ///
    /// # Errors
    /// `EINVAL` if it listens.
    pub fn queues(&self) -> Result<(usize, usize)> {
        let inner = self.inner.lock();
        let queues = match &inner.state {
            State::Connected(connection) => self.with(*connection, |tcp, _| {
                (tcp.receive_queue(), tcp.send_queue())
            }),
            State::Listening(_) => return Err(Errno::EINVAL),
            _ => None,
        };
        let (unread, unsent) = queues.unwrap_or((0, 0));
        Ok((inner.peeked.len() + unread, unsent))
    }

    fn section<T: Send>(
        &self,
        interface: Interface,
        body: impl FnOnce(&mut Sockets) -> T,
    ) -> Option<T> {
        Some(self.net.door(interface)?.section(body))
    }

    /// Runs `body` with a connection; it says whether it changed something
    /// that the stack has to act on.
    fn with<T: Send>(
        &self,
        connection: Connection,
        body: impl FnOnce(&mut Tcp, &mut bool) -> T,
    ) -> Option<T> {
        self.section(connection.interface, |sockets| {
            let mut changed = false;
            let value = body(sockets.tcp.get_mut(connection.key)?, &mut changed);
            sockets.changed |= changed;
            Some(value)
        })?
    }

    /// Notices how a connect under way has ended, and a reset.
    fn settle(&self, inner: &mut Inner) {
        match &inner.state {
            State::Connecting(connection) => self.settle_connect(*connection, inner),
            State::Connected(connection) if !inner.reset_seen => {
                let connection = *connection;
                self.settle_keep_alive(connection, inner);
                let open = !inner.write_closed;
                let reset = self.with(connection, |tcp, _| is_reset(tcp, open));
                if reset == Some(true) {
                    inner.reset_seen = true;
                    inner.error = Some(Errno::ECONNRESET);
                }
            }
            _ => {}
        }
    }

    fn settle_connect(&self, connection: Connection, inner: &mut Inner) {
        let state = self.with(connection, |tcp, _| (tcp.state(), tcp.since().elapsed()));
        match state {
            Some((TcpState::SynSent | TcpState::SynReceived, _)) => {}
            Some((TcpState::Closed | TcpState::Listen, elapsed)) => {
                let timed_out = elapsed >= NO_ANSWER;
                inner.error = Some(if timed_out {
                    Errno::ETIMEDOUT
                } else {
                    Errno::ECONNREFUSED
                });
                inner.state = State::Closed;
                self.section(connection.interface, |sockets| {
                    drop(sockets.tcp.remove(connection.key))
                });
            }
            Some(_) => inner.state = State::Connected(connection),
            None => inner.state = State::Closed,
        }
    }

    pub(crate) fn readiness(&self) -> Ready {
        let mut inner = self.inner.lock();
        self.settle(&mut inner);
        let mut ready = Ready::empty();
        ready.set(Ready::ERR, inner.error.is_some());
        match &inner.state {
            State::Fresh => ready |= Ready::OUT | Ready::HUP,
            State::Starting => {}
            State::Closed => ready |= Ready::IN | Ready::OUT | Ready::HUP | Ready::RDHUP,
            State::Listening(listeners) => {
                let waits = |&(interface, key)| {
                    self.section(interface, |sockets| sockets.has_connection(key))
                };
                ready.set(
                    Ready::IN,
                    listeners
                        .iter()
                        .any(|listener| waits(listener) == Some(true)),
                );
            }
            State::Connecting(connection) => drop(self.with(*connection, |tcp, _| tcp.watch())),
            State::Connected(connection) => ready |= self.connected_readiness(*connection, &inner),
        }
        ready
    }

    fn connected_readiness(&self, connection: Connection, inner: &Inner) -> Ready {
        let look = |tcp: &mut Tcp, _: &mut bool| {
            tcp.watch();
            (tcp.receive_state(), tcp.send_state(), tcp.peer_ended())
        };
        let Some((receive, (room, open), peer_ended)) = self.with(connection, look) else {
            return Ready::IN | Ready::OUT | Ready::HUP | Ready::RDHUP;
        };
        let ended = matches!(receive, Receive::End | Receive::Reset) || inner.read_closed;
        let written = !open || inner.write_closed;
        let mut ready = Ready::empty();
        ready.set(
            Ready::IN,
            receive == Receive::Data || ended || !inner.peeked.is_empty(),
        );
        ready.set(Ready::RDHUP, ended || peer_ended);
        ready.set(Ready::OUT, room || written);
        ready.set(Ready::HUP, ended && written);
        ready
    }

    /// Takes the connection away from the socket, which is going.
    fn let_go(&self) {
        let mut inner = self.inner.lock();
        let reset = inner.linger_reset || !inner.peeked.is_empty();
        match core::mem::replace(&mut inner.state, State::Closed) {
            State::Connecting(connection) | State::Connected(connection) => {
                self.section(connection.interface, |sockets| {
                    sockets.orphan(connection.key, reset)
                });
            }
            State::Listening(listeners) => self.stop_listening(&listeners),
            _ => {}
        }
    }
}

/// Whether the peer has reset the connection: it is closed, and not because
/// both sides ended it. `open` says that this side did not.
fn is_reset(tcp: &mut Tcp, open: bool) -> bool {
    tcp.state() == TcpState::Closed
        && match tcp.receive_state() {
            Receive::Reset => true,
            Receive::Data => open,
            _ => false,
        }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        self.let_go();
    }
}
