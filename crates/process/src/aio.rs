//! Contexts of asynchronous I/O (io_submit(2)): which operations there are, how many of
//! them a context has under way, and what has become of them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use paddock_abi::aio::*;
use paddock_abi::uio::{POLLERR, POLLHUP};
use paddock_abi::{Errno, Result};

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading into one piece of memory, or an array of such.
    Read {
        /// Whether it is an array.
        vector: bool,
    },
    /// Writing from there.
    Write {
        /// Whether it is an array.
        vector: bool,
    },
    /// fsync(2), or fdatasync(2).
    Sync {
        /// Whether times may be left out.
        data_only: bool,
    },
    /// Waiting for one of these events (poll(2)).
    Poll {
        /// They, with those that are always told.
        events: u32,
    },
}

impl Operation {
    /// What an `iocb` asks for.
    ///
    /// # Errors
    /// `EINVAL` for an operation that is not known, or for fields that must be empty, as
    /// in io_submit(2).
    pub fn of(iocb: &Iocb) -> Result<Operation> {
        let operation = match iocb.aio_lio_opcode {
            IOCB_CMD_PREAD => Operation::Read { vector: false },
            IOCB_CMD_PREADV => Operation::Read { vector: true },
            IOCB_CMD_PWRITE => Operation::Write { vector: false },
            IOCB_CMD_PWRITEV => Operation::Write { vector: true },
            IOCB_CMD_FSYNC => Operation::Sync { data_only: false },
            IOCB_CMD_FDSYNC => Operation::Sync { data_only: true },
            IOCB_CMD_POLL => Operation::Poll {
                events: (iocb.aio_buf & 0xffff) as u32 | POLLERR | POLLHUP,
            },
            _ => return Err(Errno::EINVAL),
        };
        let no_range = iocb.aio_offset == 0 && iocb.aio_nbytes == 0 && iocb.aio_rw_flags == 0;
        let fits = match operation {
            Operation::Read { .. } | Operation::Write { .. } => true,
            Operation::Sync { .. } => no_range && iocb.aio_buf == 0,
            Operation::Poll { .. } => no_range && iocb.aio_buf <= 0xffff,
        };
        match fits {
            true => Ok(operation),
            false => Err(Errno::EINVAL),
        }
    }
}

/// `EINVAL` for an `iocb` that no operation takes.
///
/// # Errors
/// That.
pub fn check(iocb: &Iocb) -> Result<()> {
    match iocb.aio_reserved2 != 0 || (iocb.aio_nbytes as i64) < 0 {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    }
}

/// Operations of a context that wait, by the number that they were given.
type Waiting = Vec<(u64, u64)>;

/// What a context knows of its operations. A place is taken for one before it begins, and
/// kept until somebody has heard what became of it.
#[derive(Debug)]
pub struct Operations {
    most: usize,
    taken: usize,
    ended: VecDeque<IoEvent>,
    waiting: Waiting,
}

impl Operations {
    /// None of `most`.
    pub const fn new(most: usize) -> Operations {
        Operations {
            most,
            taken: 0,
            ended: VecDeque::new(),
            waiting: Vec::new(),
        }
    }

    /// The most at a time.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Takes a place for one.
    ///
    /// # Errors
    /// `EAGAIN` if there are too many, or no memory for what becomes of it.
    pub fn take(&mut self) -> Result<()> {
        if self.taken >= self.most {
            return Err(Errno::EAGAIN);
        }
        // Those that have ended have theirs already.
        let open = self.taken - self.ended.len() + 1;
        self.ended.try_reserve(open).map_err(|_| Errno::EAGAIN)?;
        self.waiting.try_reserve(1).map_err(|_| Errno::EAGAIN)?;
        self.taken += 1;
        Ok(())
    }

    /// Gives it back: the operation has not begun.
    pub fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// One that has a place waits, under a number that no other has; `iocb` is its address.
    pub fn wait(&mut self, number: u64, iocb: u64) {
        debug_assert!(self.waiting.len() < self.waiting.capacity());
        self.waiting.push((number, iocb));
    }

