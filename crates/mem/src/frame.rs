//! Frames as owned values.

use crate::address::{PAGE_SIZE, PhysAddr};
use crate::hardware::{Hardware, Purpose};
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicU8, Ordering};

const BYTES: usize = PAGE_SIZE as usize;

/// In a frame's word of shares: its bytes have been made fetchable as
/// instructions since they were last written by the kernel.
const CODE: u32 = 1 << 31;
const COUNT: u32 = CODE - 1;

/// A frame that nobody else has. Freed when dropped.
pub struct Frame<H: Hardware> {
    address: PhysAddr,
    hardware: PhantomData<fn() -> H>,
}

impl<H: Hardware> Frame<H> {
    /// A frame with unspecified content. Never sleeps.
    pub fn new(purpose: Purpose) -> Option<Self> {
        let address = H::allocate(purpose)?;
        debug_assert_eq!(H::shares(address).load(Ordering::Relaxed), 0);
        Some(Frame {
            address,
            hardware: PhantomData,
        })
    }

    /// A frame of zeros. Never sleeps.
    pub fn zeroed(purpose: Purpose) -> Option<Self> {
        let frame = Self::new(purpose)?;
        // SAFETY: the frame is ours alone, and a page long.
        unsafe { H::pointer(frame.address).write_bytes(0, BYTES) };
        Some(frame)
    }

    /// A program's own frame, with the content of another.
    pub(crate) fn copy_of(other: &SharedFrame<H>) -> Option<Self> {
        let frame = Self::new(Purpose::Private)?;
        // SAFETY: both are pages, and ours is nobody else's. A user program
        // that writes to the other meanwhile races with itself only.
        unsafe { H::pointer(frame.address).copy_from(H::pointer(other.address), BYTES) };
        Some(frame)
    }

    /// Where it is.
    pub fn address(&self) -> PhysAddr {
        self.address
    }

    /// Its bytes. If they come from [`Frame::new`] their values are
    /// unspecified.
    pub fn bytes_mut(&mut self) -> &mut [u8; BYTES] {
        // SAFETY: a page that is ours alone, borrowed with the frame.
        unsafe { &mut *H::pointer(self.address).cast() }
    }

    /// Turns it into a frame that can be shared.
    pub fn share(self) -> SharedFrame<H> {
        let frame = ManuallyDrop::new(self);
        H::shares(frame.address).store(1, Ordering::Relaxed);
        SharedFrame {
            address: frame.address,
            hardware: PhantomData,
        }
    }

    /// Gives up the ownership, for a page table.
    pub(crate) fn into_address(self) -> PhysAddr {
        ManuallyDrop::new(self).address
    }

    /// Takes the ownership back.
    ///
    /// # Safety
    /// `address` came from [`Frame::into_address`], once.
    pub(crate) unsafe fn from_address(address: PhysAddr) -> Self {
        Frame {
            address,
            hardware: PhantomData,
        }
    }
}

impl<H: Hardware> Drop for Frame<H> {
    fn drop(&mut self) {
        poison::<H>(self.address);
        // SAFETY: the only owner gives it up.
        unsafe { H::free(self.address) };
    }
}

impl<H: Hardware> fmt::Debug for Frame<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:#x})", self.address.0)
    }
}

/// Makes the use of a freed frame show, in debug builds.
fn poison<H: Hardware>(address: PhysAddr) {
    if cfg!(debug_assertions) {
        // SAFETY: the frame is being freed by its only owner.
        unsafe { H::pointer(address).write_bytes(0xd7, BYTES) };
    }
}

/// One share of a frame: of the page cache, of page tables after a fork, of
/// shared memory. The frame is freed with the last one.
///
/// The bytes may be written by user programs at any time, so they are copied
/// in and out and never borrowed.
pub struct SharedFrame<H: Hardware> {
    address: PhysAddr,
    hardware: PhantomData<fn() -> H>,
}

impl<H: Hardware> SharedFrame<H> {
    /// Where it is.
    pub fn address(&self) -> PhysAddr {
        self.address
    }

    /// Where the kernel sees its bytes. To be read and written as memory that
    /// others change at any time.
    pub fn pointer(&self) -> *mut u8 {
        H::pointer(self.address)
    }

    /// Its bytes, which others may change at any time.
    pub fn bytes(&self) -> &[AtomicU8; BYTES] {
        // SAFETY: a page of memory that lives as long as this share; what others in
        // the kernel do to it goes through pointers or this, and a user program's
        // stores are not Rust's.
        unsafe { &*self.pointer().cast::<[AtomicU8; BYTES]>() }
    }

    /// The same, to be changed: what was published as instructions is so no more.
    pub fn bytes_to_change(&self) -> &[AtomicU8; BYTES] {
        self.code_changed();
        self.bytes()
    }

