//! Who waits for connections, and those that wait for them (listen(2)).

use crate::ports::Claim;
use crate::settings::Settings;
use crate::slab::Id;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use paddock_charge::Account;
use smoltcp::wire::IpEndpoint;

/// The most connections that wait for one listener (`somaxconn`).
const MOST: usize = 4096;
/// Connections that may be on their way with any backlog.
const LEAST_ON_THEIR_WAY: usize = 16;
/// Connections of other machines that may be on their way and wait with any
/// backlog. Those that are dropped try again only after seconds, and many a
/// server asks for few.
const LEAST_FROM_WIRE: usize = 256;

/// How many connections may wait to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog(usize);

impl Backlog {
    /// What listen(2) asks for, within the system's limit.
    pub fn new(wish: usize) -> Backlog {
        Backlog(wish.min(MOST))
    }
}

/// A connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its name.
    pub id: Id,
    /// The peer.
    pub remote: IpEndpoint,
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener<O> {
    pub claim: Claim,
    pub backlog: Backlog,
    pub settings: Settings,
    pub owner: O,
    /// Who pays for what has not been accepted.
    pub account: Arc<Account>,
    /// Established, or already over.
    pub ready: VecDeque<Id>,
    /// How many are on their way: SYN was answered.
    pub on_their_way: usize,
    /// Until when (ns) there may be answers to cookies.
    pub cookies_until: u64,
}

impl<O> Listener<O> {
    /// Whether no more established connections fit; one more than the backlog
    /// does, as on Linux. There is a place for each that has begun `from_wire`.
    pub fn is_full(&self, from_wire: bool) -> bool {
        !from_wire && !self.has_room()
    }

    /// Whether the backlog has room for another established connection.
    pub fn has_room(&self) -> bool {
        self.ready.len() <= self.backlog.0
    }

    /// Whether the beginning of another connection is kept. If not, its SYN is
    /// answered with a cookie, or dropped, so that the peer tries again: it is
    /// never reset.
    pub fn takes_more(&self, from_wire: bool) -> bool {
        if from_wire {
            let most = self.backlog.0.max(LEAST_FROM_WIRE);
            return self.ready.len() + self.on_their_way <= most;
        }
        let most = self.backlog.0.max(LEAST_ON_THEIR_WAY);
        !self.is_full(from_wire) && self.on_their_way < most
    }
}
