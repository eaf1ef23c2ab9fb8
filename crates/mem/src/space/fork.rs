//! fork(2): another address space with the same content.

use super::AddressSpace;
use crate::entry::{Entry, Rights};
use crate::frame::SharedFrame;
use crate::hardware::Hardware;
use crate::space::change::borrow_frame;
use crate::tables::{Flush, Slot, Tables};
use crate::vma::{Vma, Vmas};
use paddock_abi::{Errno, Result};

impl<H: Hardware> AddressSpace<H> {
    /// A copy of this address space. Private pages are shared until one side
    /// writes; pages of files and of shared memory come back by faults. May
    /// sleep.
    ///
    /// # Errors
    /// `ENOMEM`; this address space is as it was.
    pub fn fork(&mut self) -> Result<Self> {
        // Taken apart so that a new field needs a decision here.
        let AddressSpace {
            tables,
            areas,
            heap,
            layout,
            limits,
            // Locks are not inherited; mlock(2).
            lock_future: _,
            strings,
        } = self;
        let mut child = AddressSpace {
            tables: Tables::new().ok_or(Errno::ENOMEM)?,
            areas: Vmas::new(),
            heap: *heap,
            layout: *layout,
            limits: *limits,
            lock_future: false,
            strings: *strings,
        };
        child.areas.reserve(areas.as_slice().len())?;
        let mut flush = Flush::nothing();
        let mut result = Ok(());
        for area in areas.as_slice().iter().filter(|area| !area.no_fork) {
            let mut copy = area.part(area.range);
            copy.locked = false;
            child.tables.counts().area_came(&copy);
            child.areas.insert(copy);
            if area.wiped {
                continue;
            }
            result = share_own_pages(tables, area, &mut child, &mut flush);
            if result.is_err() {
                break;
            }
        }
        flush.run(tables.root());
        result.map(|()| child)
    }
}

/// Gives the child a share of each private page of `area`. Nobody may write
/// to it from then on without looking first.
fn share_own_pages<H: Hardware>(
    tables: &Tables<H>,
    area: &Vma<H>,
    child: &mut AddressSpace<H>,
    flush: &mut Flush,
) -> Result<()> {
    let mut result = Ok(());
    tables.visit(area.range, |address, slot| {
        if result.is_ok() && slot.get().is_own() {
            result = share_page(address, slot, child, flush);
        }
    });
    result
}

fn share_page<H: Hardware>(
    address: u64,
    slot: Slot<'_>,
    child: &mut AddressSpace<H>,
    flush: &mut Flush,
) -> Result<()> {
    let entry = slot.get();
    let read_only = entry.with_rights(entry.rights().difference(Rights::WRITE));
    let (child_slot, _) = child.tables.slot_or_new(address).ok_or(Errno::ENOMEM)?;
    let share = borrow_frame(entry, SharedFrame::<H>::try_clone).ok_or(Errno::ENOMEM)?;
    debug_assert_eq!(child_slot.get(), Entry::EMPTY);
    debug_assert_eq!(share.address(), read_only.frame());
    // The new entry owns the share.
    let _ = share.into_address();
    let nothing = child_slot.set(read_only);
    debug_assert!(nothing.is_nothing());
    child.tables.counts().page_came(true);
    flush.add(slot.set(read_only));
    Ok(())
}