    /// Another share; `None` if there are 2³¹ already.
    pub fn try_clone(&self) -> Option<Self> {
        let shares = H::shares(self.address);
        let before = shares.fetch_add(1, Ordering::Relaxed) & COUNT;
        if before >= COUNT - 4096 {
            shares.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(SharedFrame {
            address: self.address,
            hardware: PhantomData,
        })
    }

    /// Whether this is the only share. It stays so, since a new one can only
    /// be made from this.
    pub fn is_unique(&self) -> bool {
        H::shares(self.address).load(Ordering::Acquire) & COUNT == 1
    }

    /// Copies out from `offset` on, as far as the page reaches; how many
    /// bytes that was.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
        let length = to.len().min(BYTES.saturating_sub(offset));
        if length > 0 {
            // SAFETY: within the page and the buffer, which is not user
            // memory.
            unsafe {
                to.as_mut_ptr()
                    .copy_from(self.pointer().add(offset), length)
            };
        }
        length
    }

    /// Copies in from `offset` on, as far as the page reaches; how many bytes
    /// that was.
    pub fn write(&self, offset: usize, from: &[u8]) -> usize {
        let length = from.len().min(BYTES.saturating_sub(offset));
        if length > 0 {
            self.code_changed();
            // SAFETY: within the page and the buffer, which is not user
            // memory.
            unsafe { self.pointer().add(offset).copy_from(from.as_ptr(), length) };
        }
        length
    }

    /// Sets `length` bytes from `offset` on to zero, as far as the page
    /// reaches.
    pub fn zero(&self, offset: usize, length: usize) {
        let length = length.min(BYTES.saturating_sub(offset));
        if length > 0 {
            self.code_changed();
            // SAFETY: within the page.
            unsafe { self.pointer().add(offset).write_bytes(0, length) };
        }
    }

    fn code_changed(&self) {
        let shares = H::shares(self.address);
        if shares.load(Ordering::Relaxed) & CODE != 0 {
            shares.fetch_and(COUNT, Ordering::Relaxed);
        }
    }

    /// Makes the bytes fetchable as instructions, unless they are already.
    /// The one place that publishes executable pages. What a program writes
    /// itself after that, it publishes itself.
    pub(crate) fn publish_code(&self) {
        let shares = H::shares(self.address);
        if shares.load(Ordering::Acquire) & CODE == 0 {
            H::publish_code(self.pointer(), BYTES);
            shares.fetch_or(CODE, Ordering::Release);
        }
    }

    /// Gives up this value but not the share, for a page-table entry.
    pub(crate) fn into_address(self) -> PhysAddr {
        ManuallyDrop::new(self).address
    }

    /// Takes a share back from a page-table entry.
    ///
    /// # Safety
    /// `address` came from [`SharedFrame::into_address`], once.
    pub(crate) unsafe fn from_address(address: PhysAddr) -> Self {
        SharedFrame {
            address,
            hardware: PhantomData,
        }
    }
}

impl<H: Hardware> Drop for SharedFrame<H> {
    fn drop(&mut self) {
        let shares = H::shares(self.address);
        let before = shares.fetch_sub(1, Ordering::Release) & COUNT;
        debug_assert!(
            before != 0,
            "a share of {:#x} given up twice",
            self.address.0
        );
        if before != 1 {
            return;
        }
        core::sync::atomic::fence(Ordering::Acquire);
        shares.store(0, Ordering::Relaxed);
        poison::<H>(self.address);
        // SAFETY: that was the last share.
        unsafe { H::free(self.address) };
    }
}

impl<H: Hardware> fmt::Debug for SharedFrame<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedFrame({:#x})", self.address.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, Fake};

    #[test]
    fn the_last_share_frees_the_frame() {
        fake::reset(16);
        let frame = Frame::<Fake>::zeroed(Purpose::Private).unwrap().share();
        assert!(frame.is_unique());
        let other = frame.try_clone().unwrap();
        assert!(!frame.is_unique());
        drop(frame);
        assert!(other.is_unique());
        assert_eq!(fake::used(), 1);
        drop(other);
        assert_eq!(fake::used(), 0);
    }

    #[test]
    fn copies_stop_at_the_end_of_the_page() {
        fake::reset(16);
        let frame = Frame::<Fake>::zeroed(Purpose::Private).unwrap().share();
        assert_eq!(frame.write(4090, b"0123456789"), 6);
        let mut back = [0; 10];
        assert_eq!(frame.read(4088, &mut back), 8);
        assert_eq!(back, [0, 0, b'0', b'1', b'2', b'3', b'4', b'5', 0, 0]);
        assert_eq!(frame.read(5000, &mut back), 0);
        frame.zero(4090, 100);
        assert_eq!(frame.read(4090, &mut back), 6);
        assert_eq!(&back[..6], &[0; 6]);
    }

    #[test]
    fn code_is_published_once_until_it_changes() {
        fake::reset(16);
        let frame = Frame::<Fake>::zeroed(Purpose::Private).unwrap().share();
        frame.publish_code();
        frame.publish_code();
        assert_eq!(fake::code_published(), 1);
        assert!(frame.is_unique());
        frame.write(0, b"x");
        frame.publish_code();
        assert_eq!(fake::code_published(), 2);
    }
}
