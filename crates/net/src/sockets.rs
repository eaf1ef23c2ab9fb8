//! What a stack has behind its door: its connections, listeners and UDP
//! sockets, by key.

use crate::buffer::Lent;
use crate::listening::Listener;
use crate::net::Limits;
use crate::notifier::{Attention, Caretaker};
use crate::slab::{Key, Slab};
use crate::stack::SOCKETS;
use crate::udp::Datagrams;
use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::task::{Context, Poll, Waker};
use embassy_net::tcp::{Error, State, TcpSocket};
use embassy_net::{IpEndpoint, IpListenEndpoint, Stack};
use embassy_time::{Duration, Instant};
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;

/// Places that embassy-net takes for itself.
const OWN_SOCKETS: usize = 2;
/// How long a connect goes without an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a closed connection lives without a word from its peer.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(60);
/// The most closed connections that are kept for their peers' sake.
const MAX_ORPHANS: usize = 64;
/// The most of them that only wait for stray packets.
const MAX_TIME_WAIT: usize = 16;

/// Whose a connection is.
#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    /// A listener's.
    Listening,
    /// A socket's, on its way.
    Connecting,
    /// A socket's.
    Open,
    /// Nobody's: it ends by itself.
    Orphan,
}

/// What reading would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// Bytes.
    Data,
    /// Nothing yet.
    Pending,
    /// The end of the stream.
    End,
    /// The connection is gone.
    Reset,
}

/// A connection, or a socket that listens for one.
pub struct Tcp {
    // Borrows the two buffers, so it is declared, and dropped, before them.
    socket: TcpSocket<'static>,
    _receive: Lent<u8>,
    _send: Lent<u8>,
    waker: Waker,
    /// Whose it is.
    pub phase: Phase,
    since: Instant,
    /// What its waker was last told of: the state, and bytes to read.
    seen: (State, usize),
}

impl Tcp {
    /// The TCP state.
    pub fn state(&self) -> State {
        self.socket.state()
    }

    /// This side's address.
    pub fn local(&self) -> Option<IpEndpoint> {
        self.socket.local_endpoint()
    }

    /// The other side's address.
    pub fn remote(&self) -> Option<IpEndpoint> {
        self.socket.remote_endpoint()
    }

    /// When it came into its phase.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// From now on `waker` is told of changes.
    pub fn set_waker(&mut self, waker: Waker) {
        self.waker = waker;
        self.watch();
    }

    /// Arms the waker for changes in both directions. A direction that has
    /// something to tell now is left to [`Self::tell`].
    pub fn watch(&self) {
        let mut cx = Context::from_waker(&self.waker);
        let _ = pin!(self.socket.wait_read_ready()).poll(&mut cx);
        let _ = pin!(self.socket.wait_write_ready()).poll(&mut cx);
    }

    /// Tells the waker of what embassy-net tells nobody: a change of state
    /// while there are both bytes to read and room to write, and more bytes
    /// where there were some. After each poll of the runner.
    pub fn tell(&mut self) {
        let now = (self.state(), self.receive_queue());
        let (state, unread) = core::mem::replace(&mut self.seen, now);
        if now.0 != state || (unread > 0 && now.1 > unread) {
            self.waker.wake_by_ref();
        }
    }

    /// What reading would give. Changes nothing.
    pub fn receive_state(&mut self) -> Receive {
        if self.socket.can_recv() {
            return Receive::Data;
        }
        // There is nothing that this could take.
        match self.read(&mut [0]) {
            Ok(0) => Receive::End,
            Ok(_) => Receive::Data,
            Err(Errno::EAGAIN) => Receive::Pending,
            Err(_) => Receive::Reset,
        }
    }

    /// Whether the peer has sent its end, or is gone: there may still be
    /// bytes to read.
    pub fn peer_ended(&self) -> bool {
        !matches!(
            self.state(),
            State::Established | State::FinWait1 | State::FinWait2
        )
    }

    /// Whether there is room to send, and whether sending is possible at all.
    pub fn send_state(&self) -> (bool, bool) {
        (self.socket.can_send(), self.socket.may_send())
    }

