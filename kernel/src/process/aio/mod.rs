//! Contexts of asynchronous I/O (io_setup(2)): a memory's own, which end with it.
//!
//! A context is known by the address of a page of the program's memory. On Linux that page
//! is a ring in which a library finds what has ended without a call, once it has seen a
//! mark there; here the page is empty, so that every library makes the call.

mod polls;

use crate::process::accounts;
use crate::process::memory::Memory;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_abi::aio::IoEvent;
use paddock_abi::mman::Prot;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_mem::{MapRequest, PAGE_SIZE};
use paddock_process::aio::Operations;
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc, try_insert};
use paddock_vfs::OpenFile;

pub use polls::{Poll, cancel, start_poll};

/// Operations that all contexts together may have (`/proc/sys/fs/aio-max-nr`).
pub static MOST: AtomicU64 = AtomicU64::new(65_536);
/// Those that contexts were made for (`/proc/sys/fs/aio-nr`).
static WANTED: AtomicU64 = AtomicU64::new(0);

/// How many operations contexts were made for.
pub fn wanted() -> u64 {
    WANTED.load(Ordering::Relaxed)
}

/// Operations that are counted, for as long as this is there.
struct Wanted(u64);

impl Wanted {
    /// `EAGAIN` for too many.
    fn new(count: u64) -> Result<Wanted> {
        let most = MOST.load(Ordering::Relaxed);
        let more = |now: u64| now.checked_add(count).filter(|sum| *sum <= most);
        let counted = WANTED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.map(|_| Wanted(count)).map_err(|_| Errno::EAGAIN)
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        WANTED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// A context.
pub struct Context {
    operations: SpinLock<Operations, PreemptOff>,
    /// An operation has ended, or the context has.
    pub changed: WaitQueue,
    is_destroyed: AtomicBool,
    _wanted: Wanted,
    _charge: Charge,
}

/// What each operation that a context may have is charged for, in bytes.
const OPERATION_BYTES: usize = 128;
/// The least number of these: as on Linux, where a ring fills a page.
const LEAST: usize = 126;

impl Context {
    /// For so many operations. `EAGAIN`, `ENOMEM`.
    fn new(count: u32) -> Result<Context> {
        let wanted = Wanted::new(count.into())?;
        let most = (count as usize).saturating_mul(2).max(LEAST);
        let charge = Charge::new(&accounts::paying(), most.saturating_mul(OPERATION_BYTES))?;
        Ok(Context {
            operations: SpinLock::new(Rank::Leaf, Operations::new(most)),
            changed: WaitQueue::new(),
            is_destroyed: AtomicBool::new(false),
            _wanted: wanted,
            _charge: charge,
        })
    }

    /// Calls `body` with its operations. Nothing in it sleeps.
    pub fn with<T>(&self, body: impl FnOnce(&mut Operations) -> T) -> T {
        body(&mut self.operations.lock())
    }

    /// An operation that has a place has ended. Not in an interrupt.
    pub fn end(&self, event: IoEvent, eventfd: Option<&OpenFile>) {
        self.with(|operations| operations.end(event));
        self.changed.wake(Ready::IN);
        if let Some(eventfd) = eventfd {
            // One that cannot count further is ready as it is.
            let _ = eventfd.write(&1u64.to_le_bytes());
        }
    }

    /// Whether it was destroyed while somebody still has it.
    pub fn is_destroyed(&self) -> bool {
        self.is_destroyed.load(Ordering::Acquire)
    }

    /// Those that wait do so no longer, and nobody hears of them.
    fn forget_waiting(&self) {
        while let Some(number) = self.with(|operations| operations.any_waiting()) {
            polls::forget(number);
            self.with(|operations| operations.wait_is_over(number));
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.forget_waiting();
    }
}

/// The contexts of a memory, by their addresses.
pub struct Contexts(SpinLock<BTreeMap<u64, Arc<Context>>>);

impl Contexts {
    /// None.
    pub const fn new() -> Contexts {
        Contexts(SpinLock::new(Rank::Leaf, BTreeMap::new()))
    }

    /// The context at an address. `EINVAL`.
    pub fn get(&self, address: u64) -> Result<Arc<Context>> {
        self.0.lock().get(&address).cloned().ok_or(Errno::EINVAL)
    }
}

/// Makes a context for so many operations; its address. Sleeps.
///
/// # Errors
/// `EAGAIN` for more than the machine has, `ENOMEM`.
pub fn make(memory: &Memory, count: u32) -> Result<u64> {
    let context = try_arc(Context::new(count)?)?;
    let page = MapRequest::anonymous(PAGE_SIZE, Prot::READ | Prot::WRITE);
    let address = memory.space.lock().map(&page)?;
    // Whoever has unmapped the page of another one may be given it again.
    let replaced = try_insert(&mut memory.aio.0.lock(), address, context);
    match replaced {
        Ok(old) => {
            drop(old);
            Ok(address)
        }
        Err(error) => {
            let _ = memory.space.lock().unmap(address, PAGE_SIZE);
            Err(error)
        }
    }
}

/// Ends a context. Sleeps.
///
/// # Errors
/// `EINVAL` if there is none at the address.
pub fn destroy(memory: &Memory, address: u64) -> Result<()> {
    let context = memory.aio.0.lock().remove(&address).ok_or(Errno::EINVAL)?;
    context.is_destroyed.store(true, Ordering::Release);
    context.forget_waiting();
    context.changed.wake_all();
    drop(context);
    memory.space.lock().unmap(address, PAGE_SIZE)
}
