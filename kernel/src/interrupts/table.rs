//! The table of handlers.

use super::Handler;
use crate::cpus::MAX_CPUS;
use crate::gic::{FIRST_SHARED, FIRST_SPECIAL};
use paddock_abi::{Errno, Result};

const PRIVATE: usize = FIRST_SHARED as usize;
const SHARED: usize = (FIRST_SPECIAL - FIRST_SHARED) as usize;
/// The most shared interrupts with a handler at once.
const MAX_SHARED: usize = 64;
/// Rows of counts: the private interrupts, then the shared ones in use.
pub const SLOTS: usize = PRIVATE + MAX_SHARED;

/// A row of counts, below [`SLOTS`].
pub type Slot = usize;

const NONE: u8 = u8::MAX;

pub struct Table {
    private: [[Option<Handler>; PRIVATE]; MAX_CPUS],
    shared: [Option<Handler>; MAX_SHARED],
    /// Where in `shared` an interrupt's handler is; handlers
    /// stay for good.
    index: [u8; SHARED],
    used: u8,
}

impl Table {
    pub const fn new() -> Self {
        Table {
            private: [[None; PRIVATE]; MAX_CPUS],
            shared: [None; MAX_SHARED],
            index: [NONE; SHARED],
            used: 0,
        }
    }

    /// The interrupt's row of counts, if it ever had a handler.
    pub fn slot(&self, irq: u32) -> Option<Slot> {
        let irq = irq as usize;
        if irq < PRIVATE {
            return Some(irq);
        }
        let index = *self.index.get(irq - PRIVATE)?;
        (index != NONE).then(|| PRIVATE + usize::from(index))
    }

    fn place(&mut self, irq: u32, cpu: usize) -> Option<&mut Option<Handler>> {
        let slot = self.slot(irq)?;
        match slot.checked_sub(PRIVATE) {
            None => self.private.get_mut(cpu)?.get_mut(slot),
            Some(shared) => self.shared.get_mut(shared),
        }
    }

    /// Gives a shared interrupt a row of its own if it has none.
    fn reserve(&mut self, irq: u32) -> Result<()> {
        if self.slot(irq).is_some() {
            return Ok(());
        }
        if usize::from(self.used) == MAX_SHARED {
            return Err(Errno::ENOSPC);
        }
        let entry = self.index.get_mut(irq as usize - PRIVATE);
        *entry.ok_or(Errno::EINVAL)? = self.used;
        self.used += 1;
        Ok(())
    }

    pub fn insert(&mut self, irq: u32, cpu: usize, handler: Handler) -> Result<()> {
        self.reserve(irq)?;
        let place = self.place(irq, cpu).ok_or(Errno::EINVAL)?;
        if place.is_some() {
            return Err(Errno::EBUSY);
        }
        *place = Some(handler);
        Ok(())
    }

    /// The handler for `irq` on `cpu`, and its row of counts.
    pub fn find(&self, irq: u32, cpu: usize) -> Option<(Slot, Handler)> {
        let slot = self.slot(irq)?;
        let place = match slot.checked_sub(PRIVATE) {
            None => self.private.get(cpu)?.get(slot)?,
            Some(shared) => self.shared.get(shared)?,
        };
        place.map(|handler| (slot, handler))
    }

    /// The handler for `irq` on the first CPU that has one.
    pub fn find_any(&self, irq: u32) -> Option<(Slot, Handler)> {
        (0..MAX_CPUS).find_map(|cpu| self.find(irq, cpu))
    }
}
