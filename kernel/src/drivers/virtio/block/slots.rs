//! The request slots of a disk's ring, under the queue's lock.

use crate::drivers::virtio::{self, PaddockHal};
use crate::memory;
use alloc::vec::Vec;
use core::fmt;
use core::ptr::{self, NonNull};
use paddock_abi::{Errno, Result};
use paddock_sync::platform;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceStatus, Transport};

const QUEUE: u16 = 0;
/// Descriptors: two for each request, and one for each of its pieces. No hypervisor
/// in use offers fewer.
const QUEUE_SIZE: usize = 128;
/// Requests in flight at once.
pub const SLOTS: usize = 16;
/// Pieces of memory of one request: two such fill the ring.
pub const PIECES: usize = QUEUE_SIZE / 2 - 2;
/// Bytes of shared memory for each slot: the header, then the status byte.
const CELL: usize = 32;
const HEADER: usize = 16;
/// Bytes of a sector, whatever the disk's own are.
const SECTOR: usize = 512;

/// No memory, where there is no piece.
pub const NOTHING: *mut [u8] = ptr::slice_from_raw_parts_mut(ptr::null_mut(), 0);

type Queue = VirtQueue<PaddockHal, QUEUE_SIZE>;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    /// From the disk into memory.
    Read = 0,
    /// From memory to the disk.
    Write = 1,
    /// Makes completed writes durable.
    Flush = 4,
}

/// A request in flight. Its memory is the device's until it was waited for.
#[must_use]
#[derive(Debug)]
pub struct Ticket {
    pub slot: usize,
}

#[derive(Clone, Copy)]
enum State {
    Free,
    InFlight {
        token: u16,
        command: Command,
        /// How many pieces of memory.
        pieces: usize,
        /// When it was handed over, in nanoseconds.
        since: u64,
    },
    Done(Result<()>),
}

/// Requests of one kind that were answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answered {
    /// How many.
    pub requests: u64,
    /// Sectors of all of them.
    pub sectors: u64,
    /// How long all of them took together.
    pub nanos: u64,
}

impl Answered {
    const NONE: Answered = Answered {
        requests: 0,
        sectors: 0,
        nanos: 0,
    };

    fn count(&mut self, bytes: usize, nanos: u64) {
        self.requests += 1;
        self.sectors += (bytes / SECTOR) as u64;
        self.nanos += nanos;
    }
}

/// What a disk has done.
#[derive(Clone, Copy, Debug)]
pub struct Statistics {
    /// Reads.
    pub read: Answered,
    /// Writes.
    pub written: Answered,
    /// Flushes.
    pub flushed: Answered,
    /// Requests in flight.
    pub in_flight: usize,
}

/// The fields of `/sys/block/DISK/stat`: of reads and writes how many, merged
/// ones (none), sectors and milliseconds; those in flight, milliseconds of all
/// twice (requests side by side are not told apart), none discarded, flushes.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MILLI: u64 = 1_000_000;
        for done in [self.read, self.written] {
            let (requests, sectors) = (done.requests, done.sectors);
            write!(f, "{requests} 0 {sectors} {} ", done.nanos / MILLI)?;
        }
        let ticks = (self.read.nanos + self.written.nanos + self.flushed.nanos) / MILLI;
        let (flushes, flushing) = (self.flushed.requests, self.flushed.nanos / MILLI);
        let in_flight = self.in_flight;
        write!(
            f,
            "{in_flight} {ticks} {ticks} 0 0 0 0 {flushes} {flushing}"
        )
    }
}

/// The ring and what is on it.
pub struct Slots {
    transport: MmioTransport<'static>,
    queue: Queue,
    states: [State; SLOTS],
    /// The memory of the requests in flight: [`PIECES`] for each slot.
    pieces: Vec<*mut [u8]>,
    /// Headers and status bytes, shared with the device for good.
    cells: NonNull<u8>,
    /// The device was stopped.
    stopped: bool,
    /// Reads, writes and flushes.
    answered: [Answered; 3],
}

