//! Sleeps end on time. Guest time counts instructions, so that the figures do
//! not depend on the host.

use anyhow::{Context, Result};
use xtask::machine::{Machine, machine};

/// Seconds of guest time that `count` sleeps of `ms` milliseconds take.
fn sleeps(machine: &Machine, count: u32, ms: u32) -> Result<f64> {
    let output = machine.sh(&format!("paddock-test sleep {count} {ms}"))?;
    let nanoseconds = output
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse::<u64>().ok())
        .max()
        .with_context(|| format!("no time in {output:?}"))?;
    println!("{count} sleeps of {ms} ms: {nanoseconds} ns");
    Ok(nanoseconds as f64 / 1e9)
}

#[test]
fn sleeps_end_on_time() -> Result<()> {
    let machine = machine("sleep")
        .alone()
        .with(|config| config.icount = true)
        .up()?;
    let hundred = sleeps(&machine, 100, 10)?;
    assert!((1.0..=1.2).contains(&hundred), "{hundred} s");
    let thousand = sleeps(&machine, 1000, 1)?;
    assert!((1.0..=1.3).contains(&thousand), "{thousand} s");
    machine.done()
}
