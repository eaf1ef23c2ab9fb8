//! Walking a stack by its chain of frame records (AAPCS64, 6.4.6): each is
//! the address of the next record and a return address.

use core::ops::Range;

/// How many places of a stack are shown.
pub const MAX_FRAMES: usize = 32;

const WORD: usize = size_of::<usize>();

/// One place on the way down a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A call returns here.
    Return(usize),
    /// An interrupt (or another exception) came before the instruction here.
    Interrupted(usize),
}

/// Where an exception's own frame says what was interrupted.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The handler returns to here, in the exception's entry code.
    pub returns_to: [usize; 3],
    /// From the frame record in the exception's frame to the interrupted
    /// code's address, in bytes.
    pub pc_offset: usize,
}

/// The places of one stack, from the innermost. It ends where the chain
/// leaves the stack or stops rising, and after [`MAX_FRAMES`] places.
#[derive(Debug)]
pub struct Walk<R> {
    stack: Range<usize>,
    read: R,
    entry: Entry,
    frame: usize,
    interrupted: Option<usize>,
    left: usize,
}

impl<R: FnMut(usize) -> usize> Walk<R> {
    /// Begins at the record at address `frame`. `read` gives the word at an
    /// address within `stack`, and is asked for no other.
    pub fn new(stack: Range<usize>, frame: usize, entry: Entry, read: R) -> Self {
        Walk {
            stack,
            read,
            entry,
            frame,
            interrupted: None,
            left: MAX_FRAMES,
        }
    }

    fn word(&mut self, address: usize) -> Option<usize> {
        let end = address.checked_add(WORD)?;
        let inside = address >= self.stack.start && end <= self.stack.end;
        (inside && address.is_multiple_of(WORD)).then(|| (self.read)(address))
    }

    fn step(&mut self) -> Option<Place> {
        if let Some(pc) = self.interrupted.take() {
            return Some(Place::Interrupted(pc));
        }
        let next = self.word(self.frame)?;
        let address = self.word(self.frame.checked_add(WORD)?)?;
        if address == 0 {
            return None;
        }
        if self.entry.returns_to.contains(&address) {
            self.interrupted = next
                .checked_add(self.entry.pc_offset)
                .and_then(|at| self.word(at));
        }
        // The chain rises, so it ends.
        self.frame = if next > self.frame { next } else { usize::MAX };
        Some(Place::Return(address))
    }
}

impl<R: FnMut(usize) -> usize> Iterator for Walk<R> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        self.left = self.left.checked_sub(1)?;
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: usize = 0x1_0000;
    const ENTRY: Entry = Entry {
        returns_to: [0xe0, 0xe8, 0xf0],
        pc_offset: 2 * WORD,
    };

    /// Addresses in units of words from the base; 0 stays 0.
    fn at(index: usize) -> usize {
        BASE + index * WORD
    }

    fn walk(stack: &[usize], start: usize) -> Vec<Place> {
        let end = BASE + size_of_val(stack);
        Walk::new(BASE..end, start, ENTRY, |address| {
            stack[(address - BASE) / WORD]
        })
        .collect()
    }

    #[test]
    fn the_chain_is_followed_to_its_end() {
        let stack = [at(2), 0x10, at(5), 0x20, 77, 0, 0x30];
        assert_eq!(
            walk(&stack, at(0)),
            [
                Place::Return(0x10),
                Place::Return(0x20),
                Place::Return(0x30)
            ]
        );
    }

    #[test]
    fn a_return_address_of_zero_is_the_first_frame() {
        assert_eq!(walk(&[at(2), 0x10, 0, 0], at(0)), [Place::Return(0x10)]);
    }

    #[test]
    fn an_interrupt_shows_what_it_interrupted() {
        // The record, the interrupted address two words on, then the caller's.
        let stack = [at(2), 0xe0, at(5), 0x20, 0x99, 0, 0x30];
        assert_eq!(
            walk(&stack, at(0)),
            [
                Place::Return(0xe0),
                Place::Interrupted(0x99),
                Place::Return(0x20),
                Place::Return(0x30)
            ]
        );
    }

    #[test]
    fn a_circle_and_a_step_back_end_the_walk() {
        assert_eq!(walk(&[at(0), 0x10], at(0)), [Place::Return(0x10)]);
        let back = [at(0), 0x10, at(0), 0x20];
        assert_eq!(walk(&back, at(2)), [Place::Return(0x20)]);
    }

    #[test]
    fn the_walk_stays_on_the_stack() {
        assert_eq!(walk(&[at(0) + 4096, 0x10], at(0)), [Place::Return(0x10)]);
        assert_eq!(walk(&[0, 0x10], at(1)), []);
        assert_eq!(walk(&[0, 0x10], at(0) + 4), []);
        assert_eq!(walk(&[0, 0x10], usize::MAX), []);
        assert_eq!(walk(&[0, 0x10], 0), []);
    }

    #[test]
    fn it_is_bounded() {
        let stack: Vec<_> = (0..200).flat_map(|n| [at(2 * n + 2), 0x10]).collect();
        assert_eq!(walk(&stack, at(0)).len(), MAX_FRAMES);
    }

    proptest! {
        #[test]
        fn whatever_is_on_the_stack_the_walk_ends_within_it(
            words in prop::collection::vec(
                prop_oneof![
                    (0..64usize).prop_map(at),
                    Just(0xe0),
                    Just(usize::MAX),
                    any::<usize>(),
                ],
                0..64,
            ),
            start in prop_oneof![(0..64usize).prop_map(at), any::<usize>()],
        ) {
            prop_assert!(walk(&words, start).len() <= MAX_FRAMES);
        }
    }
}
