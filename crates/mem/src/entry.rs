//! Page-table descriptors of stage 1, 4 KiB granule (Arm ARM D8.3).

use crate::address::PhysAddr;
use paddock_abi::mman::Prot;

/// Index in `MAIR_EL1` of normal memory, write-back cached.
pub const MAIR_NORMAL: u64 = 0;
/// Index in `MAIR_EL1` of device memory, nGnRnE.
pub const MAIR_DEVICE: u64 = 1;

const VALID: u64 = 1 << 0;
/// A table above the last level; a page in the last level.
const TABLE_OR_PAGE: u64 = 1 << 1;
const ATTRIBUTES_SHIFT: u32 = 2;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PRIVILEGED_NO_EXECUTE: u64 = 1 << 53;
const USER_NO_EXECUTE: u64 = 1 << 54;
/// Software: the frame is this process's own (or shared with forks of it),
/// not one of the page cache or of shared memory.
const OWN: u64 = 1 << 55;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

bitflags::bitflags! {
    /// What user mode may do with a page.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Rights: u8 {
        /// Loads.
        const READ = 1;
        /// Stores.
        const WRITE = 2;
        /// Instruction fetches.
        const EXECUTE = 4;
    }
}

impl Rights {
    /// What a protection of mmap(2) amounts to on this architecture: writable
    /// and executable pages can be read, too.
    pub fn of(prot: Prot) -> Self {
        let mut rights = Rights::empty();
        if prot.intersects(Prot::READ | Prot::WRITE | Prot::EXEC) {
            rights |= Rights::READ;
        }
        rights.set(Rights::WRITE, prot.contains(Prot::WRITE));
        rights.set(Rights::EXECUTE, prot.contains(Prot::EXEC));
        rights
    }
}

/// A leaf entry. Zero if there is no page; an entry that is held but not
/// valid keeps a page that nobody may touch for now (`PROT_NONE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub(crate) u64);

impl Entry {
    pub(crate) const EMPTY: Entry = Entry(0);

    /// Shows `frame` to user mode with these rights.
    pub(crate) fn page(frame: PhysAddr, rights: Rights, own: bool) -> Self {
        let mut bits = frame.0 & ADDRESS
            | TABLE_OR_PAGE
            | MAIR_NORMAL << ATTRIBUTES_SHIFT
            | USER
            | READ_ONLY
            | INNER_SHAREABLE
            | ACCESSED
            | NOT_GLOBAL
            | PRIVILEGED_NO_EXECUTE
            | USER_NO_EXECUTE;
        if own {
            bits |= OWN;
        }
        Entry(bits).with_rights(rights)
    }

    /// The same page with other rights.
    pub(crate) fn with_rights(self, rights: Rights) -> Self {
        let mut bits = self.0 | READ_ONLY | USER_NO_EXECUTE;
        if rights.contains(Rights::READ) {
            bits |= VALID;
        } else {
            bits &= !VALID;
        }
        if rights.contains(Rights::WRITE) {
            bits &= !READ_ONLY;
        }
        if rights.contains(Rights::EXECUTE) {
            bits &= !USER_NO_EXECUTE;
        }
        Entry(bits)
    }

    /// The same page, marked as the process's own.
    pub(crate) fn owned(self) -> Self {
        Entry(self.0 | OWN)
    }

    /// Whether there is a page.
    pub fn is_held(self) -> bool {
        self.0 != 0
    }

    /// Whether the processor may use it, and may have kept a translation.
    pub fn is_valid(self) -> bool {
        self.0 & VALID != 0
    }

    /// Whether the page is the process's own.
    pub fn is_own(self) -> bool {
        self.0 & OWN != 0
    }

    /// What user mode may do.
    pub fn rights(self) -> Rights {
        let mut rights = Rights::empty();
        if self.is_valid() {
            rights |= Rights::READ;
            rights.set(Rights::WRITE, self.0 & READ_ONLY == 0);
            rights.set(Rights::EXECUTE, self.0 & USER_NO_EXECUTE == 0);
        }
        rights
    }

    /// The page's frame.
    pub fn frame(self) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS)
    }
}

/// A descriptor that leads to a table.
pub(crate) const fn table(frame: PhysAddr) -> u64 {
    frame.0 & ADDRESS | TABLE_OR_PAGE | VALID
}

/// The table that a descriptor leads to.
pub(crate) const fn table_of(descriptor: u64) -> Option<PhysAddr> {
    if descriptor & VALID == 0 {
        return None;
    }
    Some(PhysAddr(descriptor & ADDRESS))
}

/// A descriptor that no longer leads to its table, but still names it.
pub(crate) const fn unlinked(descriptor: u64) -> u64 {
    descriptor & !VALID
}

/// The table that an [`unlinked`] descriptor names.
pub(crate) const fn unlinked_table(descriptor: u64) -> PhysAddr {
    debug_assert!(descriptor & VALID == 0);
    PhysAddr(descriptor & ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_survive_the_way_through_the_bits() {
        for rights in [
            Rights::READ,
            Rights::READ | Rights::WRITE,
            Rights::READ | Rights::EXECUTE,
            Rights::all(),
            Rights::empty(),
        ] {
            let entry = Entry::page(PhysAddr(0x1234_5000), rights, true);
            assert_eq!(entry.rights(), rights);
            assert_eq!(entry.frame(), PhysAddr(0x1234_5000));
            assert!(entry.is_held() && entry.is_own());
            assert_eq!(entry.is_valid(), !rights.is_empty());
        }
    }

    #[test]
    fn the_kernel_never_executes_user_pages_and_no_page_is_global() {
        let entry = Entry::page(PhysAddr(0x1000), Rights::all(), false);
        assert_eq!(entry.0 & PRIVILEGED_NO_EXECUTE, PRIVILEGED_NO_EXECUTE);
        assert_eq!(entry.0 & NOT_GLOBAL, NOT_GLOBAL);
    }

    #[test]
    fn writable_means_readable() {
        assert_eq!(Rights::of(Prot::WRITE), Rights::READ | Rights::WRITE);
        assert_eq!(Rights::of(Prot::empty()), Rights::empty());
    }
}
