//! User address spaces: areas, page tables, demand paging and copy on write.
//!
//! The hardware is a type parameter ([`Hardware`]), so that the same code
//! that runs in the kernel is tested on the host against a walk of the real
//! tables in ordinary memory.
//!
//! An [`AddressSpace`] is plain data: the kernel wraps it in a sleeping lock.
//! Running out of memory is an error value everywhere.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod area;
mod fault;
mod hardware;
mod page;
mod space;
mod tables;

pub use area::{Area, Backing, MapSource, Protection};
pub use fault::{Access, Fault};
pub use hardware::Hardware;
pub use page::Page;
pub use space::{AddressSpace, MapRequest, Placement, Usage};

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;
/// Lowest address a user may map.
pub const USER_MIN: u64 = 0x1_0000;
/// One past the highest.
pub const USER_END: u64 = 1 << 47;
