//! [`UnixSocket`].

use super::datagram::{Inbox, Message, copy};
use super::link::{Link, Side};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::socket::Ucred;
use paddock_abi::termios::FIONREAD;
use paddock_abi::{Errno, Result};
use paddock_sync::{OnceCell, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_vfs::{File, FileKind, IoctlArg, Metadata, OpenFile, Timestamp};

static NEXT_INO: AtomicU64 = AtomicU64::new(1);

/// The kind of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream of bytes.
    Stream,
    /// Messages.
    Datagram,
}

/// Something received.
#[derive(Default)]
pub struct Received {
    /// Bytes that were copied out.
    pub count: usize,
    /// Bytes of the whole message, which may be more.
    pub length: usize,
    /// Files that came with it.
    pub files: Vec<Arc<OpenFile>>,
    /// The sender's name, of a message.
    pub from: Vec<u8>,
}

/// A stream socket's established connection.
struct Connection {
    link: Arc<Link>,
    side: Side,
    peer: Ucred,
    peer_name: Vec<u8>,
}

/// Connections that wait to be accepted.
struct Backlog {
    waiting: VecDeque<Arc<UnixSocket>>,
    limit: usize,
}

struct State {
    name: Option<Vec<u8>>,
    backlog: Option<Backlog>,
    inbox: Inbox,
    /// Where a datagram socket sends by default.
    target: Weak<UnixSocket>,
    has_target: bool,
}

/// A socket. Dropping it closes it.
pub struct UnixSocket {
    kind: Kind,
    owner: Ucred,
    ino: u64,
    connection: OnceCell<Connection>,
    state: SpinLock<State, PreemptOff>,
    changed: WaitQueue,
}

impl UnixSocket {
    /// A fresh socket of a process. `ENOMEM`.
    pub fn new(kind: Kind, owner: Ucred) -> Result<Arc<UnixSocket>> {
        try_arc(Self::unconnected(kind, owner))
    }

    fn unconnected(kind: Kind, owner: Ucred) -> UnixSocket {
        let state = State {
            name: None,
            backlog: None,
            inbox: Inbox::new(),
            target: Weak::new(),
            has_target: false,
        };
        UnixSocket {
            kind,
            owner,
            ino: NEXT_INO.fetch_add(1, Ordering::Relaxed),
            connection: OnceCell::new(),
            state: SpinLock::new(Rank::Pipe, state),
            changed: WaitQueue::new(),
        }
    }

    /// Two sockets that are connected (socketpair(2)). `ENOMEM`.
    pub fn pair(kind: Kind, owner: Ucred) -> Result<(Arc<UnixSocket>, Arc<UnixSocket>)> {
        let (first, second) = (Self::new(kind, owner)?, Self::new(kind, owner)?);
        match kind {
            Kind::Stream => first.join(&second)?,
            Kind::Datagram => {
                first.set_target(&second);
                second.set_target(&first);
            }
        }
        Ok((first, second))
    }

    /// Connects two fresh stream sockets.
    fn join(&self, other: &UnixSocket) -> Result<()> {
        let link = try_arc(Link::new())?;
        let own = Connection {
            link: link.clone(),
            side: Side::First,
            peer: other.owner,
            peer_name: copy(&other.name())?,
        };
        let others = Connection {
            link,
            side: Side::Second,
            peer: self.owner,
            peer_name: copy(&self.name())?,
        };
        let lost = other.connection.set(others).is_err() || self.connection.set(own).is_err();
        if lost { Err(Errno::EISCONN) } else { Ok(()) }
    }

