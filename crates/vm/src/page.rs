//! An owned page frame.

use crate::{Hardware, PAGE_SIZE};
use core::fmt;
use core::marker::PhantomData;

/// A share in a page frame: cloned to share it, freed with its last owner.
pub struct Page<H: Hardware> {
    frame: u64,
    hardware: PhantomData<fn() -> H>,
}

impl<H: Hardware> Page<H> {
    /// A page of zeros.
    pub fn zeroed() -> Option<Self> {
        H::allocate().map(|frame| Page { frame, hardware: PhantomData })
    }

    /// The frame's physical address.
    pub fn frame(&self) -> u64 {
        self.frame
    }

    /// Whether nobody else shares the page.
    pub fn is_unique(&self) -> bool {
        H::is_unique(self.frame)
    }

    /// A new page with the content of this one.
    pub fn copied(&self) -> Option<Self> {
        let copy = Self::zeroed()?;
        // SAFETY: both are pages; the copy is nobody else's. The source may
        // be written by a user meanwhile, which harms only that user.
        unsafe {
            core::ptr::copy_nonoverlapping(
                H::frame_pointer(self.frame),
                H::frame_pointer(copy.frame),
                PAGE_SIZE as usize,
            );
        }
        Some(copy)
    }

    /// Copies out of the page.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        assert!(offset + to.len() <= PAGE_SIZE as usize, "beyond the page");
        // SAFETY: within the page, checked above.
        unsafe { core::ptr::copy_nonoverlapping(H::frame_pointer(self.frame).add(offset), to.as_mut_ptr(), to.len()) };
    }

    /// Copies into the page.
    pub fn write(&self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= PAGE_SIZE as usize, "beyond the page");
        // SAFETY: within the page, checked above.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), H::frame_pointer(self.frame).add(offset), from.len()) };
    }

    /// Clears a part of the page.
    pub fn zero(&self, offset: usize, length: usize) {
        assert!(offset + length <= PAGE_SIZE as usize, "beyond the page");
        // SAFETY: within the page, checked above.
        unsafe { H::frame_pointer(self.frame).add(offset).write_bytes(0, length) };
    }

    /// Gives the share to a page-table entry.
    pub(crate) fn into_frame(self) -> u64 {
        let frame = self.frame;
        core::mem::forget(self);
        frame
    }

    /// Takes a share back out of a page-table entry, which gives it up.
    pub(crate) fn from_frame(frame: u64) -> Self {
        Page { frame, hardware: PhantomData }
    }
}

impl<H: Hardware> Clone for Page<H> {
    fn clone(&self) -> Self {
        H::retain(self.frame);
        Page { frame: self.frame, hardware: PhantomData }
    }
}

impl<H: Hardware> Drop for Page<H> {
    fn drop(&mut self) {
        H::release(self.frame);
    }
}

impl<H: Hardware> fmt::Debug for Page<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({:#x})", self.frame)
    }
}
