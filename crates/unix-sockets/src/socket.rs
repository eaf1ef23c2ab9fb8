//! [`UnixSocket`]: what a descriptor of a socket refers to.

use crate::endpoint::{Endpoint, Role, State};
use crate::name::{self, Name};
use crate::options::SocketOptions;
use crate::{deferred_close, inbox};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::socket::{SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM, Ucred};
use paddock_abi::{Errno, Result};
use paddock_charge::Account;
use paddock_sync::{PreemptOff, SpinLockGuard, try_arc};

/// The kinds of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connected stream of bytes.
    Stream,
    /// Messages in order over a connection.
    SeqPacket,
    /// Messages to anyone.
    Datagram,
}

impl Kind {
    /// From `SOCK_*`. `ESOCKTNOSUPPORT`.
    pub fn from_type(kind: u32) -> Result<Kind> {
        match kind {
            SOCK_STREAM => Ok(Kind::Stream),
            SOCK_SEQPACKET => Ok(Kind::SeqPacket),
            SOCK_DGRAM => Ok(Kind::Datagram),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    /// The `SOCK_*` number.
    pub fn to_type(self) -> u32 {
        match self {
            Kind::Stream => SOCK_STREAM,
            Kind::SeqPacket => SOCK_SEQPACKET,
            Kind::Datagram => SOCK_DGRAM,
        }
    }

    /// Whether it is connected before it is used.
    pub fn is_connected(self) -> bool {
        self != Kind::Datagram
    }
}

/// A socket. Dropping it closes it.
pub struct UnixSocket(pub(crate) Arc<Endpoint>);

impl UnixSocket {
    /// A socket made by `maker` in the network namespace `net`, neither bound nor
    /// connected; `account` pays for it and for what it sends. `ENOMEM`.
    pub fn new(
        kind: Kind,
        maker: Ucred,
        net: u64,
        account: &Arc<Account>,
    ) -> Result<Arc<UnixSocket>> {
        let endpoint = Endpoint::new(kind, maker, net, account)?;
        try_arc(UnixSocket(try_arc(endpoint)?))
    }

    /// Two sockets that are connected (socketpair(2)). `ENOMEM`.
    pub fn pair(
        kind: Kind,
        maker: Ucred,
        net: u64,
        account: &Arc<Account>,
    ) -> Result<(Arc<UnixSocket>, Arc<UnixSocket>)> {
        let (one, two) = (
            Self::new(kind, maker, net, account)?,
            Self::new(kind, maker, net, account)?,
        );
        for (socket, peer) in [(&one, &two), (&two, &one)] {
            let mut state = socket.state();
            state.role = Role::Connected(peer.0.clone());
            state.peer_credentials = Some(maker);
        }
        Ok((one, two))
    }

    pub(crate) fn state(&self) -> SpinLockGuard<'_, State, PreemptOff> {
        self.0.state.lock()
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The inode number that fstat(2) tells.
    pub fn ino(&self) -> u64 {
        self.0.ino
    }

    /// The number of the network namespace that it was made in; abstract names are found
    /// within it.
    pub fn net(&self) -> u64 {
        self.0.net
    }

    /// Who made it.
    pub fn maker(&self) -> Ucred {
        self.0.maker
    }

    /// What has been set of it.
    pub fn options(&self) -> &SocketOptions {
        &self.0.options
    }

    /// What it is bound to.
    pub fn name(&self) -> Option<Arc<Name>> {
        self.state().name.clone()
    }

    /// What its peer is bound to. `ENOTCONN`.
    pub fn peer_name(&self) -> Result<Option<Arc<Name>>> {
        let peer = self.0.peer().ok_or(Errno::ENOTCONN)?;
        let name = peer.state.lock().name.clone();
        Ok(name)
    }

    /// Who its peer is (SO_PEERCRED).
    pub fn peer_credentials(&self) -> Option<Ucred> {
        self.state().peer_credentials
    }

    /// Whether it takes connections.
    pub fn is_listening(&self) -> bool {
        matches!(self.state().role, Role::Listening { .. })
    }

    /// Takes the pending error (SO_ERROR).
    pub fn take_error(&self) -> Option<Errno> {
        self.state().error.take()
    }

    /// Bytes that the next read can give (FIONREAD). `EINVAL` if it listens.
    pub fn unread(&self) -> Result<usize> {
        let state = self.state();
        match (&state.role, self.kind()) {
            (Role::Listening { .. }, _) => Err(Errno::EINVAL),
            (_, Kind::Stream) => Ok(state.inbox.stream_bytes()),
            _ => Ok(state.inbox.message_bytes()),
        }
    }

    /// Bytes that an inbox takes (SO_SNDBUF, SO_RCVBUF).
    pub fn buffer_size(&self) -> usize {
        inbox::LIMIT
    }

    /// bind(2): to a name that [`Name`] made. `EINVAL` if it is bound,
    /// `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&self, name: Arc<Name>) -> Result<()> {
        self.bind_with(|endpoint| name::register(&name, endpoint).map(|()| name.clone()))
    }

    /// bind(2) without a name: an abstract one of the system's choice. Does
    /// nothing if it is bound. `EADDRINUSE`, `ENOMEM`.
    pub fn bind_anywhere(&self) -> Result<()> {
        match self.bind_with(name::choose) {
            Err(Errno::EINVAL) => Ok(()),
            result => result,
        }
    }

    pub(crate) fn bind_with(
        &self,
        make: impl FnOnce(&Arc<Endpoint>) -> Result<Arc<Name>>,
    ) -> Result<()> {
        if self.state().name.is_some() {
            return Err(Errno::EINVAL);
        }
        let name = make(&self.0)?;
        let mut state = self.state();
        if state.name.is_some() {
            // Somebody else was faster.
            drop(state);
            name::unregister(&name, &self.0);
            return Err(Errno::EINVAL);
        }
        state.name = Some(name);
        Ok(())
    }

    /// shutdown(2). Without a connection it only holds for this socket.
    pub fn shutdown(&self, receive: bool, send: bool) {
        let mut state = self.state();
        state.receives_no_more |= receive;
        state.sends_no_more |= send;
        drop(state);
        self.0.changed.wake_all();
        if receive {
            // Whoever waits to send to it, or to connect, waits in vain.
            self.0.wake_waiting();
        }
        if self.kind().is_connected()
            && let Some(peer) = self.0.peer()
        {
            peer.peer_shut(receive, send, None);
        }
    }

    /// Whether passed files, or connections that nobody has accepted, would
    /// go with it.
    pub(crate) fn holds_files(&self) -> bool {
        let state = self.state();
        match &state.role {
            Role::Listening { waiting, .. } => !waiting.is_empty(),
            _ => state.inbox.holds_files(),
        }
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let mut state = self.state();
        state.closed = true;
        let role = core::mem::replace(&mut state.role, Role::Idle);
        let name = state.name.take();
        let unread = state.inbox.take_all();
        drop(state);
        if let Some(name) = &name {
            name::unregister(name, &self.0);
        }
        self.0.wake_waiting();
        match role {
            Role::Idle => {}
            Role::Listening { waiting, .. } => {
                // Whoever waits in vain is told that the connection is gone.
                for socket in &waiting {
                    if let Some(peer) = socket.0.peer() {
                        peer.peer_shut(true, true, Some(Errno::ECONNRESET));
                    }
                }
            }
            Role::Connected(peer) if self.kind().is_connected() => {
                let lost = !unread.is_empty();
                peer.peer_shut(true, true, lost.then_some(Errno::ECONNRESET));
            }
            Role::Connected(peer) => {
                // A pair's other half has nobody to send to any more.
                peer.changed.wake_all();
            }
        }
        let mut files = Vec::new();
        for mut segment in unread {
            match files.try_reserve(segment.rights.len()) {
                Ok(()) => files.append(&mut segment.rights),
                Err(_) => deferred_close::close(core::mem::take(&mut segment.rights)),
            }
        }
        deferred_close::close(files);
    }
}
