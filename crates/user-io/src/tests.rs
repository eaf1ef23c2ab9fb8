//! Against a small memory whose pages are there, missing or bad.

use crate::{Access, Faults, Pass, UserCopy, UserReader, UserWriter};
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use paddock_abi::Errno;
use paddock_abi::uio::Iovec;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};

/// Small, so that cursors cross many.
const PAGE: usize = 16;
const PAGES: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Page {
    There,
    Missing,
    Bad,
}

struct Memory {
    bytes: RefCell<[u8; PAGE * PAGES]>,
    pages: RefCell<[Page; PAGES]>,
    slept: Cell<bool>,
    /// The most bytes that were to be brought in at once.
    asked: Cell<usize>,
}

impl Memory {
    fn new(pages: [Page; PAGES]) -> Memory {
        Memory {
            bytes: RefCell::new(core::array::from_fn(|at| at as u8)),
            pages: RefCell::new(pages),
            slept: Cell::new(false),
            asked: Cell::new(0),
        }
    }

    fn all_there() -> Memory {
        Memory::new([Page::There; PAGES])
    }

    /// How many of `length` bytes are there, bringing in what is missing.
    fn reach(&self, address: u64, length: usize, faults: Faults) -> usize {
        let mut pages = self.pages.borrow_mut();
        let start = address as usize;
        (start..start + length)
            .take_while(|at| match pages.get(at / PAGE) {
                Some(Page::There) => true,
                Some(Page::Missing) if faults == Faults::Resolved => {
                    self.slept.set(true);
                    pages[at / PAGE] = Page::There;
                    true
                }
                _ => false,
            })
            .count()
    }
}

impl UserCopy for Memory {
    fn copy_in(&self, to: &mut [u8], from: u64, faults: Faults) -> usize {
        let count = self.reach(from, to.len(), faults);
        let from = from as usize;
        to[..count].copy_from_slice(&self.bytes.borrow()[from..from + count]);
        count
    }

    fn copy_out(&self, to: u64, from: &[u8], faults: Faults) -> usize {
        let count = self.reach(to, from.len(), faults);
        let to = to as usize;
        self.bytes.borrow_mut()[to..to + count].copy_from_slice(&from[..count]);
        count
    }

    fn copy_in_shared(&self, to: &[AtomicU8], from: u64, faults: Faults) -> usize {
        let mut bytes = vec![0; to.len()];
        let count = self.copy_in(&mut bytes, from, faults);
        to.iter()
            .zip(&bytes[..count])
            .for_each(|(to, byte)| to.store(*byte, Relaxed));
        count
    }

    fn copy_out_shared(&self, to: u64, from: &[AtomicU8], faults: Faults) -> usize {
        let bytes: Vec<u8> = from.iter().map(|byte| byte.load(Relaxed)).collect();
        self.copy_out(to, &bytes, faults)
    }

    fn zero(&self, to: u64, length: usize) -> usize {
        self.copy_out(to, &vec![0; length], Faults::Resolved)
    }

    fn fault_in(&self, address: u64, length: usize, _: Access) -> usize {
        self.asked.set(self.asked.get().max(length));
        self.reach(address, length, Faults::Resolved)
    }
}

fn page() -> impl Strategy<Value = Page> {
    prop_oneof![
        6 => Just(Page::There),
        3 => Just(Page::Missing),
        1 => Just(Page::Bad),
    ]
}

fn pieces() -> impl Strategy<Value = Vec<Iovec>> {
    let piece = (0u64..(PAGE * PAGES) as u64, 0u64..40)
        .prop_map(|(iov_base, iov_len)| Iovec { iov_base, iov_len });
    proptest::collection::vec(piece, 0..6)
}

fn total(pieces: &[Iovec]) -> usize {
    pieces.iter().map(|piece| piece.iov_len as usize).sum()
}

/// The addresses of the pieces' bytes, one by one.
fn addresses(pieces: &[Iovec]) -> Vec<usize> {
    pieces
        .iter()
        .flat_map(|piece| piece.iov_base..piece.iov_base + piece.iov_len)
        .map(|address| address as usize)
        .collect()
}

