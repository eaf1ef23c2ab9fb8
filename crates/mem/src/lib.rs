//! User memory: who owns a frame, which page tables show it to whom, and what
//! a fault does.
//!
//! From the ground up:
//! - [`Hardware`] is all that this crate knows of the machine; in tests it is
//!   a fake with a translation cache that does forget to flush itself.
//! - [`Frame`] owns a page of memory alone, [`SharedFrame`] shares it by a
//!   count. Both give it back when dropped.
//! - [`tables`] holds the AArch64 page tables of one user half. A held leaf
//!   entry owns one share of its frame.
//! - [`AddressSpace`] is what a process sees: areas, and the pages in them.
//!   It is plain data; the kernel keeps it in a sleeping lock, and
//!   [`handle_fault`] is the way through that lock.
//! - [`Activator`] is the only place that puts an address space in use on a
//!   CPU.
//!
//! Running out of memory is an error value everywhere.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod activate;
mod address;
mod counters;
mod entry;
#[cfg(test)]
mod fake;
mod frame;
mod gather;
mod hardware;
mod maps;
mod shared;
mod source;
mod space;
pub mod tables;
#[cfg(test)]
mod tests;
mod vma;

pub use activate::{Activator, Root};
pub use address::{PAGE_SIZE, PageRange, PhysAddr, USER_END, USER_MIN, user_range_ok};
pub use counters::Counters;
pub use entry::{Entry, MAIR_DEVICE, MAIR_NORMAL, Rights};
pub use frame::{Frame, SharedFrame};
pub use hardware::{Hardware, Purpose};
pub use maps::MapsLine;
pub use shared::SharedMemory;
pub use source::{Attached, MapError, MapSource};
pub use space::{
    Access, AddressSpace, FaultError, FutexKey, Layout, Limits, MapRequest, PageRequest, Step,
    StringsAt, SyncTarget, Usage, VmaReport, handle_fault, populate,
};
pub use vma::{Backing, MAX_AREAS, Vma, VmaKind};