    fn set_target(&self, target: &Arc<UnixSocket>) {
        let mut state = self.state.lock();
        state.target = Arc::downgrade(target);
        state.has_target = true;
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name that it is bound to; empty if none.
    pub fn name(&self) -> Vec<u8> {
        self.state.lock().name.clone().unwrap_or_default()
    }

    /// Notes the name that it is bound to. `EINVAL` if it has one.
    pub fn set_name(&self, name: &[u8]) -> Result<()> {
        let name = copy(name)?;
        let mut state = self.state.lock();
        if state.name.is_some() {
            return Err(Errno::EINVAL);
        }
        state.name = Some(name);
        Ok(())
    }

    /// The other end's name. `ENOTCONN`.
    pub fn peer_name(&self) -> Result<Vec<u8>> {
        if let Some(connection) = self.connection.get() {
            return copy(&connection.peer_name);
        }
        let target = self.state.lock().target.upgrade();
        target.map(|target| target.name()).ok_or(Errno::ENOTCONN)
    }

    /// Who connected, or was connected to. `ENOTCONN`.
    pub fn peer_credentials(&self) -> Result<Ucred> {
        if let Some(connection) = self.connection.get() {
            return Ok(connection.peer);
        }
        let target = self.state.lock().target.upgrade();
        target.map(|target| target.owner).ok_or(Errno::ENOTCONN)
    }

    /// Whether it listens.
    pub fn is_listening(&self) -> bool {
        self.state.lock().backlog.is_some()
    }

    /// listen(2). `EOPNOTSUPP`, `EINVAL` without a name or when connected.
    pub fn listen(&self, limit: usize) -> Result<()> {
        if self.kind != Kind::Stream {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut state = self.state.lock();
        if state.name.is_none() || self.connection.get().is_some() {
            return Err(Errno::EINVAL);
        }
        match &mut state.backlog {
            Some(backlog) => backlog.limit = limit.max(1),
            None => {
                state.backlog = Some(Backlog {
                    waiting: VecDeque::new(),
                    limit: limit.max(1),
                })
            }
        }
        Ok(())
    }

    /// connect(2) to a bound socket: at once, as long as its backlog has
    /// room. `ECONNREFUSED`, `EAGAIN`, `EISCONN`, `EPROTOTYPE`, `EINVAL`,
    /// `ENOMEM`.
    pub fn connect(&self, target: &Arc<UnixSocket>) -> Result<()> {
        if target.kind != self.kind {
            return Err(Errno::EPROTOTYPE);
        }
        if self.kind == Kind::Datagram {
            self.set_target(target);
            return Ok(());
        }
        if self.connection.get().is_some() {
            return Err(Errno::EISCONN);
        }
        if self.is_listening() {
            return Err(Errno::EINVAL);
        }
        target.check_backlog()?;
        let accepted = Self::new(Kind::Stream, target.owner)?;
        if let Some(name) = target.state.lock().name.clone() {
            accepted.set_name(&name)?;
        }
        self.join(&accepted)?;
        // From here on the connection is made: a backlog that has filled up
        // meanwhile takes one more.
        let mut state = target.state.lock();
        let backlog = state.backlog.as_mut().ok_or(Errno::ECONNREFUSED)?;
        backlog.waiting.push_back(accepted);
        drop(state);
        target.changed.wake_all();
        Ok(())
    }

    /// Whether a connection could be made to it, or never will be.
    pub fn has_backlog_room(&self) -> bool {
        let state = self.state.lock();
        let backlog = state.backlog.as_ref();
        backlog.is_none_or(|backlog| backlog.waiting.len() < backlog.limit)
    }

    fn check_backlog(&self) -> Result<()> {
        let mut state = self.state.lock();
        let backlog = state.backlog.as_mut().ok_or(Errno::ECONNREFUSED)?;
        if backlog.waiting.len() >= backlog.limit {
            return Err(Errno::EAGAIN);
        }
        backlog.waiting.try_reserve(8).map_err(|_| Errno::ENOMEM)
    }

    /// accept(2). `EAGAIN`; `EINVAL` if it does not listen.
    pub fn accept(&self) -> Result<Arc<UnixSocket>> {
        let mut state = self.state.lock();
        let backlog = state.backlog.as_mut().ok_or(Errno::EINVAL)?;
        let accepted = backlog.waiting.pop_front().ok_or(Errno::EAGAIN)?;
        drop(state);
        // Those who wait to connect may try again.
        self.changed.wake_all();
        Ok(accepted)
    }

    fn connection(&self) -> Result<&Connection> {
        self.connection.get().ok_or(Errno::ENOTCONN)
    }

    /// Sends bytes and files to the other end, or a message to `target` or
    /// the default one. Files are taken if anything is sent. `EAGAIN`,
    /// `EPIPE`, `ENOTCONN`, `ECONNREFUSED`, `EMSGSIZE`, `EISCONN`, `ENOMEM`.
    pub fn send(
        &self,
        bytes: &[u8],
        files: &mut Vec<Arc<OpenFile>>,
        target: Option<&Arc<UnixSocket>>,
    ) -> Result<usize> {
        match self.kind {
            Kind::Stream if target.is_some() => Err(Errno::EISCONN),
            Kind::Stream => {
                let connection = self.connection()?;
                connection.link.send(connection.side, bytes, files)
            }
            Kind::Datagram => self.send_message(bytes, files, target),
        }
    }

    fn send_message(
        &self,
        bytes: &[u8],
        files: &mut Vec<Arc<OpenFile>>,
        target: Option<&Arc<UnixSocket>>,
    ) -> Result<usize> {
        let target = match target {
            Some(target) => target.clone(),
            None => self.default_target()?,
        };
        if target.kind != Kind::Datagram {
            return Err(Errno::EPROTOTYPE);
        }
        let (bytes, from) = (copy(bytes)?, self.name());
        let length = bytes.len();
        let message = Message {
            bytes,
            files: core::mem::take(files),
            from,
        };
        let pushed = target.state.lock().inbox.push(message);
        pushed.map_err(|(error, message)| {
            *files = message.files;
            error
        })?;
        target.changed.wake_all();
        Ok(length)
    }

    fn default_target(&self) -> Result<Arc<UnixSocket>> {
        let state = self.state.lock();
        let target = state.target.upgrade();
        target.ok_or(if state.has_target {
            Errno::ECONNREFUSED
        } else {
            Errno::ENOTCONN
        })
    }

    /// Receives what is there; with `peek` it stays there, and files with it.
    /// `EAGAIN`, `ENOTCONN`, `EINVAL` when listening.
    pub fn receive(&self, buf: &mut [u8], peek: bool) -> Result<Received> {
        if self.kind == Kind::Datagram {
            return self.receive_message(buf, peek);
        }
        let connection = match self.connection() {
            Err(_) if self.is_listening() => return Err(Errno::EINVAL),
            connection => connection?,
        };
        let (count, files) = connection.link.receive(connection.side, buf, peek)?;
        Ok(Received {
            count,
            length: count,
            files,
            from: Vec::new(),
        })
    }

    fn receive_message(&self, buf: &mut [u8], peek: bool) -> Result<Received> {
        let mut state = self.state.lock();
        if state.inbox.is_empty() && state.inbox.closed {
            return Ok(Received::default());
        }
        let message = state.inbox.front().ok_or(Errno::EAGAIN)?;
        let (count, length) = (message.bytes.len().min(buf.len()), message.bytes.len());
        buf[..count].copy_from_slice(&message.bytes[..count]);
        if peek {
            return Ok(Received {
                count,
                length,
                ..Received::default()
            });
        }
        let message = state.inbox.pop().ok_or(Errno::EAGAIN)?;
        // Whoever sends here by default may have waited for room.
        let sender = state.target.upgrade();
        drop(state);
        self.changed.wake_all();
        if let Some(sender) = sender {
            sender.changed.wake_all();
        }
        Ok(Received {
            count,
            length,
            files: message.files,
            from: message.from,
        })
    }

    /// shutdown(2). `ENOTCONN`.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        if self.kind == Kind::Datagram {
            self.state.lock().inbox.closed |= read;
            self.changed.wake_all();
            return Ok(());
        }
        let connection = self.connection()?;
        connection.link.shutdown(connection.side, read, write);
        Ok(())
    }

