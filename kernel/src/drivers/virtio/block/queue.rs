//! A disk's request queue: submit, sleep, complete by interrupt.

use crate::drivers::virtio::{self, PaddockHal};
use crate::memory;
use core::ptr::{self, NonNull};
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, IrqOff, Rank, SpinLock, WaitQueue, platform};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceStatus, Transport};

const QUEUE: u16 = 0;
/// Descriptors: three for each slot.
const QUEUE_SIZE: usize = 64;
/// Requests in flight at once.
const SLOTS: usize = 16;
/// A request that takes longer than this is reported, in nanoseconds.
const SLOW_NS: u64 = 10_000_000_000;
/// Bytes of shared memory for each slot: the header, then the status byte.
const CELL: usize = 32;
const HEADER: usize = 16;

type Queue = VirtQueue<PaddockHal, QUEUE_SIZE>;

const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;
const FEATURE_VERSION_1: u64 = 1 << 32;

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

/// What the device says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub sectors: u64,
    pub read_only: bool,
}

/// A request in flight. Its memory is the device's until it was waited for.
#[must_use]
#[derive(Debug)]
pub struct Ticket {
    slot: usize,
}

#[derive(Clone, Copy)]
enum State {
    Free,
    InFlight {
        token: u16,
        command: Command,
        data: *mut [u8],
    },
    Done(Result<()>),
}

struct Inner {
    transport: MmioTransport<'static>,
    queue: Queue,
    states: [State; SLOTS],
    /// Headers and status bytes, shared with the device for good.
    cells: NonNull<u8>,
    /// The device was stopped.
    stopped: bool,
}

// SAFETY: the pointers in it are to memory that belongs to no thread: the
// cells, and buffers whose owners wait for the request.
unsafe impl Send for Inner {}

/// The queue. Every slot has waiters of its own, and so has a free one.
pub struct RequestQueue {
    inner: SpinLock<Inner, IrqOff>,
    done: [WaitQueue; SLOTS],
    freed: WaitQueue,
    can_flush: bool,
}

impl RequestQueue {
    /// Sets the device up. `EIO` if it does not work, `ENOMEM`.
    pub fn new(mut transport: MmioTransport<'static>) -> Result<(Self, Config)> {
        let wanted = FEATURE_READ_ONLY | FEATURE_FLUSH | FEATURE_VERSION_1;
        let features = virtio::begin(&mut transport, wanted).ok_or(Errno::EIO)?;
        let sectors = transport
            .read_consistent(|| {
                let low: u32 = transport.read_config_space(0)?;
                let high: u32 = transport.read_config_space(4)?;
                Ok(u64::from(high) << 32 | u64::from(low))
            })
            .map_err(|_| Errno::EIO)?;
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false).map_err(|_| Errno::EIO)?;
        let cells = memory::alloc_contiguous(1).ok_or(Errno::ENOMEM)?;
        let cells = NonNull::new(memory::phys_to_virt(cells)).ok_or(Errno::ENOMEM)?;
        transport.finish_init();
        let inner = Inner {
            transport,
            queue,
            states: [State::Free; SLOTS],
            cells,
            stopped: false,
        };
        let queue = RequestQueue {
            inner: SpinLock::new(Rank::Virtio, inner),
            done: [const { WaitQueue::new() }; SLOTS],
            freed: WaitQueue::new(),
            can_flush: features & FEATURE_FLUSH != 0,
        };
        let read_only = features & FEATURE_READ_ONLY != 0;
        Ok((queue, Config { sectors, read_only }))
    }

    /// Whether the device has a write cache to flush.
    pub fn can_flush(&self) -> bool {
        self.can_flush
    }

    /// Hands a request over; sleeps while there is no free slot. `data` is in
    /// the direct map and stays untouched until the ticket was waited for.
    pub fn submit(&self, command: Command, sector: u64, data: *mut [u8]) -> Result<Ticket> {
        self.freed
            .wait_until(|| self.inner.lock().submit(command, sector, data))
    }

    /// Sleeps until the request is complete. Its memory is the device's until
    /// then, so there is no giving up; what takes long is reported.
    pub fn wait(&self, ticket: &Ticket) -> Result<()> {
        loop {
            let deadline = platform::now() + SLOW_NS;
            if let Some(result) = self.wait_deadline(ticket, deadline) {
                return result;
            }
            if self.has_answer() {
                log::warn!("virtio-blk: an interrupt was lost");
                self.on_interrupt();
            } else {
                log::warn!("virtio-blk: no answer for {} s", SLOW_NS / 1_000_000_000);
            }
        }
    }

    /// Sleeps until the request is complete; `None` if it is not by then, and
    /// its memory is still the device's.
    pub fn wait_deadline(&self, ticket: &Ticket, deadline: Deadline) -> Option<Result<()>> {
        let done = self.done.get(ticket.slot)?;
        let take = || self.inner.lock().take_result(ticket.slot);
        let result = done.wait_deadline(deadline, take).ok()?;
        self.freed.wake_one();
        Some(result)
    }

    /// Takes completed requests off the ring and wakes their threads.
    pub fn on_interrupt(&self) {
        let mut completed = self.inner.lock().complete();
        while completed != 0 {
            let slot = completed.trailing_zeros() as usize;
            completed &= completed - 1;
            if let Some(done) = self.done.get(slot) {
                done.wake_all();
            }
        }
    }

    /// Whether there is an answer that no interrupt has told of.
    pub fn has_answer(&self) -> bool {
        self.inner.lock().queue.can_pop()
    }

    /// Stops the device for good: it touches no memory from here on, and
    /// requests fail.
    pub fn stop(&self) {
        self.inner.lock().stop();
    }
}

