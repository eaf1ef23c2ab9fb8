//! Several processors: they all start, they all work, and idle ones rest.

use anyhow::{Context, Result};
use paddock_tests::load;
use std::time::Duration;
use xtask::machine::{Builder, Machine, machine};

/// Interrupts of one line of /proc/interrupts, by CPU.
fn counts(machine: &Machine, name: &str) -> Result<Vec<u64>> {
    let text = machine.sh("cat /proc/interrupts")?;
    let line = text
        .lines()
        .find(|line| line.ends_with(name))
        .with_context(|| format!("no {name} in /proc/interrupts:\n{text}"))?;
    let (_, rest) = line.split_once(':').context("a line without a number")?;
    let words = rest.split_whitespace();
    Ok(words.map_while(|word| word.parse().ok()).collect())
}

/// All of so many CPUs are there, and each has run something.
fn all_work(builder: Builder, cpus: usize) -> Result<()> {
    let machine = builder.up()?;
    let known = machine.sh("grep -c ^processor /proc/cpuinfo")?;
    assert_eq!(known.trim(), cpus.to_string());
    // Twice as many loops as CPUs, until every CPU has had its slices: each
    // end of one is the scheduler's timer on that CPU.
    let busy = format!(
        "for i in $(seq {}); do (while :; do :; done) & done; sleep 3; kill $(jobs -p); wait",
        2 * cpus
    );
    machine.sh(&busy)?;
    let timers = counts(&machine, "sched-timer")?;
    assert_eq!(timers.len(), cpus, "{timers:?}");
    assert!(timers.iter().all(|&count| count > 0), "{timers:?}");
    machine.off()
}

#[test]
fn four_work_with_gicv2() -> Result<()> {
    all_work(machine("work-4").smp(4), 4)
}

#[test]
fn eight_work_with_gicv3() -> Result<()> {
    all_work(machine("work-8").smp(8).with(|config| config.gic = 3), 8)
}

/// A loader that enters at EL2 starts the others there, too; PSCI is then
/// called by SMC.
#[test]
fn they_start_at_el2() -> Result<()> {
    for gic in [2, 3] {
        let builder = machine("el2").smp(4).with(|config| {
            config.gic = gic;
            config
                .extra
                .extend(["-machine", "virtualization=on"].map(Into::into));
        });
        all_work(builder, 4)?;
    }
    Ok(())
}

#[test]
fn maxcpus_leaves_the_rest_alone() -> Result<()> {
    let mut machine = machine("maxcpus").smp(4).append("maxcpus=2").start()?;
    machine.expect("processors: 2 of 4")?;
    machine.wait_for_ssh()?;
    assert_eq!(counts(&machine, "sched-timer")?.len(), 2);
    machine.done()
}

/// Four idle CPUs cost no more than one, and none has a tick.
#[test]
fn idle_ones_rest() -> Result<()> {
    let machine = machine("idle-4").smp(4).alone().up()?;
    let used = load::used_at_rest(&machine, Duration::from_secs(10), 100)?;
    assert!(used < 100, "{used} ms in 10 s");
    let before: u64 = counts(&machine, "sched-timer")?.iter().sum();
    std::thread::sleep(Duration::from_secs(10));
    let after: u64 = counts(&machine, "sched-timer")?.iter().sum();
    // The logins are in the figure.
    println!("in 10 s: {} timer interrupts", after - before);
    assert!(after - before < 60, "{} timer interrupts", after - before);
    machine.done()
}
