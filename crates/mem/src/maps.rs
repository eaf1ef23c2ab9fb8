//! The lines of `/proc/PID/maps` (proc_pid_maps(5)).

use crate::address::PAGE_SIZE;
use crate::hardware::Hardware;
use crate::space::AddressSpace;
use crate::vma::{Backing, Vma, VmaKind};
use core::fmt;
use paddock_abi::mman::Prot;

/// One line, without its end.
pub struct MapsLine<'a, H: Hardware> {
    area: &'a Vma<H>,
}

impl<'a, H: Hardware> MapsLine<'a, H> {
    pub(crate) fn new(area: &'a Vma<H>) -> Self {
        MapsLine { area }
    }

    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (&self.area.backing, self.area.kind) {
            (_, VmaKind::Stack) => "[stack]",
            (_, VmaKind::Heap) => "[heap]",
            (Backing::Anonymous, VmaKind::Plain) => return Ok(()),
            (Backing::Source { source, .. }, VmaKind::Plain) => {
                return source.describe(f);
            }
        };
        f.write_str(name)
    }
}

/// The name that a line of `/proc/PID/maps` ends with; empty for anonymous memory.
pub struct MapName<'a, H: Hardware>(MapsLine<'a, H>);

impl<H: Hardware> fmt::Display for MapName<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_name(f)
    }
}

impl<H: Hardware> AddressSpace<H> {
    /// What `address` is part of, and the offset there: into the file, or from the
    /// start of the area if it shows none.
    pub fn locate(&self, address: u64) -> Option<(MapName<'_, H>, u64)> {
        let area = self.area_at(address)?;
        let offset = area.index_of(address) * PAGE_SIZE + address % PAGE_SIZE;
        Some((MapName(MapsLine::new(area)), offset))
    }
}

impl<H: Hardware> fmt::Debug for MapsLine<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<H: Hardware> fmt::Display for MapsLine<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area = self.area;
        let flag = |prot: Prot, letter: char| {
            if area.prot.contains(prot) {
                letter
            } else {
                '-'
            }
        };
        let (offset, (device, inode)) = match &area.backing {
            Backing::Anonymous => (0, (0, 0)),
            Backing::Source { source, first } => (first * PAGE_SIZE, source.identity()),
        };
        let named = !matches!(
            (&area.backing, area.kind),
            (Backing::Anonymous, VmaKind::Plain)
        );
        write!(
            f,
            "{:08x}-{:08x} {}{}{}{} {offset:08x} {:02x}:{:02x} {inode:<26}",
            area.range.start(),
            area.range.end(),
            flag(Prot::READ, 'r'),
            flag(Prot::WRITE, 'w'),
            flag(Prot::EXEC, 'x'),
            if area.shared { 's' } else { 'p' },
            device >> 8,
            device & 0xff,
        )?;
        if named {
            f.write_str(" ")?;
            self.write_name(f)?;
        }
        Ok(())
    }
}
