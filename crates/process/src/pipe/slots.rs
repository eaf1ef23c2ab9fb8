//! [`Slots`]: which bytes of a pipe came together (pipe(7)).
//!
//! A pipe has room for a number of pages, and each is used for the bytes of one write,
//! or of several small ones if the later fit behind the earlier. What is read off a
//! page's front makes no room; a page is free again once all of it has been read.

use alloc::collections::VecDeque;
use paddock_abi::{Errno, Result};

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// A page that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// Bytes that were written to it.
    end: u16,
    /// How far they have been read.
    read: u16,
    /// They are a packet: nothing is added, and what one read does not take of them
    /// is lost.
    packet: bool,
}

impl Slot {
    fn left(self) -> usize {
        usize::from(self.end - self.read)
    }
}

/// The pages of a pipe that are in use, in the order of their bytes.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: VecDeque<Slot>,
    /// How many are packets.
    packets: usize,
}

/// What a read may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The most bytes.
    pub(super) most: usize,
    /// Where among them a packet begins, with which they end.
    packet_at: Option<usize>,
}

impl Next {
    /// How many bytes are gone once `taken` have been read: with the first byte of a
    /// packet, all of it.
    pub(super) fn gone(self, taken: usize) -> usize {
        match self.packet_at {
            Some(at) if at < taken => self.most,
            _ => taken,
        }
    }
}

impl Slots {
    /// How many are in use.
    pub(super) fn used(&self) -> usize {
        self.slots.len()
    }

    /// How many of `count` bytes go in where there are `pages` in all.
    ///
    /// Up to a page's they go in together or not at all; of more, the part that fills
    /// no page goes behind what is there if it fits, and the others to pages of theirs.
    pub(super) fn room(&self, count: usize, pages: usize) -> usize {
        let free = pages.saturating_sub(self.used());
        if count <= PAGE {
            let fits = free > 0 || self.merges(count);
            return if fits { count } else { 0 };
        }
        (self.head(count) + free * PAGE).min(count)
    }

    /// How many of a write's first bytes go behind those that are there.
    fn head(&self, count: usize) -> usize {
        let part = count % PAGE;
        match part > 0 && self.merges(part) {
            true => part,
            false => 0,
        }
    }

    fn merges(&self, count: usize) -> bool {
        let last = self.slots.back();
        last.is_some_and(|last| !last.packet && usize::from(last.end) + count <= PAGE)
    }

    /// Makes sure that notes of a write of `count` bytes find memory. `ENOMEM`.
    pub(super) fn reserve(&mut self, count: usize) -> Result<()> {
        let more = count.div_ceil(PAGE);
        self.slots.try_reserve(more).map_err(|_| Errno::ENOMEM)
    }

    /// Notes that `added` bytes went in of a write of `count`, for which memory was
    /// reserved.
    pub(super) fn add(&mut self, added: usize, count: usize, packets: bool) {
        let behind = self.head(count).min(added);
        if behind > 0
            && let Some(last) = self.slots.back_mut()
        {
            last.end += behind as u16;
        }
        self.add_pages(added - behind, packets);
    }

    /// Notes that `added` bytes went in, on pages of theirs.
    pub(super) fn add_pages(&mut self, added: usize, packet: bool) {
        let mut left = added;
        while left > 0 {
            let end = left.min(PAGE);
            self.packets += usize::from(packet);
            self.slots.push_back(Slot {
                end: end as u16,
                read: 0,
                packet,
            });
            left -= end;
        }
    }

    /// What a read may have where `there` bytes are: up to the end of the first packet.
    pub(super) fn next(&self, there: usize) -> Next {
        let mut before = 0;
        if self.packets > 0 {
            for slot in &self.slots {
                let (at, left) = (before, slot.left());
                before += left;
                if slot.packet {
                    return Next {
                        most: before,
                        packet_at: Some(at),
                    };
                }
            }
        }
        Next {
            most: there,
            packet_at: None,
        }
    }

    /// Notes that the first `count` bytes are gone.
    pub(super) fn consume(&mut self, mut count: usize) {
        while count > 0
            && let Some(first) = self.slots.front_mut()
        {
            let taken = first.left().min(count);
            count -= taken;
            first.read += taken as u16;
            if first.left() == 0 {
                self.packets -= usize::from(first.packet);
                self.slots.pop_front();
            }
        }
    }

    /// Notes that no bytes are there.
    pub(super) fn clear(&mut self) {
        *self = Slots::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: usize = 16;

    /// Writes as much as fits.
    fn write(slots: &mut Slots, count: usize, packets: bool) -> usize {
        let room = slots.room(count, PAGES);
        slots.reserve(room).unwrap();
        slots.add(room, count, packets);
        room
    }

    fn all(writes: &[usize]) -> Vec<usize> {
        let mut slots = Slots::default();
        let each = writes.iter().map(|&count| write(&mut slots, count, false));
        each.collect()
    }

    /// As Linux answers the same.
    #[test]
    fn pages_are_shared_by_what_fits_behind() {
        assert_eq!(
            all(&[61_440, 100, 4096, 4097, 3996, 1]),
            [61_440, 100, 0, 1, 0, 1]
        );
        assert_eq!(all(&[65_535, 65_536, 1, 1]), [65_535, 0, 1, 0]);
        assert_eq!(all(&[10, 69_632, 1]), [10, 61_440, 0]);
        let each = all(&[3000; 18]);
        assert!(each[..16].iter().all(|&count| count == 3000));
        assert_eq!(each[16..], [0, 0]);
    }

    #[test]
    fn a_page_is_free_once_it_is_read() {
        let mut slots = Slots::default();
        assert_eq!(write(&mut slots, 65_536, false), 65_536);
        slots.consume(100);
        assert_eq!(write(&mut slots, 1, false), 0);
        slots.consume(3996);
        assert_eq!(slots.used(), PAGES - 1);
        assert_eq!(write(&mut slots, 5000, false), 4096);
        slots.consume(65_536);
        assert_eq!(slots.used(), 0);
    }

    #[test]
    fn packets_end_reads_and_their_rest_is_lost() {
        let mut slots = Slots::default();
        assert_eq!(write(&mut slots, 4, false), 4);
        slots.add_pages(3, true);
        assert_eq!(write(&mut slots, 5, true), 5);
        assert_eq!(slots.used(), 3);
        let next = slots.next(12);
        assert_eq!(next.most, 7);
        assert_eq!([4, 5, 7].map(|taken| next.gone(taken)), [4, 7, 7]);
        slots.consume(7);
        assert_eq!(slots.next(5).most, 5);
        slots.consume(5);
        assert_eq!(write(&mut slots, 9, false), 9);
        assert_eq!(slots.next(9).gone(2), 2);
        slots.clear();
        assert_eq!(slots.used(), 0);
    }
}
