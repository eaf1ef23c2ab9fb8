//! TCP sockets of programs with Linux's behaviour (tcp(7)), never waiting: what
//! cannot go on is `EAGAIN`, and waiting is done through [`paddock_sync::Pollable`].

mod file;

use super::notifier::Notifier;
use super::ports::SERVICES;
use super::space::{self, NetSpace};
use crate::process::accounts::paying;
use alloc::sync::Arc;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address, Ipv6Address};
use paddock_abi::socket::AF_INET;
use paddock_abi::{Errno, Result};
use paddock_inet::{Backlog, Claim, Figures, Id, LISTEN, Local, Settings, State as TcpState};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};
use paddock_unix_sockets::{SocketOptions, next_ino};
use paddock_user_io::{Pass, UserReader, UserWriter};

/// What a socket is.
#[derive(Clone, Copy)]
enum State {
    Fresh,
    Listening(Id),
    /// It has a connection; whether connect(2) has told of it, or it was
    /// accepted.
    Connection(Id, bool),
}

struct Inner {
    state: State,
    /// The port of bind(2) or listen(2).
    claim: Option<Claim>,
    /// How an attempt ended that was given up.
    error: Option<Errno>,
    settings: Settings,
}

/// A TCP socket.
pub struct TcpSocket {
    inner: SpinLock<Inner, PreemptOff>,
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

/// Bytes that go to or come from a program at once.
pub const PIECE: usize = 65_536;
/// Where a service of the kernel is reached on this machine: at one address.
fn towards(space: &NetSpace, remote: IpEndpoint) -> IpEndpoint {
    if !space.is_initial() || !SERVICES.has(remote.port) || !space.is_own(remote.addr) {
        return remote;
    }
    let address = match remote.addr {
        IpAddress::Ipv4(_) => Ipv4Address::LOCALHOST.into(),
        IpAddress::Ipv6(_) => Ipv6Address::LOCALHOST.into(),
    };
    IpEndpoint::new(address, remote.port)
}

impl TcpSocket {
    /// A fresh socket of the first namespace.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Arc<TcpSocket>> {
        Self::of_family(AF_INET, space::initial())
    }

