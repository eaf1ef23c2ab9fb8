//! listen(2), connect(2) and accept(2).

use crate::endpoint::{Endpoint, Role, Target};
use crate::socket::{Kind, UnixSocket};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use paddock_abi::socket::{SOMAXCONN, Ucred};
use paddock_abi::{Errno, Result};
use paddock_sync::Ready;

impl UnixSocket {
    /// listen(2), by `who`, whom those who connect see as their peer. A
    /// negative backlog is the largest. `EOPNOTSUPP` for datagrams, `EINVAL`
    /// if it is not bound or is connected.
    pub fn listen(&self, backlog: i32, who: Ucred) -> Result<()> {
        if !self.kind().is_connected() {
            return Err(Errno::EOPNOTSUPP);
        }
        let limit = SOMAXCONN as usize;
        let wanted = usize::try_from(backlog).map_or(limit, |backlog| backlog.min(limit));
        let mut state = self.state();
        if state.name.is_none() {
            return Err(Errno::EINVAL);
        }
        match &mut state.role {
            Role::Connected(_) => return Err(Errno::EINVAL),
            Role::Listening { backlog, .. } => *backlog = wanted,
            Role::Idle => {
                state.role = Role::Listening {
                    waiting: VecDeque::new(),
                    backlog: wanted,
                }
            }
        }
        state.peer_credentials = Some(who);
        drop(state);
        self.0.wake_waiting();
        Ok(())
    }

    /// connect(2), by `who`. `EAGAIN` while the backlog is full,
    /// `ECONNREFUSED`, `EISCONN`, `EPROTOTYPE`, `EINVAL`, `EPERM`, `ENOMEM`.
    pub fn connect(&self, target: &Target, who: Ucred) -> Result<()> {
        if target.0.kind != self.kind() {
            return Err(Errno::EPROTOTYPE);
        }
        match self.kind() {
            Kind::Datagram => self.connect_datagram(target),
            _ => self.connect_stream(&target.0, who),
        }
    }

    fn connect_datagram(&self, target: &Target) -> Result<()> {
        if !target.accepts_from(&self.0) {
            return Err(Errno::EPERM);
        }
        let new = Role::Connected(target.0.clone());
        let old = core::mem::replace(&mut self.state().role, new);
        drop(old);
        Ok(())
    }

    /// connect(2) with `AF_UNSPEC`: a datagram socket sends to nobody in
    /// particular. `EINVAL` for others.
    pub fn disconnect(&self) -> Result<()> {
        if self.kind().is_connected() {
            return Err(Errno::EINVAL);
        }
        let old = core::mem::replace(&mut self.state().role, Role::Idle);
        drop(old);
        Ok(())
    }

    fn connect_stream(&self, listener: &Arc<Endpoint>, who: Ucred) -> Result<()> {
        let account = listener.charge.account();
        let server = UnixSocket::new(self.kind(), listener.maker, listener.net, account)?;
        {
            let mut state = self.state();
            match state.role {
                Role::Idle => {}
                Role::Listening { .. } => return Err(Errno::EINVAL),
                Role::Connected(_) => return Err(Errno::EISCONN),
            }
            // Nobody else connects this socket from here on.
            state.role = Role::Connected(server.0.clone());
        }
        let result = self.enqueue(listener, &server, who);
        let mut state = self.state();
        match &result {
            Ok(credentials) => state.peer_credentials = *credentials,
            Err(_) => state.role = Role::Idle,
        }
        drop(state);
        if result.is_err() {
            // It was never anyone's peer.
            server.state().role = Role::Idle;
        } else {
            self.0.changed.wake_all();
            listener.changed.wake(Ready::IN);
        }
        result.map(drop)
    }

    /// Puts the other end into the listener's queue; who listens.
    fn enqueue(
        &self,
        listener: &Arc<Endpoint>,
        server: &Arc<UnixSocket>,
        who: Ucred,
    ) -> Result<Option<Ucred>> {
        {
            let name = listener.state.lock().name.clone();
            let mut state = server.state();
            state.role = Role::Connected(self.0.clone());
            state.peer_credentials = Some(who);
            state.name = name;
        }
        let mut state = listener.state.lock();
        if state.closed || state.receives_no_more || !matches!(state.role, Role::Listening { .. }) {
            return Err(Errno::ECONNREFUSED);
        }
        if state.is_crowded() {
            state.await_room(&self.0);
            drop(state);
            self.state().crowded = Some(Arc::downgrade(listener));
            return Err(Errno::EAGAIN);
        }
        let listens = state.peer_credentials;
        if let Role::Listening { waiting, .. } = &mut state.role {
            waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            waiting.push_back(server.clone());
        }
        Ok(listens)
    }

    /// accept(2). `EAGAIN`, `EINVAL` if it does not listen, `EOPNOTSUPP`.
    pub fn accept(&self) -> Result<Arc<UnixSocket>> {
        if !self.kind().is_connected() {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut state = self.state();
        let finished = state.receives_no_more;
        let Role::Listening { waiting, .. } = &mut state.role else {
            return Err(Errno::EINVAL);
        };
        let nobody = if finished {
            Errno::EINVAL
        } else {
            Errno::EAGAIN
        };
        let socket = waiting.pop_front().ok_or(nobody)?;
        drop(state);
        self.0.wake_waiting();
        Ok(socket)
    }
}

impl Target {
    /// Whether a datagram socket takes messages from `sender`: one that is
    /// connected takes them from its peer only.
    pub(crate) fn accepts_from(&self, sender: &Arc<Endpoint>) -> bool {
        match &self.0.state.lock().role {
            Role::Connected(peer) => Arc::ptr_eq(peer, sender),
            _ => true,
        }
    }
}
