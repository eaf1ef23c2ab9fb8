//! Process 1 is started again when it has ended: its services go on, and the
//! new one takes them over.

use super::{output, path, run};
use crate::{config, process, thread, time};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use paddock_process::WaitStatus;

/// One that lived so long is followed at once, in milliseconds.
const LONG_MS: u64 = 1000;
/// The first wait after one that did not, in milliseconds; doubled for each
/// in a row.
const WAIT_MS: u64 = 100;
/// How often it is doubled at most.
const DOUBLINGS: u32 = 7;
/// How often it is looked at whether the last one is gone, in milliseconds.
const LOOK_MS: u64 = 1;

/// When the last one was started, in nanoseconds since boot.
static STARTED: AtomicU64 = AtomicU64::new(0);
/// How many that did not live long there were in a row.
static SHORT: AtomicU32 = AtomicU32::new(0);
/// Someone else starts the next one.
static HELD: AtomicBool = AtomicBool::new(false);

/// While this lives, process 1 is not started again.
pub struct Hold(());

/// The caller starts the next process 1 itself.
pub fn hold() -> Hold {
    HELD.store(true, Relaxed);
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        HELD.store(false, Relaxed);
    }
}

/// A process 1 was started.
pub fn started() {
    STARTED.store(time::now(), Relaxed);
}

/// How long to wait before the next one, after one that lived so long and so
/// many in a row that did not live long, both in milliseconds.
fn wait_ms(lived_ms: u64) -> u64 {
    if lived_ms >= LONG_MS {
        SHORT.store(0, Relaxed);
        return 0;
    }
    let before = SHORT.fetch_add(1, Relaxed);
    WAIT_MS << before.min(DOUBLINGS)
}

/// Process 1 has ended and its output is out. Only the supervisor is started
/// again: what else `init=` names may have done all it had to. Never sleeps.
pub fn ended(status: Option<WaitStatus>) {
    if path() != config::DEFAULT_INIT || HELD.load(Relaxed) {
        return;
    }
    let lived_ms = time::now().saturating_sub(STARTED.load(Relaxed)) / 1_000_000;
    let wait_ms = wait_ms(lived_ms);
    let next = thread::spawn("init", move || {
        thread::sleep_ms(wait_ms);
        start(status);
    });
    if let Err(error) = next {
        log::error!("init: process 1 is not started again: {error}. The monitor can do it");
    }
}

fn start(status: Option<WaitStatus>) {
    while process::process_1().is_some() || output::is_carried() {
        thread::sleep_ms(LOOK_MS);
    }
    if HELD.load(Relaxed) {
        return;
    }
    let path = path();
    match run(path) {
        Ok(()) => log::warn!("init: {path} started again, after {status:?}"),
        Err(error) => {
            log::error!("init: {path} is not started again: {error}. The monitor can do it");
        }
    }
}
