//! Page faults: bringing a page in, or saying why not.

use crate::{AddressSpace, Area, Backing, Hardware, PAGE_SIZE, Page, Protection};
use paddock_abi::Errno;

/// What the program tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

impl Access {
    const fn needs(self) -> Protection {
        match self {
            Access::Read => Protection::READ,
            Access::Write => Protection::WRITE,
            Access::Execute => Protection::EXECUTE,
        }
    }
}

/// Why a fault cannot be repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is mapped there: SIGSEGV, SEGV_MAPERR.
    NotMapped,
    /// The area does not allow it: SIGSEGV, SEGV_ACCERR.
    NotAllowed,
    /// Beyond the end of the mapped file, or it cannot be read: SIGBUS.
    Bus,
    /// No memory for the page.
    OutOfMemory,
}

/// How far below a stack a touch makes it grow, if there is room.
const STACK_REACH: u64 = 8 << 20;
/// What stays unmapped between a growing stack and what lies below.
const STACK_GAP: u64 = 256 * PAGE_SIZE;

impl<H: Hardware> AddressSpace<H> {
    /// Repairs a fault at `address`: demand zero, file pages, copy on write,
    /// stack growth. May sleep (a file's page may have to be read).
    ///
    /// # Errors
    /// Why the access is not possible.
    pub fn fault(&mut self, address: u64, access: Access) -> Result<(), Fault> {
        let address = address & !(PAGE_SIZE - 1);
        self.grow_stack(address);
        let area = self.area_at(address).ok_or(Fault::NotMapped)?.clone();
        if !area.protection.contains(access.needs()) {
            return Err(Fault::NotAllowed);
        }
        match self.tables_mut().get(address) {
            Some((page, writable)) => self.repair_present(&area, address, page, writable, access),
            None => self.bring_in(&area, address, access),
        }
    }

    fn repair_present(
        &mut self,
        area: &Area<H>,
        address: u64,
        page: Page<H>,
        writable: bool,
        access: Access,
    ) -> Result<(), Fault> {
        if access != Access::Write || writable {
            // Another thread was faster, or the protection was widened.
            let protection = if writable || area.shared { area.protection } else { area.protection - Protection::WRITE };
            self.tables_mut().protect(address, protection);
            return Ok(());
        }
        if area.shared {
            mark_dirty(area, address);
            self.tables_mut().protect(address, area.protection);
            return Ok(());
        }
        // `page` is a second share, next to the entry's own.
        let frame = page.frame();
        drop(page);
        if H::is_unique(frame) {
            self.tables_mut().protect(address, area.protection);
            return Ok(());
        }
        let (page, _) = self.tables_mut().get(address).ok_or(Fault::OutOfMemory)?;
        let copy = page.copied().ok_or(Fault::OutOfMemory)?;
        drop(page);
        self.tables_mut().set(address, copy, area.protection).ok_or(Fault::OutOfMemory)
    }

    fn bring_in(&mut self, area: &Area<H>, address: u64, access: Access) -> Result<(), Fault> {
        let (page, protection) = match &area.backing {
            Backing::Anonymous => (Page::zeroed().ok_or(Fault::OutOfMemory)?, area.protection),
            Backing::Source { source, first } => {
                let index = first + (address - area.start) / PAGE_SIZE;
                let page = source.page(index).map_err(source_fault)?;
                if area.shared {
                    if access == Access::Write {
                        source.mark_dirty(index);
                        (page, area.protection)
                    } else {
                        (page, area.protection - Protection::WRITE)
                    }
                } else if access == Access::Write {
                    (page.copied().ok_or(Fault::OutOfMemory)?, area.protection)
                } else {
                    (page, area.protection - Protection::WRITE)
                }
            }
        };
        self.tables_mut().set(address, page, protection).ok_or(Fault::OutOfMemory)
    }

    fn grow_stack(&mut self, address: u64) {
        if self.area_at(address).is_some() {
            return;
        }
        let Some(next) = self.area_after(address) else {
            return;
        };
        let (start, grows) = (next.start, next.grows_down);
        let floor = self.area_before(address).map_or(crate::USER_MIN, |area| area.end);
        let limit = self.stack_limit();
        let end = next.end;
        if grows
            && start - address <= STACK_REACH
            && end - address <= limit
            && address.checked_sub(STACK_GAP).is_some_and(|below| below >= floor)
        {
            self.extend_down(start, address);
        }
    }
}

fn mark_dirty<H: Hardware>(area: &Area<H>, address: u64) {
    if let Backing::Source { source, first } = &area.backing {
        source.mark_dirty(first + (address - area.start) / PAGE_SIZE);
    }
}

fn source_fault(error: Errno) -> Fault {
    if error == Errno::ENOMEM { Fault::OutOfMemory } else { Fault::Bus }
}