proptest! {
    /// Whatever the parts in which they are read, the bytes are those of the pieces,
    /// up to the first that is bad; and nothing is said to be read that was not.
    #[test]
    fn reads_the_pieces_in_order(
        pages in proptest::array::uniform16(page()),
        pieces in pieces(),
        parts in proptest::collection::vec((1usize..30, any::<bool>()), 1..30),
    ) {
        let memory = Memory::new(pages);
        let expected = addresses(&pieces);
        let mut reader = UserReader::user(&memory, &pieces, total(&pieces));
        let mut seen = Vec::new();
        for (most, atomic) in parts {
            let mut part = vec![0; most];
            let left = reader.left();
            memory.slept.set(false);
            let count = match atomic {
                true => reader.copy_in_atomic(&mut part),
                false => reader.copy_in(&mut part).unwrap_or(0),
            };
            prop_assert!(!(atomic && memory.slept.get()));
            prop_assert_eq!(reader.left(), left - count);
            seen.extend_from_slice(&part[..count]);
        }
        let good = expected
            .iter()
            .take_while(|&&at| at < PAGE * PAGES && pages[at / PAGE] != Page::Bad)
            .count();
        prop_assert!(seen.len() <= good);
        for (byte, at) in seen.iter().zip(&expected) {
            prop_assert_eq!(usize::from(*byte), *at);
        }
    }

    /// What is written is where it belongs and nothing else has changed, and after
    /// `fault_in` there is something to write atomically.
    #[test]
    fn writes_the_pieces_in_order(
        pages in proptest::array::uniform16(page()),
        pieces in pieces(),
        parts in proptest::collection::vec(1usize..30, 1..30),
    ) {
        let memory = Memory::new(pages);
        let expected = addresses(&pieces);
        let mut model: Vec<u8> = memory.bytes.borrow().to_vec();
        let mut writer = UserWriter::user(&memory, &pieces, total(&pieces));
        let mut done = 0;
        for (number, most) in parts.into_iter().enumerate() {
            let part: Vec<u8> = (0..most).map(|at| 0x80 ^ (number * 31 + at) as u8).collect();
            let mut count = writer.copy_out_atomic(&part);
            if count == 0 && !writer.is_full() && writer.fault_in(most).is_ok() {
                count = writer.copy_out_atomic(&part);
                prop_assert!(count > 0);
            }
            for (byte, at) in part[..count].iter().zip(&expected[done..]) {
                model[*at] = *byte;
            }
            done += count;
        }
        prop_assert_eq!(&memory.bytes.borrow()[..], &model[..]);
    }
}

#[test]
fn a_bad_first_byte_is_an_error_and_a_later_one_an_end() {
    let mut pages = [Page::There; PAGES];
    pages[1] = Page::Bad;
    let memory = Memory::new(pages);
    let piece = |iov_base| {
        [Iovec {
            iov_base,
            iov_len: 8,
        }]
    };
    let (bad, half) = (piece(16), piece(12));
    let mut room = [0; 8];
    let mut reader = UserReader::user(&memory, &bad, 8);
    assert_eq!(reader.copy_in(&mut room), Err(Errno::EFAULT));
    assert_eq!(reader.fault_in(8), Err(Errno::EFAULT));
    let mut reader = UserReader::user(&memory, &half, 8);
    assert_eq!(reader.copy_in(&mut room), Ok(4));
    assert_eq!(reader.left(), 4);
    assert_eq!(reader.copy_in(&mut []), Ok(0));
    let mut writer = UserWriter::user(&memory, &half, 8);
    assert_eq!(writer.copy_out(b"abcdefgh"), Ok(4));
    assert_eq!(writer.copy_out(b"efgh"), Err(Errno::EFAULT));
}

#[test]
fn a_clone_is_a_place_to_come_back_to() {
    let memory = Memory::all_there();
    let pieces = [
        Iovec {
            iov_base: 3,
            iov_len: 20,
        },
        Iovec {
            iov_base: 90,
            iov_len: 4,
        },
    ];
    let mut reader = UserReader::user(&memory, &pieces, 24);
    let start = reader.clone();
    let mut whole = [0; 24];
    assert_eq!(reader.copy_in(&mut whole), Ok(24));
    assert!(reader.is_empty());
    let mut again = start.clone();
    again.advance(21);
    let mut rest = [0; 8];
    assert_eq!(again.copy_in(&mut rest), Ok(3));
    assert_eq!(rest[..3], whole[21..]);
    let mut limited = start;
    limited.limit(2);
    assert_eq!(limited.copy_in(&mut whole), Ok(2));
}

