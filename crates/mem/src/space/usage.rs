//! What areas have in memory, for `/proc/PID/smaps` (proc_pid_smaps(5)).

use super::AddressSpace;
use crate::address::PAGE_SIZE;
use crate::entry::{Entry, Rights};
use crate::hardware::Hardware;
use crate::maps::MapsLine;
use crate::vma::{Vma, VmaKind};
use core::fmt;
use core::ops::AddAssign;
use core::sync::atomic::Ordering;
use paddock_abi::mman::Prot;

/// Shares of a frame that its count tells of.
const SHARES: u32 = (1 << 31) - 1;

/// Pages of an area that are present, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of them.
    pub resident: u64,
    /// The same, each divided by how many have it.
    pub proportional: u64,
    /// Those that others have, too: as they are on the disk, and changed.
    pub shared_clean: u64,
    /// See [`shared_clean`](Self::shared_clean).
    pub shared_dirty: u64,
    /// Those that nobody else has.
    pub private_clean: u64,
    /// See [`private_clean`](Self::private_clean).
    pub private_dirty: u64,
    /// Those that belong to no file.
    pub anonymous: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.resident += other.resident;
        self.proportional += other.proportional;
        self.shared_clean += other.shared_clean;
        self.shared_dirty += other.shared_dirty;
        self.private_clean += other.private_clean;
        self.private_dirty += other.private_dirty;
        self.anonymous += other.anonymous;
    }
}

impl Usage {
    fn add_page<H: Hardware>(&mut self, entry: Entry, is_shared_area: bool) {
        let shares = H::shares(entry.frame()).load(Ordering::Relaxed) & SHARES;
        // The file's own share is nobody's who has it mapped.
        let users = if entry.is_own() { shares } else { shares - 1 };
        let users = u64::from(users.max(1));
        let is_dirty = entry.is_own() || is_shared_area && entry.rights().contains(Rights::WRITE);
        self.resident += PAGE_SIZE;
        self.proportional += PAGE_SIZE / users;
        if entry.is_own() {
            self.anonymous += PAGE_SIZE;
        }
        let kind = match (users > 1, is_dirty) {
            (true, true) => &mut self.shared_dirty,
            (true, false) => &mut self.shared_clean,
            (false, true) => &mut self.private_dirty,
            (false, false) => &mut self.private_clean,
        };
        *kind += PAGE_SIZE;
    }
}

/// An area, for a part of `/proc/PID/smaps`.
pub struct VmaReport<'a, H: Hardware> {
    /// Its line of `/proc/PID/maps`.
    pub line: MapsLine<'a, H>,
    /// First and last address, less one.
    pub range: (u64, u64),
    /// What it has in memory.
    pub usage: Usage,
    /// Whether that is locked (mlock(2)).
    pub locked: bool,
    /// Its rights and marks, two letters each.
    pub flags: VmFlags<'a, H>,
}

impl<H: Hardware> VmaReport<'_, H> {
    /// Bytes of its share that are locked.
    pub fn locked_bytes(&self) -> u64 {
        match self.locked {
            true => self.usage.proportional,
            false => 0,
        }
    }
}

/// What `VmFlags` of `/proc/PID/smaps` says of an area (proc_pid_smaps(5)).
pub struct VmFlags<'a, H: Hardware>(&'a Vma<H>);

impl<H: Hardware> fmt::Display for VmFlags<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area = self.0;
        let (prot, may) = (area.prot, area.may);
        for (name, set) in [
            ("rd", prot.contains(Prot::READ)),
            ("wr", prot.contains(Prot::WRITE)),
            ("ex", prot.contains(Prot::EXEC)),
            ("sh", area.shared),
            ("mr", may.contains(Prot::READ)),
            ("mw", may.contains(Prot::WRITE)),
            ("me", may.contains(Prot::EXEC)),
            ("gd", area.kind == VmaKind::Stack),
            ("lo", area.locked),
            ("dc", area.no_fork),
            ("wf", area.wiped),
            ("dd", area.no_dump),
        ] {
            if set {
                write!(f, "{name} ")?;
            }
        }
        Ok(())
    }
}

impl<H: Hardware> AddressSpace<H> {
    /// Every area, and what it has in memory. Looks at every present page.
    pub fn reports(&self) -> impl Iterator<Item = VmaReport<'_, H>> {
        self.areas.as_slice().iter().map(|area| VmaReport {
            line: MapsLine::new(area),
            range: (area.range.start(), area.range.end()),
            usage: self.usage_of(area),
            locked: area.locked,
            flags: VmFlags(area),
        })
    }

    fn usage_of(&self, area: &Vma<H>) -> Usage {
        let mut usage = Usage::default();
        self.tables.visit(area.range, |_, slot| {
            usage.add_page::<H>(slot.get(), area.shared);
        });
        usage
    }
}
