//! Bytes between two ends on this machine: a queue goes over as it is, with its memory,
//! where its receiver has read everything.

use super::{Connection, Outgoing};
use crate::segment::Flags;

impl Connection {
    /// Exchanges its empty queue for all that `sender`, its peer, has queued, if
    /// `segment` is that and could only be taken. The bytes are behind the queue's end
    /// until the segment comes with [`crate::segment::Data::Placed`]; for the sender
    /// they are [handed over](Self::handed_over). Whether it did.
    pub fn take_over(&mut self, sender: &mut Connection, segment: &Outgoing) -> bool {
        let Outgoing { header, length, .. } = segment;
        let is_all = *length > 0 && segment.offset == 0 && *length == sender.transmit.len();
        let has_read_all = self.receive.is_empty() && self.ahead.is_empty();
        let is_sane = !header.ack.after(self.max) && !header.ack.before(self.una);
        let is_next = header.seq == self.expected && is_sane;
        let fits = self.told.since(self.expected) >= *length;
        let only_data = !header.flags.intersects(Flags::SYN | Flags::RST);
        let takes = self.state.can_receive() && !self.is_orphan && self.origin.is_local;
        if !(is_all && has_read_all && is_next && fits && only_data && takes) {
            return false;
        }
        let (old, new) = (self.receive.capacity(), sender.transmit.capacity());
        let held = self.charge.bytes() - old + new;
        if new != old && self.charge.resize(held).is_err() {
            return false;
        }
        self.receive.exchange(&mut sender.transmit);
        let held = sender.charge.bytes() - new + old;
        if new != old && sender.charge.resize(held).is_err() {
            sender.transmit.clear();
            sender.account();
        }
        true
    }

    /// `count` bytes from the first unacknowledged one on are the peer's, as if it had
    /// acknowledged them, and told no more of its window yet.
    pub fn handed_over(&mut self, now: u64, count: usize) {
        let ack = self.una + count;
        self.window = self.window.saturating_sub(count as u32);
        self.take_sample(now, ack);
        self.advance(now, ack, count);
    }
}