impl Inner {
    fn header(&self, slot: usize) -> *mut u8 {
        self.cells.as_ptr().wrapping_add(slot * CELL)
    }

    /// Puts the request on the ring; `None` if all slots are taken.
    fn submit(&mut self, command: Command, sector: u64, data: *mut [u8]) -> Option<Result<Ticket>> {
        if self.stopped {
            return Some(Err(Errno::EIO));
        }
        let mut states = self.states.iter();
        let slot = states.position(|state| matches!(state, State::Free))?;
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
            self.with_buffers(slot, command, data, |queue, input, output| {
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
                data,
            };
        }
        virtio::notify(&mut self.transport, &self.queue, QUEUE);
        Some(Ok(Ticket { slot }))
    }

    /// Calls `action` with the request's buffers, as the device's input and
    /// output.
    ///
    /// # Safety
    /// `data` is valid, and it and the slot's cell are used by nobody else.
    unsafe fn with_buffers<T>(
        &mut self,
        slot: usize,
        command: Command,
        data: *mut [u8],
        action: impl for<'a> FnOnce(&mut Queue, &'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> T,
    ) -> T {
        let cell = self.header(slot);
        // SAFETY: the cell is inside its page and, like the data, the
        // caller's alone.
        let (header, status) = unsafe {
            (
                core::slice::from_raw_parts(cell, HEADER),
                core::slice::from_raw_parts_mut(cell.add(HEADER), 1),
            )
        };
        match command {
            // SAFETY: the caller's promise.
            Command::Read => action(
                &mut self.queue,
                &[header],
                &mut [unsafe { &mut *data }, status],
            ),
            // SAFETY: the caller's promise.
            Command::Write => action(&mut self.queue, &[header, unsafe { &*data }], &mut [status]),
            Command::Flush => action(&mut self.queue, &[header], &mut [status]),
        }
    }

    /// Takes what the device has completed off the ring; a bit for each slot.
    fn complete(&mut self) -> u32 {
        self.transport.ack_interrupt();
        let mut completed = 0;
        while let Some(token) = self.queue.peek_used() {
            let Some((slot, command, data)) = self.in_flight(token) else {
                // The device answers what was never asked: its ring cannot be
                // trusted any further.
                log::error!("virtio-blk: an answer to no request; the disk is stopped");
                return completed | self.stop();
            };
            // SAFETY: these are the buffers that the token was given for, and
            // the device is done with them.
            let popped = unsafe {
                self.with_buffers(slot, command, data, |queue, input, output| {
                    queue.pop_used(token, input, output)
                })
            };
            // SAFETY: inside the slot's cell, which the device has let go.
            let status = unsafe { self.header(slot).add(HEADER).read_volatile() };
            let good = popped.is_ok() && status == 0;
            self.states[slot] = State::Done(if good { Ok(()) } else { Err(Errno::EIO) });
            completed |= 1 << slot;
        }
        completed
    }

    /// Resets the device and fails what is in flight; a bit for each slot.
    fn stop(&mut self) -> u32 {
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

    fn in_flight(&self, wanted: u16) -> Option<(usize, Command, *mut [u8])> {
        let mut states = self.states.iter().enumerate();
        states.find_map(|(slot, state)| match *state {
            State::InFlight {
                token,
                command,
                data,
            } if token == wanted => Some((slot, command, data)),
            _ => None,
        })
    }

    /// The slot's result, once; frees the slot.
    fn take_result(&mut self, slot: usize) -> Option<Result<()>> {
        let state = self.states.get_mut(slot)?;
        let State::Done(result) = *state else {
            return None;
        };
        *state = State::Free;
        Some(result)
    }
}
