//! From segments to mappings.

use super::{Image, PAGE, Segment, USER_TOP};
use core::ops::Range;
use paddock_abi::mman::Prot;
use paddock_abi::{Errno, Result};

/// What has to be mapped for one segment. All addresses and lengths but
/// those of `zero` are multiples of the page size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// How it may be accessed.
    pub prot: Prot,
    /// Pages that come from the file, privately; may be empty.
    pub file: Range<u64>,
    /// The offset in the file of the first of them.
    pub offset: u64,
    /// Bytes at the end of the last of them that must read as zero: none, or
    /// all up to the end of that page. Less than a page.
    pub zero: Range<u64>,
    /// Anonymous pages that follow; may be empty.
    pub anonymous: Range<u64>,
}

const fn page_down(address: u64) -> u64 {
    address & !(PAGE - 1)
}

const fn page_up(address: u64) -> u64 {
    page_down(address + (PAGE - 1))
}

impl Segment {
    /// Whether the rest of its last page of the file is cleared, as Linux does
    /// for one that is larger in memory than in the file and can be written.
    /// Not only up to `mem_size`: programs use what follows on the page as
    /// memory that begins as zeroes (glibc's `ld.so` allocates from there).
    /// Without that, what follows in the file shows.
    fn ends_in_zeroes(&self) -> bool {
        self.mem_size > self.file_size && self.prot.contains(Prot::WRITE)
    }

    /// The mapping of this segment with `base` added to its addresses.
    pub fn mapping(&self, base: u64) -> Mapping {
        let start = self.vaddr + base;
        let file_end = start + self.file_size;
        let end = start + self.mem_size;
        let first = page_down(start);
        let file_pages_end = match self.file_size {
            0 => first,
            _ => page_up(file_end),
        };
        Mapping {
            prot: self.prot,
            file: first..file_pages_end,
            offset: page_down(self.offset),
            zero: match self.ends_in_zeroes() {
                true => file_end..file_pages_end.max(file_end),
                false => file_end..file_end,
            },
            anonymous: file_pages_end..page_up(end).max(file_pages_end),
        }
    }
}

impl Image {
    /// The lowest and the highest page boundary that it occupies, with no
    /// base added.
    pub fn span(&self) -> Range<u64> {
        let start = self
            .segments
            .first()
            .map_or(0, |first| page_down(first.vaddr));
        let end = self
            .segments
            .last()
            .map_or(0, |last| page_up(last.vaddr + last.mem_size));
        start..end
    }

    /// What to add to its addresses so that it begins at or after `address`
    /// (0 for a fixed program). `ENOMEM` if it does not fit there.
    pub fn base_for(&self, address: u64) -> Result<u64> {
        let span = self.span();
        if self.kind == super::ImageKind::Fixed {
            return Ok(0);
        }
        let start = address
            .checked_next_multiple_of(self.align)
            .ok_or(Errno::ENOMEM)?;
        // The first segment keeps its place within the alignment.
        let base = start
            .checked_sub(span.start - span.start % self.align)
            .ok_or(Errno::ENOMEM)?;
        match base.checked_add(span.end) {
            Some(end) if end <= USER_TOP => Ok(base),
            _ => Err(Errno::ENOMEM),
        }
    }

    /// Bytes of address space among which there is a place for it.
    pub fn room(&self) -> u64 {
        let span = self.span();
        (span.end - span.start).saturating_add(2 * self.align)
    }

    /// Where the heap begins: the page after the last segment.
    pub fn brk(&self, base: u64) -> u64 {
        base + self.span().end
    }
}
