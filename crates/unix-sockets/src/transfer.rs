//! Sending and receiving.

use crate::deferred_close;
use crate::endpoint::{Endpoint, Role, State, Target};
use crate::inbox::{LIMIT, Segment, Taken};
use crate::name::Name;
use crate::socket::{Kind, UnixSocket};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::socket::Ucred;
use paddock_abi::{Errno, Result};
use paddock_sync::{Mutex, Rank, Ready, SpinLockGuard};
use paddock_user_io::{Pass, UserReader, UserWriter};
use paddock_vfs::OpenFile;

/// One passing of files at a time, so that none passes itself.
static PASSING: Mutex<()> = Mutex::new(Rank::Socket, ());

/// What goes along with the bytes (SCM_RIGHTS, SCM_CREDENTIALS).
#[derive(Debug, Default)]
pub struct Ancillary {
    /// Files to pass; taken out when they are sent.
    pub rights: Vec<Arc<OpenFile>>,
    /// Who sends.
    pub credentials: Ucred,
}

/// What has been received.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes in the buffer.
    pub count: usize,
    /// Bytes of the message, which may have been cut.
    pub length: usize,
    /// What the sender of a datagram is bound to.
    pub from: Option<Arc<Name>>,
    /// Who sent it.
    pub credentials: Ucred,
    /// Files that were passed.
    pub rights: Vec<Arc<OpenFile>>,
    /// Bytes of the stream that were to be had, were no page of their place missing.
    wanted: usize,
}

impl Received {
    /// What was moved of a stream.
    pub fn pass(&self) -> Pass {
        Pass {
            moved: self.count,
            wanted: self.wanted,
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        deferred_close::close(core::mem::take(&mut self.rights));
    }
}

impl From<Taken> for Received {
    fn from(taken: Taken) -> Received {
        let Taken {
            count,
            length,
            from,
            credentials,
            rights,
            wanted,
        } = taken;
        Received {
            count,
            length,
            from,
            credentials,
            rights,
            wanted,
        }
    }
}

impl UnixSocket {
    /// Sends bytes, or one message, to the peer or to `to`. May sleep if
    /// files are passed.
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`, `ENOTCONN`, `EISCONN`, `ECONNREFUSED`, `EMSGSIZE`,
    /// `EPERM`, `EPROTOTYPE`, `ETOOMANYREFS`, `ENOMEM`.
    pub fn send(
        &self,
        data: &[u8],
        to: Option<&Target>,
        ancillary: &mut Ancillary,
    ) -> Result<usize> {
        let pass = self.send_from(&mut data.into(), to, ancillary)?;
        Ok(pass.moved)
    }

    /// The same of bytes of a stream that may be missing: as many as go before those.
    /// A message must be there.
    ///
    /// # Errors
    /// As of [`send`](Self::send), and `EFAULT` for a message that is missing.
    pub fn send_from(
        &self,
        from: &mut UserReader<'_>,
        to: Option<&Target>,
        ancillary: &mut Ancillary,
    ) -> Result<Pass> {
        let _one_at_a_time = (!ancillary.rights.is_empty()).then(|| PASSING.lock());
        check_passing(&ancillary.rights)?;
        let length = from.left();
        match self.kind() {
            Kind::Stream => return self.send_bytes(from, to, ancillary),
            Kind::SeqPacket => self.send_packet(from, ancillary)?,
            Kind::Datagram => self.send_datagram(from, to, ancillary)?,
        }
        Ok(Pass {
            moved: length,
            wanted: length,
        })
    }

    /// The peer of a connection. `ENOTCONN`, `EPIPE`.
    fn connection(&self) -> Result<Arc<Endpoint>> {
        let state = self.state();
        match &state.role {
            _ if state.sends_no_more => Err(Errno::EPIPE),
            Role::Connected(peer) => Ok(peer.clone()),
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn send_bytes(
        &self,
        from: &mut UserReader<'_>,
        to: Option<&Target>,
        ancillary: &mut Ancillary,
    ) -> Result<Pass> {
        if to.is_some() {
            return match self.connection() {
                Ok(_) => Err(Errno::EISCONN),
                Err(_) => Err(Errno::EOPNOTSUPP),
            };
        }
        let peer = self.connection()?;
        if from.is_empty() {
            return Ok(Pass::NOTHING);
        }
        not_itself(&ancillary.rights, &peer)?;
        let mut state = open_state(&peer)?;
        let sender = ancillary.credentials;
        let pass =
            state
                .inbox
                .push_bytes(from, sender, &mut ancillary.rights, self.0.charge.account())?;
        drop(state);
        if pass.moved > 0 {
            peer.changed.wake(Ready::IN);
        }
        Ok(pass)
    }

    fn send_packet(&self, from: &mut UserReader<'_>, ancillary: &mut Ancillary) -> Result<()> {
        let peer = self.connection()?;
        let segment = self.message(from, ancillary)?;
        self.deliver(&peer, segment, ancillary)
    }

    fn send_datagram(
        &self,
        from: &mut UserReader<'_>,
        to: Option<&Target>,
        ancillary: &mut Ancillary,
    ) -> Result<()> {
        let target = match to {
            Some(target) if target.0.kind != Kind::Datagram => return Err(Errno::EPROTOTYPE),
            Some(target) => target.clone(),
            None => Target(self.connection()?),
        };
        if self.state().sends_no_more {
            return Err(Errno::EPIPE);
        }
        let segment = self.message(from, ancillary)?;
        if !target.accepts_from(&self.0) {
            return Err(Errno::EPERM);
        }
        match self.deliver(&target.0, segment, ancillary) {
            Err(Errno::EPIPE) if target.0.state.lock().closed => {
                self.forget_peer(&target.0);
                Err(Errno::ECONNREFUSED)
            }
            result => result,
        }
    }

    fn forget_peer(&self, gone: &Arc<Endpoint>) {
        let mut state = self.state();
        let old = match &state.role {
            Role::Connected(peer) if Arc::ptr_eq(peer, gone) => {
                core::mem::replace(&mut state.role, Role::Idle)
            }
            _ => return,
        };
        drop(state);
        drop(old);
    }

    fn message(&self, from: &mut UserReader<'_>, ancillary: &Ancillary) -> Result<Segment> {
        let length = from.left();
        if length > LIMIT {
            return Err(Errno::EMSGSIZE);
        }
        let account = self.0.charge.account();
        let segment = Segment::new(from, length, self.name(), ancillary.credentials, account)?;
        match segment.len() == length {
            true => Ok(segment),
            false => Err(Errno::EFAULT),
        }
    }

    /// Puts a message into another socket's inbox.
    fn deliver(
        &self,
        target: &Arc<Endpoint>,
        mut segment: Segment,
        ancillary: &mut Ancillary,
    ) -> Result<()> {
        not_itself(&ancillary.rights, target)?;
        let mut state = open_state(target)?;
        segment.rights = core::mem::take(&mut ancillary.rights);
        let Err((mut segment, error)) = state.inbox.push_message(segment) else {
            drop(state);
            target.changed.wake(Ready::IN);
            return Ok(());
        };
        let waits = error == Errno::EAGAIN && state.await_room(&self.0);
        drop(state);
        ancillary.rights = core::mem::take(&mut segment.rights);
        if waits {
            self.state().crowded = Some(Arc::downgrade(target));
        }
        Err(error)
    }

    /// Receives bytes, or one message; with `peek` they stay, and passed
    /// files are not received. A count of 0 for a buffer with room is the
    /// end, or an empty message. Never sleeps.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOTCONN`, `EINVAL` if it listens, `ECONNRESET`.
    pub fn receive(&self, buf: &mut [u8], peek: bool) -> Result<Received> {
        self.receive_to(&mut buf.into(), peek)
    }

