//! Connections that nobody has open any more, while they end by themselves.

use super::connection::Connection;
use crate::time;
use alloc::vec::Vec;
use embassy_net::tcp::State as TcpState;
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// How long a connection lives that nobody has open any more (as Linux's
/// `tcp_fin_timeout`), in nanoseconds.
const ORPHAN_LIFE: u64 = 60_000_000_000;
/// How long one stays that is over, to acknowledge the other's end.
const ACKNOWLEDGE_NS: u64 = 50_000_000;

/// A connection whose socket was closed.
struct Orphan {
    connection: Connection,
    /// When it is given up, ns since boot.
    until: u64,
    aborted: bool,
}

/// Connections whose socket was closed and that still have something to send.
static ORPHANS: SpinLock<Vec<Orphan>, PreemptOff> = SpinLock::new(Rank::SocketState, Vec::new());

/// Lets a connection end by itself. One with unread bytes is reset, so that
/// the other side knows that they were lost (RFC 2525, 2.17).
pub fn leave(connection: Connection) {
    let (unread, _) = connection.queues();
    orphan(connection, unread > 0)
}

/// Lets a connection end by itself, or resets it. The stack may run between
/// two calls: it must not send the end and then take it back.
pub fn orphan(mut connection: Connection, aborted: bool) {
    match aborted {
        true => connection.abort(),
        false => connection.close(),
    }
    let mut orphans = ORPHANS.lock();
    if orphans.try_reserve(1).is_err() {
        drop(orphans);
        return connection.abort();
    }
    let life = if aborted { ACKNOWLEDGE_NS } else { ORPHAN_LIFE };
    orphans.push(Orphan {
        connection,
        until: time::now() + life,
        aborted,
    });
}

/// How many connections nobody has open any more.
pub fn count() -> usize {
    ORPHANS.lock().len()
}

/// Lets go of closed connections that have nothing left to do. After every
/// poll of a stack, outside its section.
pub fn sweep() {
    let now = time::now();
    let mut index = 0;
    loop {
        let mut orphans = ORPHANS.lock();
        let Some(orphan) = orphans.get_mut(index) else {
            return;
        };
        if !orphan.is_over(now) {
            index += 1;
            continue;
        }
        let gone = orphans.swap_remove(index);
        drop(orphans);
        drop(gone);
    }
}

impl Orphan {
    /// Whether it can go.
    fn is_over(&mut self, now: u64) -> bool {
        self.check_ended();
        let finished = !self.aborted && self.connection.state() == TcpState::Closed;
        if now >= self.until
            && !finished
            && !self.aborted
            && self.connection.state() != TcpState::TimeWait
        {
            self.abort(now);
        }
        finished || now >= self.until
    }

    fn check_ended(&mut self) {
        let now = time::now();
        let (unread, _) = self.connection.queues();
        if unread > 0 && !self.aborted {
            self.abort(now);
        }
        if self.connection.state() == TcpState::TimeWait {
            self.until = self.until.min(now + ACKNOWLEDGE_NS);
        }
    }

    /// Resets it; the stack's next poll tells the other side.
    fn abort(&mut self, now: u64) {
        self.connection.abort();
        self.aborted = true;
        self.until = now + ACKNOWLEDGE_NS;
    }
}
