//! A disk's request queue: submit, sleep, complete by interrupt.

use super::slots::{Command, SLOTS, Slots, Ticket};
use crate::drivers::virtio;
use crate::watchdog;
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, IrqOff, Rank, SpinLock, WaitQueue, platform};
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::MmioTransport;

/// How long an interrupt may be overdue before it is missed, in nanoseconds.
const OVERDUE_NS: u64 = 1_000_000_000;
/// A request that takes longer than this is reported, in nanoseconds.
const SLOW_NS: u64 = 10_000_000_000;

const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;
const FEATURE_VERSION_1: u64 = 1 << 32;

/// What the device says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub sectors: u64,
    pub read_only: bool,
}

/// The queue. Every slot has waiters of its own, and so has a free one.
pub struct RequestQueue {
    slots: SpinLock<Slots, IrqOff>,
    done: [WaitQueue; SLOTS],
    freed: WaitQueue,
    can_flush: bool,
    /// The disk's name and the number of its interrupt, for reports.
    name: &'static str,
    interrupt: u32,
}

impl RequestQueue {
    /// Sets up the device of the disk `name`. `EIO` if it does not work,
    /// `ENOMEM`.
    pub fn new(
        mut transport: MmioTransport<'static>,
        name: &'static str,
        interrupt: u32,
    ) -> Result<(Self, Config)> {
        let wanted = FEATURE_READ_ONLY | FEATURE_FLUSH | FEATURE_VERSION_1;
        let features = virtio::begin(&mut transport, wanted).ok_or(Errno::EIO)?;
        let sectors = transport
            .read_consistent(|| {
                let low: u32 = transport.read_config_space(0)?;
                let high: u32 = transport.read_config_space(4)?;
                Ok(u64::from(high) << 32 | u64::from(low))
            })
            .map_err(|_| Errno::EIO)?;
        let queue = RequestQueue {
            slots: SpinLock::new(Rank::Virtio, Slots::new(transport)?),
            done: [const { WaitQueue::new() }; SLOTS],
            freed: WaitQueue::new(),
            can_flush: features & FEATURE_FLUSH != 0,
            name,
            interrupt,
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
    /// Only for a caller without a ticket: tickets occupy slots until they
    /// are waited for, so callers with some could wait for each other.
    pub fn submit(&self, command: Command, sector: u64, data: *mut [u8]) -> Result<Ticket> {
        let submit = || self.try_submit(command, sector, data).transpose();
        self.freed.wait_until(submit)
    }

    /// Hands a request over if there is a free slot; never sleeps.
    pub fn try_submit(
        &self,
        command: Command,
        sector: u64,
        data: *mut [u8],
    ) -> Result<Option<Ticket>> {
        self.slots.lock().submit(command, sector, data).transpose()
    }

    /// Sleeps until the request is complete. Its memory is the device's until
    /// then, so there is no giving up; an answer whose interrupt is missing,
    /// and what takes long, are reported.
    pub fn wait(&self, ticket: &Ticket) -> Result<()> {
        let begun = platform::now();
        let mut reported = begun;
        loop {
            let now = platform::now();
            if let Some(result) = self.wait_deadline(ticket, now + OVERDUE_NS) {
                return result;
            }
            let now = platform::now();
            if self.has_answer() {
                self.report_missing(now - begun);
                self.on_interrupt();
            } else if now - reported >= SLOW_NS {
                reported = now;
                let seconds = (now - begun) / 1_000_000_000;
                log::warn!("{}: no answer for {seconds} s", self.name);
            }
        }
    }

    /// There is an answer, and in `waited` nanoseconds no interrupt told of
    /// it.
    pub fn report_missing(&self, waited: u64) {
        watchdog::interrupt_missing(self.name, self.interrupt, waited);
    }

    /// Sleeps until the request is complete; `None` if it is not by then, and
    /// its memory is still the device's.
    pub fn wait_deadline(&self, ticket: &Ticket, deadline: Deadline) -> Option<Result<()>> {
        let done = self.done.get(ticket.slot)?;
        let take = || self.slots.lock().take_result(ticket.slot);
        let result = done.wait_deadline(deadline, take).ok()?;
        self.freed.wake_one();
        Some(result)
    }

    /// Takes completed requests off the ring and wakes their threads.
    pub fn on_interrupt(&self) {
        let mut completed = self.slots.lock().complete();
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
        self.slots.lock().has_answer()
    }

    /// Stops the device for good: it touches no memory from here on, and
    /// requests fail.
    pub fn stop(&self) {
        self.slots.lock().stop();
    }
}