    /// The same to where a page may be missing: of a stream, the bytes before it.
    /// There must be a place for the whole of a message.
    ///
    /// # Errors
    /// As of [`receive`](Self::receive).
    pub fn receive_to(&self, to: &mut UserWriter<'_>, peek: bool) -> Result<Received> {
        let mut state = self.state();
        match state.role {
            Role::Listening { .. } => return Err(Errno::EINVAL),
            Role::Idle if self.kind().is_connected() => return Err(self.unconnected()),
            _ => {}
        }
        let crowded = !state.inbox.has_room();
        let taken = match self.kind() {
            Kind::Stream => state.inbox.take_bytes(to, peek),
            _ => state.inbox.take_message(to, peek),
        };
        let Some(taken) = taken else {
            return nothing(&mut state);
        };
        let relieved = crowded && state.inbox.has_room();
        let waited_for = !state.waiting_for_room.is_empty() && !state.is_crowded();
        drop(state);
        if relieved && let Some(peer) = self.0.peer() {
            peer.changed.wake(Ready::OUT);
        }
        if waited_for {
            self.0.wake_waiting();
        }
        Ok(taken.into())
    }

    /// The error of reading without a connection (`unix_stream_recvmsg` and
    /// its kin of Linux: streams say `EINVAL`, packets `ENOTCONN`).
    fn unconnected(&self) -> Errno {
        match self.kind() {
            Kind::Stream => Errno::EINVAL,
            _ => Errno::ENOTCONN,
        }
    }
}

/// What an empty inbox means.
fn nothing(state: &mut State) -> Result<Received> {
    if let Some(error) = state.error.take() {
        return Err(error);
    }
    match state.receives_no_more {
        true => Ok(Received::default()),
        false => Err(Errno::EAGAIN),
    }
}

/// The state of a socket that still receives. `EPIPE`.
fn open_state(target: &Endpoint) -> Result<SpinLockGuard<'_, State, paddock_sync::PreemptOff>> {
    let state = target.state.lock();
    match state.closed || state.receives_no_more && !target.kind.is_connected() {
        true => Err(Errno::EPIPE),
        false => Ok(state),
    }
}

fn socket_of(file: &OpenFile) -> Option<&UnixSocket> {
    file.file().as_any().downcast_ref::<UnixSocket>()
}

/// A socket that holds other files is not passed: otherwise two sockets could
/// hold each other, and nobody could ever receive what is in them.
fn check_passing(rights: &[Arc<OpenFile>]) -> Result<()> {
    let mut sockets = rights.iter().filter_map(|file| socket_of(file));
    match sockets.any(UnixSocket::holds_files) {
        true => Err(Errno::ETOOMANYREFS),
        false => Ok(()),
    }
}

fn not_itself(rights: &[Arc<OpenFile>], target: &Arc<Endpoint>) -> Result<()> {
    let mut sockets = rights.iter().filter_map(|file| socket_of(file));
    match sockets.any(|socket| Arc::ptr_eq(&socket.0, target)) {
        true => Err(Errno::ETOOMANYREFS),
        false => Ok(()),
    }
}
