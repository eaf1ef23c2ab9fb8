//! Frames for two stacks, from bytes that libFuzzer makes (see `run_input`).

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/fuzz/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Frames so far are told each time they are so many more.
const TOLD: u64 = 1_000_000;
static FRAMES: AtomicU64 = AtomicU64::new(0);

fuzz_target!(|input: &[u8]| {
    let count = world::run_input(input);
    let before = FRAMES.fetch_add(count, Relaxed);
    if before / TOLD != (before + count) / TOLD {
        eprintln!("{} million frames", (before + count) / TOLD);
    }
});
