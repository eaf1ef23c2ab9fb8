//! The heap that brk(2) moves.

use super::{AddressSpace, Heap};
use crate::address::{PAGE_SIZE, PageRange};
use crate::hardware::Hardware;
use crate::vma::{Backing, Vma, VmaKind};
use paddock_abi::mman::Prot;
use paddock_abi::{Errno, Result};

impl<H: Hardware> AddressSpace<H> {
    /// Where the heap begins, empty: execve's part.
    pub fn set_heap(&mut self, start: u64) {
        self.heap = Heap { start, end: start };
    }

    /// The heap as (start, end), in bytes.
    pub fn heap(&self) -> (u64, u64) {
        (self.heap.start, self.heap.end)
    }

    /// brk(2) as the kernel does it: tries to move the heap's end to
    /// `wanted`, and gives the end as it is then. May sleep.
    pub fn brk(&mut self, wanted: u64) -> u64 {
        if wanted >= self.heap.start && self.move_heap_end(wanted).is_ok() {
            self.heap.end = wanted;
        }
        self.heap.end
    }

    fn move_heap_end(&mut self, wanted: u64) -> Result<()> {
        let align = |end: u64| end.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM);
        let (old, new) = (align(self.heap.end)?, align(wanted)?);
        if new < old {
            return self.unmap(new, old - new);
        }
        if new == old {
            return Ok(());
        }
        let range = PageRange::new(old, new - old).ok_or(Errno::ENOMEM)?;
        if !self.areas.overlapping(range).is_empty() {
            return Err(Errno::ENOMEM);
        }
        let area = Vma {
            range,
            prot: Prot::READ | Prot::WRITE,
            may: Prot::READ | Prot::WRITE | Prot::EXEC,
            shared: false,
            kind: VmaKind::Heap,
            no_fork: false,
            wiped: false,
            no_dump: false,
            policy: 0,
            locked: self.lock_future,
            backing: Backing::Anonymous,
        };
        self.check_limits(&area, false)?;
        self.put(area)
    }
}
