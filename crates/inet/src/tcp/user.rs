//! What sockets ask of a connection (RFC 9293, 3.9.1), with the results that
//! Linux gives (tcp(7)).

use super::{Connection, State};
use crate::SECOND;
use crate::segment::{Flags, Header};
use crate::settings::Settings;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_sync::Ready;

/// What TCP_INFO tells of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Where it is.
    pub state: State,
    /// The smoothed round-trip time in nanoseconds; 0 if it is not known.
    pub round_trip: u64,
    /// Its variation, in nanoseconds.
    pub variation: u64,
    /// The time-out of retransmission, in nanoseconds.
    pub timeout: u64,
    /// The congestion window, in bytes.
    pub window: u32,
    /// Bytes of data in a full segment.
    pub mss: u32,
    /// Bytes that were sent and not acknowledged.
    pub unacknowledged: usize,
    /// How often these were sent again.
    pub attempts: u32,
    /// Segments that were sent again since the connection began.
    pub resent: u32,
    /// The shift of the peer's windows, if they are scaled, and this side's.
    pub peer_scale: Option<u8>,
    /// See [`Self::peer_scale`].
    pub own_scale: u8,
    /// Slow start ends at this window, in bytes.
    pub threshold: u32,
    /// Whether segments have timestamps.
    pub stamps: bool,
    /// Whether what has come out of order is told (SACK).
    pub selective: bool,
}

impl Connection {
    /// Takes up to `most` bytes that have come; 0 at the end. `take` is given them in two
    /// pieces and says how many it has taken.
    ///
    /// # Errors
    /// `EAGAIN`, and the connection's error, once.
    pub fn read_with(
        &mut self,
        most: usize,
        take: impl FnOnce(&[u8], &[u8]) -> usize,
    ) -> Result<usize> {
        if self.receive.is_empty() {
            return self.peek(&mut []);
        }
        let (first, second) = self.receive.slices(0, most);
        let count = take(first, second).min(most);
        self.receive.consume(count);
        Ok(count)
    }

    /// Copies bytes that have come without taking them. The results of
    /// [`Self::read_with`].
    pub fn peek(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if !self.receive.is_empty() {
            return Ok(self.receive.peek(buffer));
        }
        if self.peer_ended {
            return Ok(0);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.read_shut {
            true => Ok(0),
            false => Err(Errno::EAGAIN),
        }
    }

    /// Queues what there is room for of up to `most` bytes, which `fill` puts into two
    /// pieces of memory; it says how many there are.
    ///
    /// # Errors
    /// `EAGAIN`, the connection's error, once, and `EPIPE`; `ENOMEM` if not
    /// even a part fits in memory.
    pub fn write_with(
        &mut self,
        most: usize,
        now: u64,
        fill: impl FnOnce(&mut [u8], &mut [u8]) -> usize,
    ) -> Result<usize> {
        if self.write_shut {
            return Err(self.error.take().unwrap_or(Errno::EPIPE));
        }
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.wants_room = true;
            return Err(Errno::EAGAIN);
        }
        let limit = self.settings.send_limit as usize;
        let room = limit.saturating_sub(self.transmit.len());
        let many = self.unsent() >= self.settings.unsent_limit as usize;
        let count = if many { 0 } else { most.min(room) };
        self.wants_room |= count < most;
        if count == 0 && most > 0 {
            return Err(Errno::EAGAIN);
        }
        let total = self.transmit.len() + count;
        self.grow(|connection| &mut connection.transmit, total)?;
        let count = self.transmit.push_with(count, fill);
        self.trim_later(now);
        Ok(count)
    }

    /// Bytes that were not sent yet.
    fn unsent(&self) -> usize {
        let sent = self.max.since(self.una);
        self.transmit.len().saturating_sub(sent)
    }

    /// Whether writing is worth a try: a third of the room is free, as on
    /// Linux.
    pub(super) fn has_room(&self) -> bool {
        let limit = self.settings.send_limit as usize;
        let few = self.unsent() < self.settings.unsent_limit as usize;
        few && 3 * limit.saturating_sub(self.transmit.len()) >= limit
    }

    /// shutdown(2). `ENOTCONN` if it is over.
    pub fn shutdown(&mut self, read: bool, write: bool) -> Result<()> {
        if self.state == State::Closed {
            return Err(Errno::ENOTCONN);
        }
        if read {
            self.read_shut = true;
            self.news |= Ready::IN | Ready::RDHUP;
        }
        if write {
            self.send_end();
            self.news |= Ready::OUT;
        }
        Ok(())
    }

