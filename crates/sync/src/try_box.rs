//! Allocation of single values that can fail.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::alloc::Layout;
use paddock_abi::{Errno, Result};

/// Like `Box::new`, but running out of memory is `ENOMEM`.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        return Ok(Box::new(value));
    }
    // SAFETY: the layout has a size.
    let pointer = unsafe { alloc::alloc::alloc(layout) }.cast::<T>();
    if pointer.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: the memory is ours, of T's layout, and comes from the global
    // allocator, which is where the box will return it.
    unsafe {
        pointer.write(value);
        Ok(Box::from_raw(pointer))
    }
}

/// Like `Arc::new`, but running out of memory is `ENOMEM`.
///
/// The check is made by allocating (and giving back) memory of the size an
/// `Arc` needs; a race for the very last bytes is left to the allocator's
/// emergency reserve.
pub fn try_arc<T>(value: T) -> Result<Arc<T>> {
    let probe: Box<core::mem::MaybeUninit<(usize, usize, T)>> =
        try_box(core::mem::MaybeUninit::uninit())?;
    drop(probe);
    Ok(Arc::new(value))
}