    /// Bytes that can be read.
    pub fn receive_queue(&self) -> usize {
        self.socket.recv_queue()
    }

    /// Bytes that were not acknowledged yet.
    pub fn send_queue(&self) -> usize {
        self.socket.send_queue()
    }

    /// Reads what is there; 0 at the end. `EAGAIN` (with the waker armed),
    /// `ECONNRESET`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        let polled = pin!(self.socket.read(buffer)).poll(&mut cx);
        self.seen.1 = self.receive_queue();
        match polled {
            Poll::Ready(Ok(count)) => {
                // An edge-triggered wait follows without another look.
                self.watch();
                Ok(count)
            }
            Poll::Ready(Err(Error::ConnectionReset)) => Err(Errno::ECONNRESET),
            Poll::Pending => Err(Errno::EAGAIN),
        }
    }

    /// Writes what there is room for. `EAGAIN` (with the waker armed), `EPIPE`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        let polled = pin!(self.socket.write(bytes)).poll(&mut cx);
        match polled {
            Poll::Ready(Ok(count)) => {
                if count < bytes.len() {
                    self.watch();
                }
                Ok(count)
            }
            Poll::Ready(Err(Error::ConnectionReset)) => Err(Errno::EPIPE),
            Poll::Pending => Err(Errno::EAGAIN),
        }
    }

    /// Sends the end after all that was written.
    pub fn close(&mut self) {
        self.socket.close();
    }

    /// Probes an idle peer after `idle`, and gives it up after `patience`.
    pub fn keep_alive(&mut self, probing: Option<(Duration, Duration)>) {
        self.socket.set_keep_alive(probing.map(|(idle, _)| idle));
        self.socket
            .set_timeout(probing.map(|(_, patience)| patience));
    }

    /// Listens (again), whatever it did before. `EINVAL`.
    pub fn listen(&mut self, endpoint: IpListenEndpoint) -> Result<()> {
        if !matches!(
            self.state(),
            State::Closed | State::Listen | State::TimeWait
        ) {
            self.socket.abort();
        }
        self.socket.set_timeout(None);
        let mut cx = Context::from_waker(&self.waker);
        match pin!(self.socket.accept(endpoint)).poll(&mut cx) {
            Poll::Pending | Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(Errno::EINVAL),
        }
    }

    /// One poll of a connect. A connect to nowhere fails, but takes a port.
    fn connect(&mut self, remote: IpEndpoint) -> Result<()> {
        let mut cx = Context::from_waker(&self.waker);
        match pin!(self.socket.connect(remote)).poll(&mut cx) {
            Poll::Pending | Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(Errno::ENETUNREACH),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }

    /// Whether an orphan has nothing left to say.
    fn is_over(&self) -> bool {
        match self.state() {
            // The peer's address is there until the reset was sent.
            State::Closed => self.remote().is_none() || self.since.elapsed() > ORPHAN_TIMEOUT,
            State::Listen => true,
            _ => false,
        }
    }
}

/// A stack's sockets. Only there in a section.
pub struct Sockets {
    /// The stack.
    pub stack: Stack<'static>,
    /// Connections.
    pub tcp: Slab<Tcp>,
    /// Listeners.
    pub listeners: Slab<Listener>,
    /// UDP sockets.
    pub udp: Slab<Datagrams>,
    /// Whether the runner has something to do.
    pub changed: bool,
    /// What is made of what size.
    pub limits: Limits,
    attention: Attention,
    caretaker: Waker,
    /// The port that the next connect takes.
    next_port: u16,
}

impl Sockets {
    /// None, of a fresh stack whose first port is known.
    pub fn new(stack: Stack<'static>, limits: Limits, next_port: u16) -> Result<Self> {
        let attention = try_arc(AtomicBool::new(false))?;
        let caretaker = Waker::from(try_arc(Caretaker::new(attention.clone()))?);
        Ok(Sockets {
            stack,
            tcp: Slab::new(),
            listeners: Slab::new(),
            udp: Slab::new(),
            changed: false,
            limits,
            attention,
            caretaker,
            next_port,
        })
    }

