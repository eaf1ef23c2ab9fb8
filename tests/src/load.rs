//! What a machine costs its host, and the host it.

use anyhow::Result;
use std::time::{Duration, Instant};
use xtask::machine::Machine;

/// Processor time of the host (ms) that the machine uses in `window`: the least of
/// some windows in a row, of which the first may still see the end of what has
/// just been started. A machine that does not rest does so in none.
///
/// # Errors
///
/// If QEMU is gone.
pub fn used_at_rest(machine: &Machine, window: Duration, enough: u64) -> Result<u64> {
    let mut least = u64::MAX;
    for _ in 0..4 {
        let before = machine.host_ticks()?;
        std::thread::sleep(window);
        least = least.min((machine.host_ticks()? - before) * 10);
        if least < enough {
            break;
        }
    }
    println!("processor time in {window:?}: {least} ms");
    Ok(least)
}

/// Does something with the machine: what came of it, and how long it took, without the
/// time for which the host had no processor for it.
///
/// # Errors
/// If QEMU is gone.
pub fn undisturbed<T>(machine: &Machine, body: impl FnOnce() -> T) -> Result<(T, Duration)> {
    let waited_before = waited(machine)?;
    let began = Instant::now();
    let result = body();
    let took = began.elapsed();
    let waited = waited(machine)?.saturating_sub(waited_before);
    Ok((result, took.saturating_sub(waited)))
}

/// For how long the thread of QEMU's that waited most for a processor has (the second
/// figure of schedstat, see the kernel's Documentation/scheduler/sched-stats).
fn waited(machine: &Machine) -> Result<Duration> {
    let mut most = 0;
    for task in std::fs::read_dir(format!("/proc/{}/task", machine.process_id()))? {
        // A thread may have ended meanwhile.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let delay = text.split_whitespace().nth(1);
        most = most.max(delay.and_then(|delay| delay.parse().ok()).unwrap_or(0));
    }
    Ok(Duration::from_nanos(most))
}
