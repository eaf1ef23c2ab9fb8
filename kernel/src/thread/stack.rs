//! Kernel stacks: mapped apart from all else, with an unmapped page below.

use crate::arch::context::STACK_SIZE;
use crate::memory;
use paddock_abi::Result;

/// An owned kernel stack; unmapped and freed when dropped.
pub struct KernelStack {
    bottom: usize,
}

impl KernelStack {
    /// Maps a new stack.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        Ok(KernelStack { bottom: memory::map_stack(STACK_SIZE)? })
    }

    /// Lowest address.
    pub fn bottom(&self) -> usize {
        self.bottom
    }

    /// One past the highest address; 16-byte aligned.
    pub fn top(&self) -> usize {
        self.bottom + STACK_SIZE
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        // SAFETY: the stack is ours, and its thread has left it for ever.
        unsafe { memory::unmap_stack(self.bottom, STACK_SIZE) };
    }
}