    /// One does not wait any more; whether it did.
    pub fn wait_is_over(&mut self, number: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.0 != number);
        self.waiting.len() < before
    }

    /// The number of one that waits, by its address.
    pub fn waiting_at(&self, iocb: u64) -> Option<u64> {
        let found = self.waiting.iter().find(|waiting| waiting.1 == iocb);
        found.map(|waiting| waiting.0)
    }

    /// The number of any that waits.
    pub fn any_waiting(&self) -> Option<u64> {
        self.waiting.first().map(|waiting| waiting.0)
    }

    /// One that has a place has ended so.
    pub fn end(&mut self, event: IoEvent) {
        debug_assert!(self.ended.len() < self.taken);
        self.ended.push_back(event);
    }

    /// How many have ended that nobody has heard of.
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// The one of these that ended first: its place is free again.
    pub fn next_ended(&mut self) -> Option<IoEvent> {
        let event = self.ended.pop_front()?;
        self.taken -= 1;
        Some(event)
    }

    /// Puts back what could not be told; without memory for that it is lost.
    pub fn not_told(&mut self, event: IoEvent) {
        if self.ended.try_reserve(1).is_ok() {
            self.taken += 1;
            self.ended.push_front(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paddock_abi::uio::POLLIN;
    use proptest::prelude::*;

    #[test]
    fn an_operation_is_known_by_its_number_and_has_only_its_own_fields() {
        let of = |opcode, buf, nbytes| {
            Operation::of(&Iocb {
                aio_lio_opcode: opcode,
                aio_buf: buf,
                aio_nbytes: nbytes,
                ..Iocb::default()
            })
        };
        assert_eq!(of(7, 1, 2), Ok(Operation::Read { vector: true }));
        assert_eq!(of(2, 0, 0), Ok(Operation::Sync { data_only: false }));
        assert_eq!(of(2, 1, 0), Err(Errno::EINVAL));
        let events = POLLIN | POLLERR | POLLHUP;
        assert_eq!(of(5, POLLIN.into(), 0), Ok(Operation::Poll { events }));
        for (opcode, buf, nbytes) in [
            (5, 0x1_0000, 0),
            (5, 1, 1),
            (6, 0, 0),
            (4, 0, 0),
            (99, 0, 0),
        ] {
            assert_eq!(of(opcode, buf, nbytes), Err(Errno::EINVAL));
        }
        let long = Iocb {
            aio_nbytes: 1 << 63,
            ..Iocb::default()
        };
        assert_eq!(
            (check(&long), check(&Iocb::default())),
            (Err(Errno::EINVAL), Ok(()))
        );
    }

    proptest! {
        #[test]
        fn none_is_lost_and_there_are_never_too_many(steps in prop::collection::vec(0..6u8, 1..200)) {
            let mut all = Operations::new(5);
            let (mut begun, mut waits, mut told) = (0u64, Vec::new(), 0u64);
            let mut ended = 0u64;
            for step in steps {
                match step {
                    0 | 1 => match all.take() {
                        Ok(()) if step == 0 => {
                            begun += 1;
                            ended += 1;
                            all.end(IoEvent { data: begun, ..IoEvent::default() });
                        }
                        Ok(()) => {
                            begun += 1;
                            all.wait(begun, begun + 100);
                            waits.push(begun);
                        }
                        Err(_) => prop_assert_eq!(begun - told, 5),
                    },
                    2 => if let Some(number) = waits.pop() {
                        prop_assert_eq!(all.waiting_at(number + 100), Some(number));
                        prop_assert!(all.wait_is_over(number));
                        prop_assert!(!all.wait_is_over(number));
                        ended += 1;
                        all.end(IoEvent { data: number, ..IoEvent::default() });
                    },
                    3 => if let Some(event) = all.next_ended() {
                        all.not_told(event);
                        prop_assert_eq!(all.next_ended(), Some(event));
                        told += 1;
                    },
                    4 => if all.take().is_ok() { all.give_back() },
                    _ => prop_assert_eq!(all.any_waiting().is_some(), !waits.is_empty()),
                }
                prop_assert_eq!(all.ended() as u64, ended - told);
                prop_assert!(begun - told <= 5);
            }
        }
    }
}
