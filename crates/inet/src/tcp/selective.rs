//! What the peer has beyond what it acknowledges, and what is lost in between
//! (RFC 2018, RFC 6675).

use super::output::Part;
use super::ranges::Ranges;
use super::{Connection, State};
use crate::options::{BLOCKS, Blocks};
use crate::segment::Header;
use crate::seq::Seq;

/// What is known of the other end's queue, and told of this one's.
#[derive(Debug)]
pub struct Selective {
    /// Both sides have agreed.
    agreed: bool,
    /// What the peer has ahead of what it has acknowledged.
    sacked: Ranges,
    /// Holes before this number were sent again in this recovery.
    resent: Seq,
    /// The end of all that was sent when the first hole was sent again: if
    /// what came after it arrives, that was lost once more.
    mark: Seq,
    /// The last segment that has come out of order.
    latest: Seq,
}

impl Selective {
    pub const fn new() -> Selective {
        Selective {
            agreed: false,
            sacked: Ranges::new(),
            resent: Seq(0),
            mark: Seq(0),
            latest: Seq(0),
        }
    }

    /// The peer's SYN, and whether it takes blocks.
    pub fn agree(&mut self, agreed: bool) {
        self.agreed = agreed;
    }

    /// Whether losses are found by blocks.
    pub fn is_agreed(&self) -> bool {
        self.agreed
    }

    /// A segment has come out of order.
    pub fn note(&mut self, seq: Seq) {
        self.latest = seq;
    }

    /// Everything before `una` was acknowledged.
    pub fn advance(&mut self, una: Seq) {
        if !self.sacked.is_empty() {
            self.sacked.advance(una);
        }
    }

    /// Nothing came in time, `again` for the second time in a row: the peer may
    /// have thrown away what it had (RFC 2018, 8).
    pub fn timed_out(&mut self, una: Seq, again: bool) {
        self.resent = una;
        if again {
            self.sacked.clear();
        }
    }

    /// The connection is over.
    pub fn clear(&mut self) {
        self.sacked.clear();
    }

    /// The first number from `from` on that the peer does not have.
    pub fn skip(&self, from: Seq) -> Seq {
        self.sacked.skip(from)
    }

    /// How much of `length` from `from` on is before what the peer has.
    pub fn until_next(&self, from: Seq, length: usize) -> usize {
        let next = self.sacked.next_start(from);
        next.map_or(length, |next| next.since(from).min(length))
    }

    /// Numbers between two that the peer does not have.
    pub fn missing(&self, start: Seq, end: Seq) -> usize {
        self.sacked.missing(start, end)
    }

    /// What was sent again from the first hole on.
    pub fn count_as_resent(&mut self, start: Seq, end: Seq, sent: Seq) {
        if !start.after(self.resent) {
            self.mark = sent;
        }
        self.resent = self.resent.max(end);
    }
}

impl Connection {
    /// What a segment tells of what the peer has. Whether anything.
    pub(super) fn take_blocks(&mut self, header: &Header) -> bool {
        if !self.selective.agreed {
            return false;
        }
        let mut any = false;
        for &(start, end) in header.options.blocks.as_slice() {
            let is_ahead = start.after(self.una.max(header.ack)) && start.before(end);
            if is_ahead && !end.after(self.max) {
                any |= self.selective.sacked.add(start, end);
            }
        }
        any
    }

    /// Has what is lost sent again, if that is not under way.
    pub(super) fn seek_losses(&mut self) {
        let selective = &mut self.selective;
        let enough = 2 * self.mss as usize;
        let Some(edge) = selective.sacked.lost_before(enough) else {
            return;
        };
        if !edge.after(self.una) {
            return;
        }
        if !self.congestion.is_recovering() {
            let flight = self.max.since(self.una) as u32;
            if self.congestion.lost(self.una, self.max, flight) {
                selective.resent = self.una;
                self.due.resend = true;
            }
        } else if selective.resent.after(self.una)
            && selective
                .sacked
                .end()
                .is_some_and(|end| end.since(selective.mark) > enough)
        {
            // What was sent after it has arrived.
            selective.resent = self.una;
            self.due.resend = true;
        }
    }

    /// Bytes that are under way (RFC 6675, 4: SetPipe), if `next` is what is
    /// sent next.
    pub(super) fn pipe(&self) -> usize {
        let selective = &self.selective;
        if !self.congestion.is_recovering() || !selective.agreed {
            return selective.missing(self.una, self.next);
        }
        let edge = selective.sacked.lost_before(2 * self.mss as usize);
        let edge = edge.unwrap_or(self.una).max(selective.resent).max(self.una);
        selective.missing(self.una, selective.resent) + selective.missing(edge, self.next)
    }

    /// The next hole that is lost, if it may be filled now.
    pub(super) fn next_hole(&mut self) -> Option<Part> {
        let selective = &self.selective;
        if selective.sacked.is_empty() || !self.congestion.is_recovering() {
            return None;
        }
        let edge = selective.sacked.lost_before(2 * self.mss as usize)?;
        let from = selective.skip(selective.resent.max(self.una));
        let offset = from.since(self.una);
        let hole = selective.until_next(from, edge.since(from));
        let queued = self.transmit.len().saturating_sub(offset);
        let length = hole.min(queued).min(self.room());
        let may_go = self.pipe() + length <= self.congestion.window() as usize;
        (length > 0 && may_go).then_some(Part {
            seq: from,
            offset,
            length,
            fin: false,
        })
    }

    /// What this side has ahead of what it expects: what has come last first.
    pub(super) fn blocks(&self, most: usize) -> Blocks {
        let mut blocks = Blocks::default();
        if !self.selective.agreed || self.ahead.is_empty() {
            return blocks;
        }
        let latest = self.selective.latest;
        let all = self.ahead.as_slice();
        let is_last = |range: &&(Seq, Seq)| !range.0.after(latest) && range.1.after(latest);
        let last = all.iter().find(is_last);
        let others = all.iter().filter(|range| Some(*range) != last);
        for range in last.into_iter().chain(others).take(most.min(BLOCKS)) {
            blocks.push(*range);
        }
        blocks
    }

    /// Bytes of data in a segment beside the blocks that are to be told.
    pub(super) fn room(&self) -> usize {
        let blocks = match self.selective.agreed && self.state != State::Closed {
            true => self.ahead.as_slice().len().min(BLOCKS),
            false => 0,
        };
        (self.mss as usize)
            .saturating_sub(Blocks::room(blocks))
            .max(1)
    }
}