    fn send_end(&mut self) {
        if self.write_shut {
            return;
        }
        self.write_shut = true;
        match self.state {
            State::Established => self.state = State::FinWait1,
            State::CloseWait => self.state = State::LastAck,
            State::SynSent => self.finish(None),
            State::SynReceived => self.abort(),
            _ => {}
        }
    }

    /// Nobody has it open any more: it sends what is queued and its end. With
    /// bytes that were not read it is reset (RFC 2525, 2.17), and so it is
    /// with `abort`.
    pub fn abandon(&mut self, abort: bool, now: u64) {
        self.is_orphan = true;
        let unread = !self.receive.is_empty();
        self.receive.clear();
        if abort || unread {
            return self.abort();
        }
        self.send_end();
        self.limit_fin_wait(now);
        self.account();
    }

    /// Ends it with a reset.
    pub fn abort(&mut self) {
        let known = self.state.is_synchronized() || self.state == State::SynReceived;
        self.due.reset = known;
        if self.state != State::Closed {
            self.finish(None);
        }
    }

    /// What poll(2) tells.
    pub fn ready(&mut self) -> Ready {
        let mut ready = Ready::empty();
        let both_shut = self.read_shut && self.write_shut;
        ready.set(Ready::ERR, self.error.is_some());
        ready.set(Ready::HUP, both_shut || self.state == State::Closed);
        ready.set(Ready::RDHUP, self.read_shut);
        let connecting = matches!(self.state, State::SynSent | State::SynReceived);
        let room = !connecting && self.has_room();
        ready.set(Ready::IN, self.read_shut || !self.receive.is_empty());
        ready.set(Ready::OUT, self.write_shut || room);
        self.wants_room |= !ready.contains(Ready::OUT);
        ready
    }

    /// Bytes that have come and not been read, and bytes that the peer has
    /// not acknowledged.
    pub fn queues(&self) -> (usize, usize) {
        (self.receive.len(), self.transmit.len())
    }

    /// Takes the error (SO_ERROR).
    pub fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    /// Changes the options.
    pub fn set(&mut self, settings: Settings) {
        let kept = self.settings;
        self.settings = settings;
        let times = |set: &Settings| (set.keep_alive, set.keep_idle, set.keep_interval);
        if times(&kept) != times(&settings) {
            self.set_keep_alive();
        }
        if kept.algorithm != settings.algorithm {
            self.congestion.set(settings.algorithm);
        }
    }

    /// What TCP_INFO tells.
    pub fn figures(&self) -> Figures {
        let (round_trip, variation) = self.trip.estimate();
        Figures {
            state: self.state,
            round_trip,
            variation,
            timeout: self.trip.timeout(),
            window: self.congestion.window(),
            mss: self.mss,
            unacknowledged: self.max.since(self.una),
            attempts: self.timers.attempts,
            resent: self.resent,
            peer_scale: self.peer_scale,
            own_scale: self.own_scale(),
            threshold: self.congestion.threshold(),
            stamps: self.stamps.is_agreed(),
            selective: self.selective.is_agreed(),
        }
    }

    /// Whether its first segment with an acknowledgement has to wait: only
    /// data establish it yet (TCP_DEFER_ACCEPT).
    pub fn is_deferred(&self, now: u64, header: &Header, data: usize) -> bool {
        let until = self.timers.heard + u64::from(self.settings.defer_accept) * SECOND;
        let is_bare = header.length(data) == 0 && !header.flags.contains(Flags::RST);
        is_bare && now < until
    }

    /// Has another account pay. `ENOMEM` beyond its limit.
    pub fn charge_to(&mut self, account: &Arc<Account>) -> Result<()> {
        self.charge = Charge::new(account, self.charge.bytes())?;
        Ok(())
    }

    /// Its peer cannot be reached. It is over only if it has not begun (RFC
    /// 1122, 4.2.3.9).
    pub fn on_unreachable(&mut self, error: Errno) {
        if self.state == State::SynSent {
            self.finish(Some(error));
        }
    }

    /// The table of those in TIME-WAIT has it from now on.
    pub fn end_time_wait(&mut self) {
        self.state = State::Closed;
    }
}
