//! What a machine costs its host.

use anyhow::Result;
use std::time::Duration;
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
