//! What the kernel's primitives cost in instructions, with the checks of locks
//! and contexts and without them.

use anyhow::{Context, Result};
use std::path::PathBuf;
use xtask::build::{Kernel, other_kernel};
use xtask::machine::{LIMIT, machine};
use xtask::step;

/// Prints the table. Both kernels count themselves under `-icount shift=0`.
pub fn print() -> Result<()> {
    let checked = count("bench-checked", other_kernel(Kernel::Test)?)?;
    let unchecked = count("bench-unchecked", other_kernel(Kernel::Unchecked)?)?;
    println!(
        "{:22} {:>14} {:>16}",
        "instructions", "with checks", "without checks"
    );
    for (name, with) in &checked {
        let without = unchecked.iter().find(|(other, _)| other == name);
        let without = without.map_or("?".into(), |(_, cost)| format!("{cost:.1}"));
        println!("{name:22} {with:>14.1} {without:>16}");
    }
    Ok(())
}

/// Boots a kernel and reads its lines `costs: NAME N`, N in hundredths.
fn count(name: &str, kernel: PathBuf) -> Result<Vec<(String, f64)>> {
    step::step(&format!("Counting instructions: {}", kernel.display()));
    let mut machine = machine(name)
        .alone()
        .smp(1)
        .no_net()
        .no_disk()
        .append("herd=off paddock.costs")
        .with(|config| {
            config.kernel = kernel;
            config.icount = true;
        })
        .start()?;
    machine.console().wait_for("costs: done", LIMIT)?;
    let printed = machine.console().text();
    machine.done()?;
    let lines = printed
        .lines()
        .filter_map(|line| line.split_once("costs: "));
    lines
        .filter(|(_, rest)| *rest != "done")
        .map(|(_, rest)| {
            let (name, cost) = rest.split_once(' ').context("a line without a figure")?;
            Ok((name.to_owned(), cost.trim().parse::<f64>()? / 100.0))
        })
        .collect()
}
