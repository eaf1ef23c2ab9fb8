//! Broken rules of the threading model: reported once a place, counted, and
//! fatal in test runs.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use paddock_sync::Violation;

/// How many places are remembered as reported.
const PLACES: usize = 32;

static COUNT: AtomicU64 = AtomicU64::new(0);
static FATAL: AtomicBool = AtomicBool::new(false);
static REPORTED: [AtomicUsize; PLACES] = [const { AtomicUsize::new(0) }; PLACES];

/// How many violations there have been since boot.
pub fn count() -> u64 {
    COUNT.load(Relaxed)
}

/// Makes the next violation a panic.
pub fn set_fatal() {
    FATAL.store(true, Relaxed);
}

/// Called by `paddock-sync` where a rule was broken. Any context.
pub fn report(violation: &Violation) {
    COUNT.fetch_add(1, Relaxed);
    if FATAL.load(Relaxed) {
        panic!("violation: {violation}");
    }
    if first_time(core::ptr::from_ref(violation.at()).addr()) {
        crate::console::safe_println!("violation: {violation}");
    }
}

fn first_time(place: usize) -> bool {
    for slot in &REPORTED {
        match slot.compare_exchange(0, place, Relaxed, Relaxed) {
            Ok(_) => return true,
            Err(known) if known == place => return false,
            Err(_) => {}
        }
    }
    false
}