/// Only what an object has taken counts, and one that gives nothing loses nothing.
#[test]
fn a_bounced_transfer_moves_on_by_what_was_taken() {
    let memory = Memory::all_there();
    let pieces = [Iovec {
        iov_base: 0,
        iov_len: 100,
    }];
    let mut reader = UserReader::user(&memory, &pieces, 100);
    assert_eq!(reader.with_bytes(10, |bytes| Ok(bytes.len() - 3)), Ok(7));
    let mut next = [0];
    reader.copy_in(&mut next).unwrap();
    assert_eq!(next, [7]);
    assert_eq!(
        reader.with_bytes(10, |_| Err(Errno::EAGAIN)),
        Err(Errno::EAGAIN)
    );
    assert_eq!(reader.left(), 92);
    let mut writer = UserWriter::user(&memory, &pieces, 100);
    let fill = |buffer: &mut [u8]| {
        buffer.fill(0xee);
        Ok(5)
    };
    assert_eq!(writer.with_buffer(64, fill), Ok(5));
    assert_eq!(writer.left(), 95);
    assert_eq!(
        memory.bytes.borrow()[..6],
        [0xee, 0xee, 0xee, 0xee, 0xee, 5]
    );
}

/// An object is not asked for bytes that have no place to go.
#[test]
fn a_bad_address_takes_nothing_from_an_object() {
    let memory = Memory::new([Page::Bad; PAGES]);
    let pieces = [Iovec {
        iov_base: 0,
        iov_len: 8,
    }];
    let mut writer = UserWriter::user(&memory, &pieces, 8);
    let asked = writer.with_buffer(8, |_| panic!("asked"));
    assert_eq!(asked, Err(Errno::EFAULT));
}

#[test]
fn kernel_memory_is_used_in_place() {
    let mut room = [0; 6];
    let mut writer = UserWriter::from(&mut room);
    assert_eq!(writer.copy_out(b"ab"), Ok(2));
    assert_eq!(
        writer.with_buffer(9, |rest| {
            rest[0] = b'c';
            Ok(1)
        }),
        Ok(1)
    );
    assert_eq!(writer.zero(1), Ok(1));
    assert_eq!(writer.left(), 2);
    assert_eq!(&room, b"abc\0\0\0");
    let mut reader = UserReader::from(b"xyz");
    let page = [const { AtomicU8::new(0) }; 2];
    assert_eq!(reader.copy_to_page(&page), Ok(2));
    assert_eq!(page[1].load(Relaxed), b'y');
    let mut writer = UserWriter::from(&mut room);
    assert_eq!(writer.copy_from_page(&page), Ok(2));
    assert_eq!(&room[..2], b"xy");
    assert_eq!(reader.left(), 1);
}

/// An object that takes all or nothing of what is only half good is given up.
#[test]
fn fruitless_passes_end() {
    let mut pages = [Page::There; PAGES];
    pages[1] = Page::Bad;
    let memory = Memory::new(pages);
    let pieces = [Iovec {
        iov_base: 8,
        iov_len: 16,
    }];
    let mut reader = UserReader::user(&memory, &pieces, 16);
    let nothing = |_: &mut UserReader<'_>| {
        Ok(Pass {
            moved: 0,
            wanted: 16,
        })
    };
    assert_eq!(reader.in_passes(nothing), Err(Errno::EFAULT));
}

/// However much room there is for what comes, little of it is brought in at once.
#[test]
fn not_all_of_a_large_place_is_brought_in() {
    const LARGE: usize = 1 << 30;
    let memory = Memory::new([Page::Missing; PAGES]);
    let pieces = [Iovec {
        iov_base: 0,
        iov_len: LARGE as u64,
    }];
    let mut writer = UserWriter::user(&memory, &pieces, LARGE);
    let passes = writer.in_passes(|to| {
        let moved = to.copy_out_atomic(b"abc");
        let wanted = if moved == 3 { 3 } else { to.left() };
        Ok(Pass { moved, wanted })
    });
    assert_eq!(passes, Ok(3));
    assert_eq!(memory.asked.get(), 256 << 10);
}

#[test]
fn steps_add_up_and_a_late_error_ends_them() {
    let steps = |ends: Vec<paddock_abi::Result<usize>>| {
        let mut ends = ends.into_iter();
        crate::in_steps(|_| ends.next().unwrap())
    };
    assert_eq!(steps(vec![Ok(2), Ok(3), Ok(0)]), Ok(5));
    assert_eq!(steps(vec![Ok(2), Err(Errno::EFAULT)]), Ok(2));
    assert_eq!(steps(vec![Err(Errno::ENOSPC)]), Err(Errno::ENOSPC));
}