    /// The waker that asks for [`Self::look_after`].
    pub fn caretaker(&self) -> Waker {
        self.caretaker.clone()
    }

    /// Asks for [`Self::look_after`] at the next poll.
    pub fn want_attention(&mut self) {
        self.attention.store(true, Relaxed);
        self.changed = true;
    }

    /// Makes room for one more socket, if need be at an orphan's cost.
    /// `ENFILE`.
    pub fn make_room(&mut self) -> Result<()> {
        let limit = self.limits.sockets.min(SOCKETS - OWN_SOCKETS);
        if self.tcp.len() + self.udp.len() >= limit && !self.drop_udp_orphan() {
            self.drop_orphan(|_| true);
        }
        if self.tcp.len() + self.udp.len() >= limit {
            Err(Errno::ENFILE)
        } else {
            Ok(())
        }
    }

    /// A connection that does nothing yet. `ENFILE`, `ENOMEM`.
    pub fn add_tcp(&mut self, waker: Waker, phase: Phase) -> Result<Key<Tcp>> {
        self.make_room()?;
        // SAFETY: both are kept beside the socket and dropped after it.
        let (receive, rx) = unsafe { Lent::new(0, self.limits.buffer) }?;
        // SAFETY: as above.
        let (send, tx) = unsafe { Lent::new(0, self.limits.buffer) }?;
        let mut socket = TcpSocket::new(self.stack, rx, tx);
        socket.set_nagle_enabled(false);
        let tcp = Tcp {
            socket,
            _receive: receive,
            _send: send,
            waker,
            phase,
            since: Instant::now(),
            seen: (State::Closed, 0),
        };
        self.tcp.insert(tcp)
    }

    /// Begins to connect from `port`. `EAGAIN` if the stack's count has to
    /// come closer to that port first: call again, in another section.
    /// `ENETUNREACH`, `EADDRNOTAVAIL`.
    pub fn connect(&mut self, key: Key<Tcp>, remote: IpEndpoint, port: u16) -> Result<()> {
        const STEPS: usize = 1024;
        if port <= 1024 {
            // embassy-net never connects from these.
            return Err(Errno::EADDRNOTAVAIL);
        }
        for _ in 0..STEPS {
            let here = self.next_port;
            self.next_port = here.checked_add(1).unwrap_or(1025);
            let tcp = self.tcp.get_mut(key).ok_or(Errno::EBADF)?;
            if here == port {
                tcp.socket.set_timeout(Some(CONNECT_TIMEOUT));
                tcp.enter(Phase::Connecting);
                self.changed = true;
                return tcp.connect(remote);
            }
            // Fails, and moves the count on by one.
            let _ = tcp.connect(IpEndpoint::new(remote.addr, 0));
        }
        Err(Errno::EAGAIN)
    }

    /// A port to connect from, close to where the count is.
    pub fn near_port(&self, random: u64) -> u16 {
        const SPREAD: u64 = 64;
        let near = self.next_port.saturating_add((random % SPREAD) as u16);
        if crate::ports::EPHEMERAL.contains(&near) {
            near
        } else {
            *crate::ports::EPHEMERAL.start()
        }
    }

    /// Whether a connection from this port exists, closed ones included.
    pub fn has_local_port(&self, port: u16) -> bool {
        self.tcp
            .iter()
            .any(|tcp| tcp.local().is_some_and(|local| local.port == port))
    }

    /// Nobody's from now on: it sends what it has, its end, and goes. With
    /// unread data, or without patience, the peer gets a reset instead.
    pub fn orphan(&mut self, key: Key<Tcp>, reset: bool) {
        let caretaker = self.caretaker();
        let Some(tcp) = self.tcp.get_mut(key) else {
            return;
        };
        if reset || tcp.socket.can_recv() {
            tcp.socket.abort();
        } else {
            tcp.socket.close();
        }
        tcp.socket.set_keep_alive(None);
        tcp.socket.set_timeout(Some(ORPHAN_TIMEOUT));
        tcp.enter(Phase::Orphan);
        tcp.set_waker(caretaker);
        self.want_attention();
        if self.count(|tcp| tcp.phase == Phase::Orphan) > MAX_ORPHANS {
            self.drop_orphan(|_| true);
        }
    }

