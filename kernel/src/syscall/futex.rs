//! Futexes, as far as the end of a thread needs them; the rest of the family
//! belongs here too.

use crate::user::UserThread;
use paddock_process::futex::{Futexes, Key};

/// All futexes.
pub static FUTEXES: Futexes = Futexes::new();

/// Wakes up to `count` waiters of an address of the thread's memory.
pub fn wake_address(thread: &UserThread, address: u64, count: u32) {
    if let Ok(memory) = thread.process.memory() {
        FUTEXES.wake(Key::Private { space: memory.id(), address }, u32::MAX, count);
    }
}

/// set_robust_list(2): lets waiters know of locks whose holder has ended.
pub fn release_robust_list(_thread: &UserThread) {}
