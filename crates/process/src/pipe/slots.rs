//! [`Slots`]: which bytes of a pipe came together (pipe(7)).
//!
//! A pipe has room for a number of pages, and each is used for the bytes of one write,
//! or of several small ones if the later fit behind the earlier. What is read off a
//! page's front makes no room; a page is free again once all of it has been read.

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// A page that is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// How many pages need no memory of their own: those of an ordinary pipe.
const FEW: usize = 16;

/// The pages of a pipe that are in use, in the order of their bytes.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// A ring of so many, or as many as `more` has place for.
    few: [Slot; FEW],
    more: Vec<Slot>,
    start: usize,
    used: usize,
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
        self.used
    }

    /// How many of `count` bytes go in where there are `pages` in all.
    ///
    /// Up to a page's they go in together or not at all; of more, the part that fills
    /// no page goes behind what is there if it fits, and the others to pages of theirs.
    /// What goes on with a write fills the page first that this has begun.
    pub(super) fn room(&self, count: usize, pages: usize, goes_on: bool) -> usize {
        let free = pages.saturating_sub(self.used());
        if count <= PAGE && !goes_on {
            let fits = free > 0 || self.merges(count);
            return if fits { count } else { 0 };
        }
        (self.head(count, goes_on) + free * PAGE).min(count)
    }

    /// How many of a write's first bytes go behind those that are there.
    fn head(&self, count: usize, goes_on: bool) -> usize {
        if goes_on && self.used > 0 {
            return count.min(PAGE - usize::from(self.slot(self.used - 1).end));
        }
        let part = count % PAGE;
        match part > 0 && self.merges(part) {
            true => part,
            false => 0,
        }
    }

    fn merges(&self, count: usize) -> bool {
        let last = self.used.checked_sub(1).map(|last| self.slot(last));
        last.is_some_and(|last| !last.packet && usize::from(last.end) + count <= PAGE)
    }

    fn ring(&self) -> &[Slot] {
        match self.more.is_empty() {
            true => &self.few,
            false => &self.more,
        }
    }

    /// Where in the ring the one with that number is, counted from the oldest.
    fn place(&self, number: usize) -> usize {
        let (place, length) = (self.start + number, self.ring().len());
        if place < length {
            place
        } else {
            place - length
        }
    }

    fn slot(&self, number: usize) -> Slot {
        self.ring()[self.place(number)]
    }

    fn slot_mut(&mut self, number: usize) -> &mut Slot {
        let place = self.place(number);
        match self.more.is_empty() {
            true => &mut self.few[place],
            false => &mut self.more[place],
        }
    }

    /// Makes sure that notes of `count` bytes find memory, which go in where there are
    /// `pages` in all. `ENOMEM`.
    pub(super) fn reserve(&mut self, count: usize, pages: usize) -> Result<()> {
        let wanted = (self.used + count.div_ceil(PAGE)).min(pages);
        if wanted <= self.ring().len() {
            return Ok(());
        }
        let wanted = wanted.next_power_of_two();
        let mut more = Vec::new();
        more.try_reserve_exact(wanted).map_err(|_| Errno::ENOMEM)?;
        more.extend((0..self.used).map(|number| self.slot(number)));
        more.resize(wanted, Slot::default());
        (self.more, self.start) = (more, 0);
        Ok(())
    }

    /// Notes that `added` bytes went in of those for which [`Self::room`] was asked and
    /// memory reserved.
    pub(super) fn add(&mut self, added: usize, count: usize, goes_on: bool, packets: bool) {
        let behind = self.head(count, goes_on).min(added);
        if behind > 0 {
            self.slot_mut(self.used - 1).end += behind as u16;
        }
        self.add_pages(added - behind, packets);
    }

    /// Notes that `added` bytes went in, on pages of theirs.
    pub(super) fn add_pages(&mut self, added: usize, packet: bool) {
        let mut left = added;
        while left > 0 {
            let end = left.min(PAGE);
            self.packets += usize::from(packet);
            self.used += 1;
            *self.slot_mut(self.used - 1) = Slot {
                end: end as u16,
                read: 0,
                packet,
            };
            left -= end;
        }
    }

    /// What a read may have where `there` bytes are: up to the end of the first packet.
    pub(super) fn next(&self, there: usize) -> Next {
        let mut before = 0;
        if self.packets > 0 {
            for slot in (0..self.used).map(|number| self.slot(number)) {
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
        while count > 0 && self.used > 0 {
            let first = self.slot_mut(0);
            let taken = first.left().min(count);
            count -= taken;
            first.read += taken as u16;
            if first.left() == 0 {
                self.packets -= usize::from(first.packet);
                self.start = self.place(1);
                self.used -= 1;
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
        write_in_parts(slots, count, &[count], packets)
    }

    /// The same where pages are missing on the way.
    fn write_in_parts(slots: &mut Slots, count: usize, parts: &[usize], packets: bool) -> usize {
        let mut done = 0;
        for part in parts {
            let goes_on = done > 0;
            let room = slots.room(count - done, PAGES, goes_on);
            let added = room.min(*part);
            slots.reserve(room, PAGES).unwrap();
            slots.add(added, count - done, goes_on, packets);
            done += added;
        }
        done
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
    fn a_write_that_goes_on_fills_the_page_that_it_began() {
        let mut slots = Slots::default();
        let parts = [4032, 100, 61_404, 1000];
        assert_eq!(write_in_parts(&mut slots, 100_000, &parts, false), 65_536);
        assert_eq!(slots.used(), PAGES);
        slots.consume(65_536);
        assert_eq!(
            write_in_parts(&mut slots, 5000, &[10, 3000, 1990], false),
            5000
        );
        assert_eq!(slots.used(), 2);
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

    #[test]
    fn a_large_pipe_has_more() {
        let mut slots = Slots::default();
        for round in 0..3 {
            for _ in 0..PAGES - round {
                assert_eq!(write(&mut slots, PAGE, false), PAGE);
            }
            slots.consume(PAGE * (PAGES - round - 1));
        }
        let before = slots.used();
        slots.reserve(40 * PAGE, 64).unwrap();
        slots.add_pages(40 * PAGE, false);
        assert_eq!(slots.used(), before + 40);
        slots.consume((before + 39) * PAGE + 1);
        assert_eq!((slots.used(), slots.slot(0).left()), (1, PAGE - 1));
    }
}
