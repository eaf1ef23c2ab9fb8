//! Kernel stacks: mapped apart from all else, with an unmapped page below.

use crate::arch::context::MAX_STACK_SIZE;
use crate::memory;
use paddock_abi::Result;

/// An owned kernel stack; unmapped and freed when dropped.
pub struct KernelStack {
    bottom: usize,
    size: usize,
}

impl KernelStack {
    /// Maps a new stack of `size` bytes: a power of two, at least a page and
    /// at most [`MAX_STACK_SIZE`].
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(size: usize) -> Result<Self> {
        assert!(
            size.is_power_of_two() && size <= MAX_STACK_SIZE,
            "a stack of {size} bytes"
        );
        Ok(KernelStack {
            bottom: memory::map_stack(size)?,
            size,
        })
    }

    /// Lowest address.
    pub fn bottom(&self) -> usize {
        self.bottom
    }

    /// One past the highest address; 16-byte aligned.
    pub fn top(&self) -> usize {
        self.bottom + self.size
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        // SAFETY: the stack is ours, and its thread has left it for ever.
        unsafe { memory::unmap_stack(self.bottom, self.size) };
    }
}