    fn readable(&self) -> usize {
        match self.connection.get() {
            Some(connection) => connection.link.readable(connection.side),
            None => self.state.lock().inbox.next_len(),
        }
    }

    fn datagram_ready(&self) -> Ready {
        let state = self.state.lock();
        let mut ready = Ready::empty();
        ready.set(Ready::IN, !state.inbox.is_empty() || state.inbox.closed);
        let target = state.target.upgrade();
        drop(state);
        let room = target.is_none_or(|target| target.state.lock().inbox.has_room());
        ready.set(Ready::OUT, room);
        ready
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get() {
            connection.link.shutdown(connection.side, true, true);
        }
    }
}

impl Pollable for UnixSocket {
    fn ready(&self) -> Ready {
        if let Some(connection) = self.connection.get() {
            return connection.link.ready(connection.side);
        }
        if self.kind == Kind::Datagram {
            return self.datagram_ready();
        }
        match &self.state.lock().backlog {
            Some(backlog) if backlog.waiting.is_empty() => Ready::empty(),
            Some(_) => Ready::IN,
            None => Ready::OUT | Ready::HUP,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        match self.connection.get() {
            Some(connection) => Some(&connection.link.changed),
            None => Some(&self.changed),
        }
    }
}

impl File for UnixSocket {
    fn read(&self, _: &mut u64, buf: &mut [u8]) -> Result<usize> {
        self.receive(buf, false).map(|received| received.count)
    }

    fn write(&self, _: &mut u64, buf: &[u8]) -> Result<usize> {
        self.send(buf, &mut Vec::new(), None)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            FIONREAD => arg.write_i32(self.readable() as i32).map(|()| 0),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        let never = Timestamp::default();
        Ok(Metadata {
            device: 0xe,
            ino: self.ino,
            kind: FileKind::Socket,
            mode: 0o777,
            links: 1,
            uid: self.owner.uid,
            gid: self.owner.gid,
            rdev: 0,
            size: 0,
            blocks: 0,
            block_size: 4096,
            atime: never,
            mtime: never,
            ctime: never,
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
