//! Checksums of what comes from the disk: looked at once for each time that it does,
//! before anybody acts on it.

use super::Core;
use crate::checksums::Seal;
use crate::dir::Searched;
use crate::layout::Geometry;
use paddock_vfs::{Errno, Result};

impl Core {
    /// The content of a block that has a checksum inside, whose kind `seal` tells.
    /// `EBADMSG` if it is not the right one; `EIO`.
    #[inline]
    pub fn read_sealed(&mut self, block: u64, seal: impl FnOnce(&[u8]) -> Seal) -> Result<&[u8]> {
        Ok(self.read_entries(block, seal)?.0)
    }

    /// The same of a block of a directory's entries, with what is known of their names.
    #[inline]
    pub fn read_entries(
        &mut self,
        block: u64,
        seal: impl FnOnce(&[u8]) -> Seal,
    ) -> Result<(&[u8], &mut Searched)> {
        if !self.is_checked(block, 0) {
            let is_sound =
                |geometry: &Geometry, data: &[u8]| geometry.is_sound(seal(data), block, data);
            self.check(block, 0, is_sound)?;
        }
        // It is in memory now.
        self.serial += 1;
        let serial = self.serial;
        let buffer = self.buffers.get_mut(&block).ok_or(Errno::EIO)?;
        buffer.used = serial;
        Ok((&buffer.data, &mut buffer.searched))
    }

    /// The content of a block in memory, if this part of it has been checked.
    #[inline]
    pub fn read_checked(&mut self, block: u64, part: u32) -> Option<&[u8]> {
        self.serial += 1;
        let buffer = self.buffers.get_mut(&block)?;
        let is_checked = buffer.checked >> (part % u64::BITS) & 1 != 0;
        buffer.used = self.serial;
        is_checked.then_some(&buffer.data)
    }

    /// Whether a part of a block in memory has been checked.
    #[inline]
    pub fn is_checked(&self, block: u64, part: u32) -> bool {
        let buffer = self.buffers.get(&block);
        buffer.is_some_and(|buffer| buffer.checked >> (part % u64::BITS) & 1 != 0)
    }

    /// Checks a part of a block, which counts as checked from now on. `EBADMSG`, `EIO`.
    pub fn check(
        &mut self,
        block: u64,
        part: u32,
        is_sound: impl FnOnce(&Geometry, &[u8]) -> bool,
    ) -> Result<()> {
        self.load(block)?;
        let buffer = self.buffers.get_mut(&block).ok_or(Errno::EIO)?;
        if is_sound(&self.geometry, &buffer.data) {
            buffer.checked |= 1 << (part % u64::BITS);
            return Ok(());
        }
        self.disk
            .report(format_args!("block {block} has a wrong checksum"));
        // Whoever comes next looks at the disk again, as far as that is possible.
        if !buffer.dirty && !self.logged.contains(&block) {
            self.buffers.remove(&block);
        }
        self.found_bad("metadata is damaged", Errno::EBADMSG);
        Err(Errno::EBADMSG)
    }

    /// A part of a block was made anew in memory.
    pub fn set_checked(&mut self, block: u64, part: u32) {
        if let Some(buffer) = self.buffers.get_mut(&block) {
            buffer.checked |= 1 << (part % u64::BITS);
        }
    }
}
