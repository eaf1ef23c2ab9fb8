//! [`Endpoint`]: the state of a socket, which its peer and those who send to
//! it share.

use crate::inbox::Inbox;
use crate::name::Name;
use crate::options::SocketOptions;
use crate::socket::{Kind, UnixSocket};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use paddock_abi::socket::Ucred;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, WaitQueue};

/// What a socket counts for besides what it sends.
const SOCKET_BYTES: usize = 1024;

/// What a socket is for.
pub(crate) enum Role {
    /// Nothing yet.
    Idle,
    /// It takes connections.
    Listening {
        waiting: VecDeque<Arc<UnixSocket>>,
        backlog: usize,
    },
    /// It talks to one other; a datagram socket sends to it unless told
    /// otherwise.
    Connected(Arc<Endpoint>),
}

pub(crate) struct State {
    pub role: Role,
    pub inbox: Inbox,
    pub name: Option<Arc<Name>>,
    pub peer_credentials: Option<Ucred>,
    pub error: Option<Errno>,
    /// Nothing more is received than what is in the inbox.
    pub receives_no_more: bool,
    /// Nothing more can be sent.
    pub sends_no_more: bool,
    pub closed: bool,
    /// Whoever had no room for what this socket wanted to send or connect.
    pub crowded: Option<Weak<Endpoint>>,
    /// Those who wait for room here.
    pub waiting_for_room: Vec<Weak<Endpoint>>,
}

/// A socket as its peer sees it.
pub(crate) struct Endpoint {
    pub kind: Kind,
    pub state: SpinLock<State, PreemptOff>,
    pub changed: WaitQueue,
    pub ino: u64,
    /// Who made it.
    pub maker: Ucred,
    /// The number of the network namespace that it was made in.
    pub net: u64,
    pub options: SocketOptions,
    /// Pays for it, and for what it sends.
    pub charge: Charge,
}

/// A socket to connect or send to.
#[derive(Clone)]
pub struct Target(pub(crate) Arc<Endpoint>);

impl Endpoint {
    pub fn new(kind: Kind, maker: Ucred, net: u64, account: &Arc<Account>) -> Result<Endpoint> {
        let charge = Charge::new(account, SOCKET_BYTES)?;
        let state = State {
            role: Role::Idle,
            inbox: Inbox::default(),
            name: None,
            peer_credentials: None,
            error: None,
            receives_no_more: false,
            sends_no_more: false,
            closed: false,
            crowded: None,
            waiting_for_room: Vec::new(),
        };
        Ok(Endpoint {
            kind,
            state: SpinLock::new(Rank::SocketState, state),
            changed: WaitQueue::new(),
            ino: crate::next_ino(),
            maker,
            net,
            options: SocketOptions::default(),
            charge,
        })
    }

    /// The one it is connected to.
    pub fn peer(&self) -> Option<Arc<Endpoint>> {
        match &self.state.lock().role {
            Role::Connected(peer) => Some(peer.clone()),
            _ => None,
        }
    }

    /// Takes note that the peer receives or sends no more.
    pub fn peer_shut(&self, receives: bool, sends: bool, error: Option<Errno>) {
        let mut state = self.state.lock();
        state.sends_no_more |= receives;
        state.receives_no_more |= sends;
        if error.is_some() {
            state.error = error;
        }
        drop(state);
        self.changed.wake_all();
    }

    /// Wakes those who waited for room here.
    pub fn wake_waiting(&self) {
        let waiting = core::mem::take(&mut self.state.lock().waiting_for_room);
        for endpoint in waiting.iter().filter_map(Weak::upgrade) {
            endpoint.changed.wake(Ready::OUT);
        }
    }

    /// Has `who` woken when there is room; false if there is room, or no
    /// memory to remember it.
    fn awaits_room(&self, who: &Arc<Endpoint>) -> bool {
        let mut state = self.state.lock();
        state.is_crowded() && state.await_room(who)
    }

    /// What a socket that had no room elsewhere waits for.
    fn waits_elsewhere(self: &Arc<Self>) -> bool {
        let crowded = self.state.lock().crowded.clone();
        let Some(target) = crowded.and_then(|target| target.upgrade()) else {
            return false;
        };
        let waits = target.awaits_room(self);
        if !waits {
            self.state.lock().crowded = None;
        }
        waits
    }

    /// Whether a writer of a connected stream is worth waking.
    fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.closed || state.inbox.has_room()
    }

    /// What poll(2) tells.
    pub fn ready(self: &Arc<Self>) -> Ready {
        let elsewhere = self.waits_elsewhere();
        let state = self.state.lock();
        let mut ready = Ready::empty();
        ready.set(Ready::ERR, state.error.is_some());
        ready.set(Ready::IN, !state.inbox.is_empty() || state.receives_no_more);
        ready.set(Ready::RDHUP, state.receives_no_more);
        ready.set(Ready::HUP, state.receives_no_more && state.sends_no_more);
        let peer = match &state.role {
            Role::Listening { waiting, .. } => {
                ready.set(Ready::IN, !waiting.is_empty() || state.receives_no_more);
                return ready;
            }
            Role::Idle => {
                ready.set(Ready::OUT, !elsewhere);
                ready.set(
                    Ready::HUP,
                    ready.contains(Ready::HUP) || self.kind.is_connected() && !elsewhere,
                );
                return ready;
            }
            Role::Connected(peer) => peer.clone(),
        };
        let finished = state.sends_no_more;
        drop(state);
        let room = match self.kind {
            Kind::Datagram => !elsewhere,
            _ => finished || peer.has_room(),
        };
        ready.set(Ready::OUT, room);
        ready
    }
}

impl State {
    /// Whether a message, or a connection, finds no place, but may later.
    pub fn is_crowded(&self) -> bool {
        if self.closed || self.receives_no_more {
            return false;
        }
        match &self.role {
            Role::Listening { waiting, backlog } => waiting.len() > *backlog,
            _ => self.inbox.is_full(),
        }
    }

    /// Remembers to wake `who` when there is room; false without memory.
    pub fn await_room(&mut self, who: &Arc<Endpoint>) -> bool {
        let known = |other: &Weak<Endpoint>| core::ptr::eq(other.as_ptr(), Arc::as_ptr(who));
        if self.waiting_for_room.iter().any(known) {
            return true;
        }
        let kept = self.waiting_for_room.try_reserve(1).is_ok();
        if kept {
            self.waiting_for_room.push(Arc::downgrade(who));
        }
        kept
    }
}
