//! TIME-WAIT: connections that are over, so that their last segments are not
//! taken for another's (RFC 9293, 3.6.1). They hold no buffers.

use crate::SECOND;
use crate::keys::{TableHasher, Tuple};
use crate::options::Options;
use crate::segment::{Flags, Header};
use crate::seq::Seq;
use crate::shrink::shrink;
use alloc::collections::VecDeque;
use hashbrown::HashMap;

/// How long it lasts, in nanoseconds, as on Linux.
const LIFE: u64 = 60 * SECOND;
/// The most that are kept; the oldest gives way.
const MOST: usize = 16384;

/// What is left of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Remains {
    /// The next number of this side, and the one that is expected.
    pub next: Seq,
    /// See [`Self::next`].
    pub expected: Seq,
    /// The window that was told last.
    pub window: u16,
    /// Whether its socket let others have the port.
    pub shares: bool,
    until: u64,
}

/// What a segment for such a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Of no use.
    Ignore,
    /// To be acknowledged (again).
    Acknowledge(Header),
    /// A new connection, whose first number is to come after this one.
    Begin(Seq),
}

/// Those connections, in the order in which they go.
#[derive(Debug)]
pub struct TimeWait {
    table: HashMap<Tuple, Remains, TableHasher>,
    /// Some of these may have got more time, or may be gone.
    order: VecDeque<(u64, Tuple)>,
}

impl TimeWait {
    pub fn new(hasher: TableHasher) -> TimeWait {
        TimeWait {
            table: HashMap::with_hasher(hasher),
            order: VecDeque::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// All, with their ends. For listings only.
    pub fn iter(&self) -> impl Iterator<Item = &Tuple> {
        self.table.keys()
    }

    /// When the next may go, in nanoseconds.
    pub fn deadline(&self) -> u64 {
        self.order.front().map_or(crate::NEVER, |&(until, _)| until)
    }

    /// Adds one. False if there is no memory for it.
    pub fn add(
        &mut self,
        now: u64,
        tuple: Tuple,
        (next, expected): (Seq, Seq),
        window: u16,
        shares: bool,
    ) -> bool {
        if self.table.try_reserve(1).is_err() || self.order.try_reserve(1).is_err() {
            return false;
        }
        let until = now + LIFE;
        let remains = Remains {
            next,
            expected,
            window,
            shares,
            until,
        };
        self.table.insert(tuple, remains);
        self.order.push_back((until, tuple));
        true
    }

    /// One that has to go: it is over, or there are too many.
    pub fn pop(&mut self, now: u64) -> Option<(Tuple, Remains)> {
        loop {
            let &(until, tuple) = self.order.front()?;
            let too_many = self.table.len() > MOST || self.order.len() > 2 * MOST;
            if until > now && !too_many {
                return None;
            }
            self.order.pop_front();
            if self.table.get(&tuple).is_some_and(|it| it.until <= until) {
                return self.remove(&tuple).map(|remains| (tuple, remains));
            }
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, tuple: &Tuple) -> Option<Remains> {
        let remains = self.table.remove(tuple);
        shrink(&mut self.table);
        if self.table.is_empty() {
            self.order = VecDeque::new();
        }
        remains
    }

    /// The one of these ends.
    pub fn get(&self, tuple: &Tuple) -> Option<&Remains> {
        self.table.get(tuple)
    }

    /// A segment has come for one (RFC 9293, 3.10.7.4; RFC 1337). `None` if
    /// it is for none.
    pub fn on_segment(
        &mut self,
        now: u64,
        tuple: &Tuple,
        header: &Header,
        data: usize,
    ) -> Option<Late> {
        if self.table.is_empty() {
            return None;
        }
        let remains = self.table.get_mut(tuple)?;
        let flags = header.flags;
        if flags.contains(Flags::RST) {
            return Some(Late::Ignore);
        }
        if flags.contains(Flags::SYN) && !flags.contains(Flags::ACK) {
            if header.seq.after(remains.expected) {
                return Some(Late::Begin(remains.next + 65537));
            }
        } else if header.length(data) == 0 && header.seq == remains.expected {
            return Some(Late::Ignore);
        }
        if flags.contains(Flags::FIN) && self.order.try_reserve(1).is_ok() {
            remains.until = now + LIFE;
            self.order.push_back((remains.until, *tuple));
        }
        Some(Late::Acknowledge(Header {
            from: tuple.local,
            to: tuple.remote,
            seq: remains.next,
            ack: remains.expected,
            flags: Flags::ACK,
            window: remains.window,
            options: Options::default(),
        }))
    }
}
