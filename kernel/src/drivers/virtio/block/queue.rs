//! A disk's request queue: submit, sleep, complete by interrupt.

use super::slots::{Command, SLOTS, Slots, Statistics, Ticket};
use crate::detectors::{Missing, missing};
use crate::drivers::virtio;
use crate::watchdog;
use paddock_abi::{Errno, Result};
use paddock_detectors::Misses;
use paddock_sync::{Deadline, IrqOff, Rank, SpinLock, WaitQueue, platform};
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::MmioTransport;

/// How long an interrupt may be overdue before it is missed, in nanoseconds.
const OVERDUE_NS: u64 = 1_000_000_000;
/// When it is looked for again once there is an answer, in nanoseconds.
const AGAIN_NS: u64 = 100_000_000;
/// A request that takes longer than this is reported, in nanoseconds.
const SLOW_NS: u64 = 10_000_000_000;

const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;
const FEATURE_VERSION_1: u64 = 1 << 32;

/// One request that is waited for.
pub struct Look {
    begun: u64,
    patience: u64,
    misses: Misses,
}

impl Look {
    /// It is waited for from now on.
    pub fn new() -> Self {
        Look {
            begun: platform::now(),
            patience: OVERDUE_NS,
            misses: Misses::new(),
        }
    }

    /// For how long, in nanoseconds.
    pub fn waited(&self) -> u64 {
        platform::now() - self.begun
    }
}

/// What became of a request that was waited for.
pub enum Answer {
    /// It is complete.
    Complete(Result<()>),
    /// There is an answer, and its interrupt will not come.
    Missed,
    /// Neither, so far.
    Nothing,
}

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
        let features =
            virtio::begin(&mut transport, |offered| offered & wanted).ok_or(Errno::EIO)?;
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

    /// What the disk has done by now.
    pub fn statistics(&self) -> Statistics {
        self.slots.lock().statistics()
    }

    /// Whether the device has a write cache to flush.
    pub fn can_flush(&self) -> bool {
        self.can_flush
    }

    /// Hands a request over; sleeps while there is no room for it. `data`, of up to
    /// [`PIECES`](super::slots::PIECES) pieces, is in the direct map and stays untouched
    /// until the ticket was waited for.
    /// Only for a caller without a ticket: tickets occupy slots until they
    /// are waited for, so callers with some could wait for each other.
    pub fn submit(&self, command: Command, sector: u64, data: &[*mut [u8]]) -> Result<Ticket> {
        let submit = || self.try_submit(command, sector, data).transpose();
        self.freed.wait_until(submit)
    }

    /// Hands a request over if there is room for it; never sleeps.
    pub fn try_submit(
        &self,
        command: Command,
        sector: u64,
        data: &[*mut [u8]],
    ) -> Result<Option<Ticket>> {
        self.slots.lock().submit(command, sector, data).transpose()
    }

    /// Sleeps until the request is complete. Its memory is the device's until
    /// then, so there is no giving up; an answer whose interrupt is missing,
    /// and what takes long, are reported.
    pub fn wait(&self, ticket: &Ticket) -> Result<()> {
        let mut look = Look::new();
        let mut told = 0;
        loop {
            match self.wait_and_look(ticket, &mut look) {
                Answer::Complete(result) => return result,
                Answer::Missed => self.on_interrupt(),
                Answer::Nothing => {}
            }
            let waited = look.waited();
            if waited - told >= SLOW_NS && !self.has_answer() {
                told = waited;
                let seconds = waited / 1_000_000_000;
                log::warn!("{}: no answer for {seconds} s", self.name);
            }
        }
    }

    /// Sleeps until the request is complete, or until it is time to see
    /// whether there is an answer that no interrupt will tell of. That is
    /// reported.
    pub fn wait_and_look(&self, ticket: &Ticket, look: &mut Look) -> Answer {
        let deadline = platform::now() + look.patience;
        if let Some(result) = self.wait_deadline(ticket, deadline) {
            return Answer::Complete(result);
        }
        if !self.has_answer() {
            look.patience = OVERDUE_NS;
            return Answer::Nothing;
        }
        look.patience = AGAIN_NS;
        let Missing::For(why) = missing(self.interrupt, &look.misses) else {
            return Answer::Nothing;
        };
        watchdog::interrupt_missing(self.name, self.interrupt, why, look.waited());
        Answer::Missed
    }

    /// Sleeps until the request is complete; `None` if it is not by then, and
    /// its memory is still the device's.
    fn wait_deadline(&self, ticket: &Ticket, deadline: Deadline) -> Option<Result<()>> {
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

    /// For how long (ns) the oldest request has been without an answer; zero
    /// if there is none. Never sleeps.
    pub fn oldest_wait(&self) -> u64 {
        let oldest = self.slots.lock().oldest();
        oldest.map_or(0, |since| platform::now().saturating_sub(since))
    }

    /// Whether there is an answer that no interrupt has told of.
    fn has_answer(&self) -> bool {
        self.slots.lock().has_answer()
    }

    /// Stops the device for good: it touches no memory from here on, and
    /// requests fail.
    pub fn stop(&self) {
        self.slots.lock().stop();
    }
}