// SAFETY: the pointers in it are to memory that belongs to no thread: the
// cells, and buffers whose owners wait for the request.
unsafe impl Send for Slots {}

impl Slots {
    /// Sets the ring up and lets the device run. `EIO`, `ENOMEM`.
    pub fn new(mut transport: MmioTransport<'static>) -> Result<Self> {
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false).map_err(|_| Errno::EIO)?;
        let cells = memory::alloc_contiguous(1).ok_or(Errno::ENOMEM)?;
        let cells = NonNull::new(memory::phys_to_virt(cells)).ok_or(Errno::ENOMEM)?;
        let mut pieces = Vec::new();
        pieces
            .try_reserve_exact(SLOTS * PIECES)
            .map_err(|_| Errno::ENOMEM)?;
        pieces.resize(SLOTS * PIECES, NOTHING);
        transport.finish_init();
        Ok(Slots {
            transport,
            queue,
            states: [State::Free; SLOTS],
            pieces,
            cells,
            stopped: false,
            answered: [Answered::NONE; 3],
        })
    }

    /// Whether there is an answer that was not taken off the ring.
    pub fn has_answer(&self) -> bool {
        self.queue.can_pop()
    }

    fn header(&self, slot: usize) -> *mut u8 {
        self.cells.as_ptr().wrapping_add(slot * CELL)
    }

    /// Puts the request, of up to [`PIECES`] pieces of memory, on the ring; `None` if
    /// there is no room for it now.
    pub fn submit(
        &mut self,
        command: Command,
        sector: u64,
        data: &[*mut [u8]],
    ) -> Option<Result<Ticket>> {
        if self.stopped {
            return Some(Err(Errno::EIO));
        }
        let mut states = self.states.iter();
        let slot = states.position(|state| matches!(state, State::Free))?;
        if self.queue.available_desc() < data.len() + 2 {
            return None;
        }
        let place = self.pieces.chunks_exact_mut(PIECES).nth(slot)?;
        let Some(place) = place.get_mut(..data.len()) else {
            return Some(Err(Errno::EIO));
        };
        place.copy_from_slice(data);
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&(command as u32).to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        let cell = self.header(slot);
        // SAFETY: the slot is free, so its cell is ours; the status byte
        // after the header is set to a value that the device never writes.
        unsafe {
            ptr::copy_nonoverlapping(header.as_ptr(), cell, HEADER);
            cell.add(HEADER).write(u8::MAX);
        }
        // SAFETY: the cell and the data stay untouched while in flight.
        let token = unsafe {
            self.with_buffers(slot, command, data.len(), |queue, input, output| {
                queue.add(input, output)
            })
        };
        let Ok(token) = token else {
            return Some(Err(Errno::EIO));
        };
        if let Some(state) = self.states.get_mut(slot) {
            *state = State::InFlight {
                token,
                command,
                pieces: data.len(),
                since: platform::now(),
            };
        }
        virtio::notify(&mut self.transport, &self.queue, QUEUE);
        Some(Ok(Ticket { slot }))
    }

    /// Calls `action` with the request's buffers, as the device's input and
    /// output.
    ///
    /// # Safety
    /// The first `count` pieces of the slot are valid, and they and its cell are used by
    /// nobody else.
    unsafe fn with_buffers<T>(
        &mut self,
        slot: usize,
        command: Command,
        count: usize,
        action: impl for<'a> FnOnce(&mut Queue, &'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> T,
    ) -> T {
        let cell = self.header(slot);
        let pieces = &self.pieces[slot * PIECES..slot * PIECES + count];
        // SAFETY: the cell is inside its page and, like the data, the
        // caller's alone.
        let (header, status) = unsafe {
            (
                core::slice::from_raw_parts(cell, HEADER),
                core::slice::from_raw_parts_mut(cell.add(HEADER), 1),
            )
        };
        match command {
            Command::Read => {
                let mut output: [&mut [u8]; PIECES + 1] = core::array::from_fn(|_| &mut [][..]);
                for (place, piece) in output.iter_mut().zip(pieces) {
                    // SAFETY: the caller's promise.
                    *place = unsafe { &mut **piece };
                }
                output[count] = status;
                action(&mut self.queue, &[header], &mut output[..=count])
            }
            Command::Write | Command::Flush => {
                let mut input: [&[u8]; PIECES + 1] = [&[]; PIECES + 1];
                input[0] = header;
                for (place, piece) in input[1..].iter_mut().zip(pieces) {
                    // SAFETY: the caller's promise.
                    *place = unsafe { &**piece };
                }
                action(&mut self.queue, &input[..=count], &mut [status])
            }
        }
    }

    /// When (ns) the oldest request in flight was handed over.
    pub fn oldest(&self) -> Option<u64> {
        let states = self.states.iter();
        let since = states.filter_map(|state| match state {
            State::InFlight { since, .. } => Some(*since),
            State::Free | State::Done(_) => None,
        });
        since.min()
    }

    /// Takes what the device has completed off the ring; a bit for each slot.
    pub fn complete(&mut self) -> u32 {
        self.transport.ack_interrupt();
        let mut completed = 0;
        while let Some(token) = self.queue.peek_used() {
            let Some((slot, command, count, since)) = self.in_flight(token) else {
                // The device answers what was never asked: its ring cannot be
                // trusted any further.
                log::error!("virtio-blk: an answer to no request; the disk is stopped");
                return completed | self.stop();
            };
            // SAFETY: these are the buffers that the token was given for, and
            // the device is done with them.
            let popped = unsafe {
                self.with_buffers(slot, command, count, |queue, input, output| {
                    queue.pop_used(token, input, output)
                })
            };
            // SAFETY: inside the slot's cell, which the device has let go.
            let status = unsafe { self.header(slot).add(HEADER).read_volatile() };
            let good = popped.is_ok() && status == 0;
            let kind = match command {
                Command::Read => 0,
                Command::Write => 1,
                Command::Flush => 2,
            };
            let pieces = &self.pieces[slot * PIECES..slot * PIECES + count];
            let bytes = pieces.iter().map(|piece| piece.len()).sum();
            self.answered[kind].count(bytes, platform::now().saturating_sub(since));
            self.states[slot] = State::Done(if good { Ok(()) } else { Err(Errno::EIO) });
            completed |= 1 << slot;
        }
        completed
    }

    /// Resets the device and fails what is in flight; a bit for each slot.
    pub fn stop(&mut self) -> u32 {
        self.transport.set_status(DeviceStatus::empty());
        self.stopped = true;
        let mut failed = 0;
        for (slot, state) in self.states.iter_mut().enumerate() {
            if matches!(state, State::InFlight { .. }) {
                *state = State::Done(Err(Errno::EIO));
                failed |= 1 << slot;
            }
        }
        failed
    }

    /// What the disk has done by now.
    pub fn statistics(&self) -> Statistics {
        let in_flight = |state: &&State| matches!(state, State::InFlight { .. });
        let [read, written, flushed] = self.answered;
        Statistics {
            read,
            written,
            flushed,
            in_flight: self.states.iter().filter(in_flight).count(),
        }
    }

    fn in_flight(&self, wanted: u16) -> Option<(usize, Command, usize, u64)> {
        let mut states = self.states.iter().enumerate();
        states.find_map(|(slot, state)| match *state {
            State::InFlight {
                token,
                command,
                pieces,
                since,
            } if token == wanted => Some((slot, command, pieces, since)),
            _ => None,
        })
    }

    /// The slot's result, once; frees the slot.
    pub fn take_result(&mut self, slot: usize) -> Option<Result<()>> {
        let state = self.states.get_mut(slot)?;
        let State::Done(result) = *state else {
            return None;
        };
        *state = State::Free;
        Some(result)
    }
}
