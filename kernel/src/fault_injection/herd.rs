//! The supervisor dies, which no program can make it do.

use crate::{process, thread};

/// How long it is let live each time, in milliseconds.
const LIVES_MS: [u64; 7] = [100, 300, 900, 1700, 3000, 5000, 8000];
/// How often it is looked at, in milliseconds.
const LOOK_MS: u64 = 5;

/// Kills process 1 after each of these times.
pub fn dies() {
    for life in LIVES_MS {
        thread::sleep_ms(life);
        let Some(first) = process::process_1() else {
            thread::sleep_ms(LOOK_MS);
            continue;
        };
        process::kill_by_kernel(&first);
        drop(first);
        while process::process_1().is_none() {
            thread::sleep_ms(LOOK_MS);
        }
    }
    log::warn!("scene: herd has died often enough");
}
