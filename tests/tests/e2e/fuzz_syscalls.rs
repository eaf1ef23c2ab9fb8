//! Calls of every number, from a seed (`cargo xtask fuzz-syscalls`).

use anyhow::Result;
use xtask::fuzz_syscalls::{Amount, Calls};

/// As root and as nobody, several processes at once.
#[test]
fn calls_of_every_kind_leave_nothing_behind() -> Result<()> {
    let seen = Calls {
        seed: 1,
        first: 0,
        amount: Amount::Calls(100_000),
        smp: 4,
    }
    .run()?;
    println!("{} calls", seen.calls);
    assert!(seen.calls >= 100_000, "{} calls", seen.calls);
    Ok(())
}