    fn count(&self, matching: impl Fn(&Tcp) -> bool) -> usize {
        self.tcp.iter().filter(|tcp| matching(tcp)).count()
    }

    /// Lets go of the oldest orphan that matches, those first that only wait
    /// for stray packets.
    fn drop_orphan(&mut self, matching: impl Fn(&Tcp) -> bool) {
        let mut oldest: Option<(Key<Tcp>, (bool, Instant))> = None;
        let mut place = 0;
        while let Some((key, next)) = self.tcp.next(place) {
            place = next;
            let Some(tcp) = self
                .tcp
                .get(key)
                .filter(|tcp| tcp.phase == Phase::Orphan && matching(tcp))
            else {
                continue;
            };
            let age = (tcp.state() != State::TimeWait, tcp.since);
            if oldest.is_none_or(|(_, other)| age < other) {
                oldest = Some((key, age));
            }
        }
        if let Some((key, _)) = oldest {
            self.tcp.remove(key);
        }
    }

    /// After a poll of the runner: sees to what has no thread of its own to
    /// see to it.
    pub fn look_after(&mut self) {
        self.tell_all();
        let asked = self.attention.swap(false, Relaxed);
        let own = |tcp: &Tcp| matches!(tcp.phase, Phase::Orphan | Phase::Connecting);
        if !asked && !self.tcp.iter().any(own) && !self.udp.iter().any(|udp| udp.is_orphan()) {
            return;
        }
        self.look_after_tcp();
        self.look_after_udp();
        let mut place = 0;
        while let Some((key, next)) = self.listeners.next(place) {
            place = next;
            self.serve_listener(key);
        }
    }

    fn tell_all(&mut self) {
        let mut place = 0;
        while let Some((key, next)) = self.tcp.next(place) {
            place = next;
            if let Some(tcp) = self
                .tcp
                .get_mut(key)
                .filter(|tcp| tcp.phase != Phase::Listening)
            {
                tcp.tell();
            }
        }
    }

    /// Lets go of a UDP socket that nobody owns; whether there was one.
    fn drop_udp_orphan(&mut self) -> bool {
        let mut place = 0;
        while let Some((key, next)) = self.udp.next(place) {
            place = next;
            if self.udp.get(key).is_some_and(Datagrams::is_orphan) {
                return self.udp.remove(key).is_some();
            }
        }
        false
    }

    fn look_after_tcp(&mut self) {
        let mut place = 0;
        while let Some((key, next)) = self.tcp.next(place) {
            place = next;
            let Some(tcp) = self.tcp.get_mut(key) else {
                continue;
            };
            match tcp.phase {
                Phase::Connecting if tcp.send_state().1 => {
                    // Connected: silence is no failure any more.
                    tcp.socket.set_timeout(None);
                    tcp.enter(Phase::Open);
                }
                Phase::Orphan if tcp.is_over() => drop(self.tcp.remove(key)),
                Phase::Orphan => tcp.watch(),
                _ => {}
            }
        }
        let waits = |tcp: &Tcp| tcp.phase == Phase::Orphan && tcp.state() == State::TimeWait;
        for _ in MAX_TIME_WAIT..self.count(waits) {
            self.drop_orphan(waits);
        }
    }

    fn look_after_udp(&mut self) {
        let mut place = 0;
        while let Some((key, next)) = self.udp.next(place) {
            place = next;
            if self
                .udp
                .get_mut(key)
                .is_some_and(|udp| udp.is_orphan() && udp.is_over())
            {
                self.udp.remove(key);
            }
        }
    }
}

/// The notifier as a waker.
pub fn waker_of(notifier: &Arc<crate::notifier::Notifier>) -> Waker {
    Waker::from(notifier.clone())
}
