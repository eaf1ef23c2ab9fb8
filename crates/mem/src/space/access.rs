//! Reading and writing an address space from outside: for execve, for
//! `/proc/PID/cmdline`, and for naming futexes.

use super::AddressSpace;
use super::change::borrow_frame;
use super::fault::{Access, FaultError, Step};
use crate::address::{PAGE_SIZE, page_of, user_range_ok};
use crate::entry::Entry;
use crate::frame::SharedFrame;
use crate::hardware::Hardware;
use crate::vma::Backing;

/// What a futex is known by: two addresses are the same futex if their keys
/// are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FutexKey {
    /// In one address space only.
    Private {
        /// The address space: the physical address of its root.
        space: u64,
        /// The address.
        address: u64,
    },
    /// In memory that several may map.
    Shared {
        /// The source's identity.
        object: (u64, u64),
        /// Offset in it, in bytes.
        offset: u64,
    },
}

impl<H: Hardware> AddressSpace<H> {
    /// Copies from here, as the process itself could. May sleep.
    ///
    /// # Errors
    /// What the process's own access would meet.
    pub fn read_bytes(&mut self, address: u64, to: &mut [u8]) -> Result<(), FaultError> {
        self.each_page(address, to.len(), Access::Read, |page, offset, range| {
            page.read(offset, &mut to[range]);
        })
    }

    /// Copies to here, as the process itself could. May sleep.
    ///
    /// # Errors
    /// What the process's own access would meet; part may have been written.
    pub fn write_bytes(&mut self, address: u64, from: &[u8]) -> Result<(), FaultError> {
        self.each_page(address, from.len(), Access::Write, |page, offset, range| {
            page.write(offset, &from[range]);
        })
    }

    /// Writes zeros. May sleep.
    ///
    /// # Errors
    /// As for [`AddressSpace::write_bytes`].
    pub fn zero_bytes(&mut self, address: u64, length: usize) -> Result<(), FaultError> {
        self.each_page(address, length, Access::Write, |page, offset, range| {
            page.zero(offset, range.len());
        })
    }

    /// Puts bytes in private memory on the kernel's own account, whatever the
    /// protection: execve's part. May sleep.
    ///
    /// # Errors
    /// [`FaultError`]; `NotAllowed` for shared mappings.
    pub fn place_bytes(&mut self, address: u64, from: &[u8]) -> Result<(), FaultError> {
        self.each_own_page(address, from.len(), |page, offset, range| {
            page.write(offset, &from[range]);
        })
    }

    /// Puts instructions in private memory, whatever the protection, where all CPUs find
    /// them: a debugger's part. May sleep.
    ///
    /// # Errors
    /// As for [`AddressSpace::place_bytes`].
    pub fn place_code(&mut self, address: u64, from: &[u8]) -> Result<(), FaultError> {
        self.each_own_page(address, from.len(), |page, offset, range| {
            page.write(offset, &from[range]);
            page.publish_code();
        })
    }

    /// Clears bytes as [`AddressSpace::place_bytes`] puts them.
    ///
    /// # Errors
    /// As there.
    pub fn place_zeros(&mut self, address: u64, length: usize) -> Result<(), FaultError> {
        self.each_own_page(address, length, |page, offset, range| {
            page.zero(offset, range.len());
        })
    }

    fn each_own_page(
        &mut self,
        address: u64,
        length: usize,
        mut with: impl FnMut(&SharedFrame<H>, usize, core::ops::Range<usize>),
    ) -> Result<(), FaultError> {
        self.each_part(address, length, |space, at, offset, range| {
            let entry = space.bring_own(at)?;
            borrow_frame(entry, |page| with(page, offset, range));
            Ok(())
        })
    }

    /// Makes one page the process's own, without more rights than before.
    fn bring_own(&mut self, address: u64) -> Result<Entry, FaultError> {
        loop {
            let entry = self.tables.get(page_of(address));
            let unique = || borrow_frame(entry, SharedFrame::<H>::is_unique);
            if entry.is_own() && unique() {
                return Ok(entry);
            }
            if let Some(request) = self.make_own(address)? {
                let page = request.fetch()?;
                self.commit_own(&request, page)?;
            }
        }
    }

    /// Calls `with` for each page of a range: the frame, the offset in it,
    /// and which bytes of the whole these are.
    fn each_page(
        &mut self,
        address: u64,
        length: usize,
        access: Access,
        mut with: impl FnMut(&SharedFrame<H>, usize, core::ops::Range<usize>),
    ) -> Result<(), FaultError> {
        self.each_part(address, length, |space, at, offset, range| {
            let entry = space.bring_in(at, access)?;
            borrow_frame(entry, |page| with(page, offset, range));
            Ok(())
        })
    }

    /// Calls `with` for the part of a range in each page: its address, its
    /// offset in the page, and which bytes of the whole it is.
    fn each_part(
        &mut self,
        address: u64,
        length: usize,
        mut with: impl FnMut(&mut Self, u64, usize, core::ops::Range<usize>) -> Result<(), FaultError>,
    ) -> Result<(), FaultError> {
        if !user_range_ok(address, length as u64) {
            return Err(FaultError::NotMapped);
        }
        let mut done = 0;
        while done < length {
            let at = address + done as u64;
            let offset = (at - page_of(at)) as usize;
            let part = (PAGE_SIZE as usize - offset).min(length - done);
            with(self, at, offset, done..done + part)?;
            done += part;
        }
        Ok(())
    }

    /// Makes one page accessible, waiting for its source if need be.
    fn bring_in(&mut self, address: u64, access: Access) -> Result<Entry, FaultError> {
        loop {
            let entry = self.tables.get(page_of(address));
            if entry.rights().contains(access.needs()) {
                return Ok(entry);
            }
            if let Step::Fetch(request) = self.fault(address, access)? {
                let page = request.fetch()?;
                self.commit(&request, page)?;
            }
        }
    }

    /// A share of the page at `address`, made accessible for `access`. May
    /// sleep.
    ///
    /// # Errors
    /// What the process's own access would meet.
    pub fn page(&mut self, address: u64, access: Access) -> Result<SharedFrame<H>, FaultError> {
        if !user_range_ok(address, 1) {
            return Err(FaultError::NotMapped);
        }
        let entry = self.bring_in(address, access)?;
        borrow_frame(entry, SharedFrame::try_clone).ok_or(FaultError::OutOfMemory)
    }

    /// What the futex at `address` is known by. `private` is the caller's
    /// word that no other address space uses it.
    ///
    /// # Errors
    /// [`FaultError::NotMapped`].
    pub fn futex_key(&self, address: u64, private: bool) -> Result<FutexKey, FaultError> {
        let own = FutexKey::Private {
            space: self.root().address().0,
            address,
        };
        if private {
            return Ok(own);
        }
        let area = self.areas.find(address).ok_or(FaultError::NotMapped)?;
        match &area.backing {
            Backing::Source { source, .. } if area.shared => Ok(FutexKey::Shared {
                object: source.identity(),
                offset: area.index_of(page_of(address)) * PAGE_SIZE + address % PAGE_SIZE,
            }),
            _ => Ok(own),
        }
    }
}