    /// A fresh socket of a namespace, whose addresses are those of `AF_INET` or
    /// `AF_INET6`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn of_family(family: u16, space: &Arc<NetSpace>) -> Result<Arc<TcpSocket>> {
        let inner = Inner {
            state: State::Fresh,
            claim: None,
            error: None,
            settings: super::settings_of(family),
        };
        let ino = next_ino();
        try_arc(TcpSocket {
            inner: SpinLock::new(Rank::SocketState, inner),
            notifier: Notifier::new(family, ino)?,
            space: space.clone(),
            options: SocketOptions::default(),
            family,
            ino,
        })
    }

    /// bind(2). Port 0 is a port of the system's choice.
    ///
    /// # Errors
    /// `EINVAL` if bound already, `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&self, local: Local, port: u16) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.claim.is_some() || !matches!(inner.state, State::Fresh) {
            return Err(Errno::EINVAL);
        }
        let settings = inner.settings;
        inner.claim = Some(
            self.space
                .with(|stack, _| stack.bind(local, port, &settings))?,
        );
        Ok(())
    }

    /// listen(2). Again it sets another backlog.
    ///
    /// # Errors
    /// `EINVAL` if connected, `EADDRINUSE`, `ENOMEM`.
    pub fn listen(&self, backlog: usize) -> Result<()> {
        let (backlog, account) = (Backlog::new(backlog), paying());
        let mut inner = self.inner.lock();
        let settings = inner.settings;
        match inner.state {
            State::Fresh => {}
            State::Listening(id) => {
                self.space.with(|stack, _| stack.set_backlog(id, backlog));
                return Ok(());
            }
            State::Connection(..) => return Err(Errno::EINVAL),
        }
        let claim = match inner.claim {
            Some(claim) => claim,
            None => self
                .space
                .with(|stack, _| stack.bind(settings.any, 0, &settings))?,
        };
        inner.claim = Some(claim);
        let owner = self.notifier.clone();
        let listening = self
            .space
            .with(|stack, _| stack.listen(claim, backlog, settings, owner, account));
        inner.state = State::Listening(listening?);
        Ok(())
    }

    /// accept(2): the new socket and the peer.
    ///
    /// # Errors
    /// `EAGAIN`, `EINVAL` if it does not listen, `ENOMEM`.
    pub fn accept(&self) -> Result<(Arc<TcpSocket>, IpEndpoint)> {
        let inner = self.inner.lock();
        let State::Listening(id) = inner.state else {
            return Err(Errno::EINVAL);
        };
        if self
            .space
            .with(|stack, _| stack.listener_ready(id))
            .is_empty()
        {
            return Err(Errno::EAGAIN);
        }
        let settings = inner.settings;
        drop(inner);
        let socket = Self::of_family(self.family, &self.space)?;
        let (owner, account) = (socket.notifier.clone(), paying());
        let accepted = self
            .space
            .with(|stack, _| stack.accept(id, owner, &account))?;
        let mut inner = socket.inner.lock();
        (inner.state, inner.settings) = (State::Connection(accepted.id, true), settings);
        drop(inner);
        socket.options.inherit(&self.options);
        Ok((socket, accepted.remote))
    }

    /// connect(2): begins, or says how it went.
    ///
    /// # Errors
    /// `EINPROGRESS` when begun, `EALREADY` while under way, `EISCONN`,
    /// `ECONNREFUSED`, `ETIMEDOUT`, `EHOSTUNREACH`, `ENETUNREACH`,
    /// `EADDRNOTAVAIL`, `ENFILE`, `ENOMEM`.
    pub fn connect(&self, remote: IpEndpoint) -> Result<()> {
        let remote = towards(&self.space, remote);
        let mut inner = self.inner.lock();
        match inner.state {
            State::Fresh => self.begin(&mut inner, remote),
            State::Listening(_) | State::Connection(_, true) => Err(Errno::EISCONN),
            State::Connection(id, false) => inner.outcome(&self.space, id),
        }
    }

    fn begin(&self, inner: &mut Inner, remote: IpEndpoint) -> Result<()> {
        if let Some(error) = inner.error.take() {
            return Err(error);
        }
        let (claim, settings, account) = (inner.claim, inner.settings, paying());
        let owner = self.notifier.clone();
        let id = self
            .space
            .with(|stack, now| stack.connect(now, claim, remote, settings, owner, &account))?;
        inner.state = State::Connection(id, false);
        Err(Errno::EINPROGRESS)
    }

    /// shutdown(2). It ends an attempt to connect, and the reading side of a
    /// listening socket stands for all of it.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        let mut inner = self.inner.lock();
        match inner.state {
            State::Fresh => return Err(Errno::ENOTCONN),
            State::Listening(_) if !read => return Ok(()),
            State::Listening(id) => {
                inner.state = State::Fresh;
                self.space.with(|stack, now| stack.close_listener(now, id));
            }
            State::Connection(id, _) => {
                let given_up = self.space.with(|stack, now| match stack.state(id) {
                    TcpState::SynSent | TcpState::SynReceived => {
                        stack.close(now, id, true);
                        Ok(true)
                    }
                    // The stack tells what that changes.
                    _ => stack.shutdown(now, id, read, write).map(|()| false),
                })?;
                if !given_up {
                    return Ok(());
                }
                (inner.state, inner.error) = (State::Fresh, Some(Errno::ECONNRESET));
            }
        }
        drop(inner);
        self.notifier.queue.wake_all();
        Ok(())
    }

    /// What it stands for, and the error of an attempt that was given up.
    fn state(&self) -> (State, Option<Errno>) {
        let mut inner = self.inner.lock();
        match inner.state {
            State::Fresh => (State::Fresh, inner.error.take()),
            state => (state, None),
        }
    }

    /// Reads what has come; 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`, and the connection's error, once.
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        match self.state() {
            (State::Connection(id, _), _) => {
                self.space.with(|stack, now| stack.read(now, id, buffer))
            }
            (_, error) => Err(error.unwrap_or(Errno::ENOTCONN)),
        }
    }

    /// Copies what has come without taking it; 0 at the end. The errors of
    /// [`Self::receive`].
    pub fn peek(&self, buffer: &mut [u8]) -> Result<usize> {
        match self.state() {
            (State::Connection(id, _), _) => self.space.with(|stack, _| stack.peek(id, buffer)),
            (_, error) => Err(error.unwrap_or(Errno::ENOTCONN)),
        }
    }

    /// Bytes that have come and not been read, and bytes that the other side
    /// has not acknowledged. `EINVAL` if it listens.
    pub fn queues(&self) -> Result<(usize, usize)> {
        match self.inner.lock().state {
            State::Connection(id, _) => Ok(self.space.with(|stack, _| stack.queues(id))),
            State::Listening(_) => Err(Errno::EINVAL),
            State::Fresh => Ok((0, 0)),
        }
    }

    /// Sends what there is room for.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, and the connection's error, once.
    pub fn send(&self, bytes: &[u8]) -> Result<usize> {
        match self.state() {
            (State::Connection(id, _), _) => {
                self.space.with(|stack, now| stack.write(now, id, bytes))
            }
            (_, error) => Err(error.unwrap_or(Errno::EPIPE)),
        }
    }

    /// As [`Self::receive`], into a program's memory: what comes is copied once, while
    /// the stack is held. One pass, of up to [`PIECE`] bytes.
    fn receive_to(&self, to: &mut UserWriter<'_>) -> Result<Pass> {
        let (State::Connection(id, _), _) = self.state() else {
            return self.receive(&mut []).map(|_| Pass::NOTHING);
        };
        let most = to.left().min(PIECE);
        let mut wanted = 0;
        let take = |first: &[u8], second: &[u8]| {
            wanted = first.len() + second.len();
            to.copy_out_pieces_atomic(first, second)
        };
        let moved = self
            .space
            .with(|stack, now| stack.read_with(now, id, most, take))?;
        Ok(Pass { moved, wanted })
    }

    /// As [`Self::send`], from a program's memory, likewise.
    fn send_from(&self, from: &mut UserReader<'_>) -> Result<Pass> {
        let (State::Connection(id, _), _) = self.state() else {
            return self.send(&[]).map(|_| Pass::NOTHING);
        };
        let most = from.left().min(PIECE);
        let mut wanted = 0;
        let fill = |first: &mut [u8], second: &mut [u8]| {
            wanted = first.len() + second.len();
            from.copy_in_pieces_atomic(first, second)
        };
        let moved = self
            .space
            .with(|stack, now| stack.write_with(now, id, most, fill))?;
        Ok(Pass { moved, wanted })
    }

    /// getsockname(2).
    pub fn local(&self) -> IpEndpoint {
        let inner = self.inner.lock();
        let ends = match inner.state {
            State::Connection(id, _) => self.space.with(|stack, _| stack.ends(id)),
            _ => None,
        };
        match (ends, inner.claim) {
            (Some((local, _)), _) => local,
            (None, Some(claim)) => claim.end(),
            (None, None) => IpEndpoint::new(inner.settings.any.address(), 0),
        }
    }

    /// getpeername(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn remote(&self) -> Result<IpEndpoint> {
        let State::Connection(id, _) = self.inner.lock().state else {
            return Err(Errno::ENOTCONN);
        };
        self.space.with(|stack, _| match stack.state(id) {
            TcpState::Closed | TcpState::SynSent => Err(Errno::ENOTCONN),
            _ => stack
                .ends(id)
                .map(|(_, remote)| remote)
                .ok_or(Errno::ENOTCONN),
        })
    }

    /// Takes the pending error (SO_ERROR).
    pub fn take_error(&self) -> Option<Errno> {
        match self.state() {
            (State::Connection(id, _), _) => self.space.with(|stack, _| stack.take_error(id)),
            (_, error) => error,
        }
    }

    /// Whether it listens (SO_ACCEPTCONN).
    pub fn is_listening(&self) -> bool {
        matches!(self.inner.lock().state, State::Listening(_))
    }

    /// The options that the stack acts by.
    pub fn settings(&self) -> Settings {
        self.inner.lock().settings
    }

    /// What TCP_INFO tells of its connection.
    pub fn figures(&self) -> Option<Figures> {
        match self.inner.lock().state {
            State::Connection(id, _) => self.space.with(|stack, _| stack.figures(id)),
            _ => None,
        }
    }

    /// The state's number without a connection.
    pub fn state_number(&self) -> u8 {
        match self.is_listening() {
            true => LISTEN,
            false => TcpState::Closed.number(),
        }
    }

    /// Changes the options that the stack acts by.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut inner = self.inner.lock();
        change(&mut inner.settings);
        let settings = inner.settings;
        match inner.state {
            State::Fresh => {}
            State::Listening(id) => self.space.with(|stack, _| stack.set_listener(id, settings)),
            State::Connection(id, _) => self.space.with(|stack, now| stack.set(now, id, settings)),
        }
    }
}

impl Inner {
    /// How an attempt to connect has gone.
    fn outcome(&mut self, space: &NetSpace, id: Id) -> Result<()> {
        space.with(|stack, now| match stack.state(id) {
            TcpState::SynSent | TcpState::SynReceived => Err(Errno::EALREADY),
            TcpState::Closed => {
                let error = stack.take_error(id);
                stack.close(now, id, true);
                self.state = State::Fresh;
                Err(error.unwrap_or(Errno::ECONNABORTED))
            }
            _ => {
                self.state = State::Connection(id, true);
                Ok(())
            }
        })
    }
}
