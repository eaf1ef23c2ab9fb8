//! Allocation that can fail: on every path that a program can drive.
//!
//! The kernel keeps a reserve for small allocations (`may_allocate` is false
//! before it is touched), so that those made right after the check succeed:
//! `Arc::new` and the like can then be used, although they cannot say no.

use crate::platform;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::alloc::Layout;
use paddock_abi::{Errno, Result};

/// Bytes that an allocation may have at most to count as small.
pub const SMALL: usize = 2032;

/// Whether a small allocation ([`SMALL`]) may be made, which then succeeds.
/// `ENOMEM` if memory is short. Any context.
pub fn may_allocate() -> Result<()> {
    match platform::may_allocate() {
        true => Ok(()),
        false => Err(Errno::ENOMEM),
    }
}

/// Like `Box::new`, but running out of memory is `ENOMEM`.
#[allow(
    clippy::disallowed_methods,
    reason = "what this is about: the memory was asked for"
)]
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        return Ok(Box::new(value));
    }
    may_allocate()?;
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

/// A copy of a list of any length, in no more memory than it needs. `ENOMEM`.
pub fn try_copy<T: Copy>(list: &[T]) -> Result<Vec<T>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(list.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(list);
    Ok(copy)
}

/// A copy of a text, likewise. `ENOMEM`.
pub fn try_string(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.push_str(text);
    Ok(copy)
}

/// Gives back the memory of a list that has become much shorter; room for
/// `least` elements stays. Without memory for a smaller list nothing changes.
///
/// What it costs is made up for by the removals before it: it moves the
/// elements only if at most a quarter of the room is needed.
pub fn shrink_vec<T>(list: &mut Vec<T>, least: usize) {
    /// The largest capacity that is kept in any case.
    const KEPT: usize = 64;
    let wanted = list.len().max(least).max(KEPT / 2);
    if list.capacity() <= KEPT || list.capacity() / 4 < wanted {
        return;
    }
    let mut smaller = Vec::new();
    if smaller.try_reserve_exact(2 * wanted).is_ok() {
        smaller.append(list);
        *list = smaller;
    }
}

/// Like `Arc::new`, but running out of memory is `ENOMEM`.
#[allow(
    clippy::disallowed_methods,
    reason = "what this is about: the memory was asked for"
)]
pub fn try_arc<T>(value: T) -> Result<Arc<T>> {
    const {
        assert!(
            size_of::<(usize, usize, T)>() <= SMALL,
            "not a small object"
        )
    };
    may_allocate()?;
    Ok(Arc::new(value))
}

/// Like `BTreeMap::insert`, but running out of memory is `ENOMEM`, and nothing
/// has changed then.
#[allow(
    clippy::disallowed_methods,
    reason = "what this is about: the memory was asked for"
)]
pub fn try_insert<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Result<Option<V>> {
    // A node has up to eleven entries, twelve children, and three words more.
    const {
        assert!(
            11 * size_of::<(K, V)>() + 15 * 8 <= SMALL,
            "not a small node"
        )
    };
    may_allocate()?;
    Ok(map.insert(key, value))
}
