//! Mistakes that last: what the watchdog is there for.

use super::in_a_task;
use crate::{console, thread, time};
use paddock_sync::{IrqGuard, Mutex, PreemptGuard, Rank, RwLock};

const MS: u64 = 1_000_000;

/// How long each lasts, in milliseconds.
const LASTS_MS: u64 = 2000;

static READ: RwLock<()> = RwLock::new(Rank::Inode, ());
static BETWEEN: Mutex<()> = Mutex::new(Rank::Inode, ());

/// Keeps the CPU busy.
fn spin(milliseconds: u64) {
    let end = time::now() + milliseconds * MS;
    while time::now() < end {
        core::hint::spin_loop();
    }
}

/// No preemption, while another thread is ready.
pub fn preemption_off() {
    let _stay = PreemptGuard::new();
    let _ = thread::spawn("left-waiting", || {});
    spin(LASTS_MS);
}

pub fn interrupts_off() {
    let _masked = IrqGuard::new();
    spin(LASTS_MS);
}

pub fn step_lasts() {
    in_a_task(|| spin(LASTS_MS));
}

/// The console's lock is held with interrupts off, but not any more when the
/// machine is looked at: a message that finds it held for long is lost.
pub fn console_stuck() {
    console::hold_while(|| spin(super::AFTER_MS * 4 / 5));
}

/// A reader holds a lock that another thread wants to write under a mutex,
/// which a third one waits for.
pub fn lock_chain() {
    let _ = thread::spawn("reader", || {
        let _reading = READ.read();
        thread::sleep_ms(LASTS_MS);
    });
    thread::sleep_ms(50);
    let _ = thread::spawn("between", || {
        let _between = BETWEEN.lock();
        drop(READ.write());
    });
    thread::sleep_ms(50);
    drop(BETWEEN.lock());
}
