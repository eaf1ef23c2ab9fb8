//! What the shipped kernel does in place of the four failures: both timers
//! are enabled, each fires when it is due and else not at all, and the main
//! loop sleeps when there is nothing to do; and when the host does not run
//! the machine for a while, that is nobody's fault. That sleeps end on time is tested
//! in `time.rs`, the processor time of an idle machine in `idle.rs`.

use anyhow::{Context, Result, ensure};
use xtask::machine::machine;
use xtask::stress::Pauses;

/// An interrupt's row of `/proc/interrupts`.
#[derive(Debug)]
struct Row {
    /// Times that it was taken, on all CPUs.
    count: u64,
    /// What the controller does with it: `on`, `off`, or `-` for one of
    /// another CPU.
    state: String,
}

fn row(text: &str, handler: &str) -> Result<Row> {
    let line = text.lines().find(|line| line.ends_with(handler));
    let line = line.with_context(|| format!("no {handler} in\n{text}"))?;
    let words: Vec<_> = line.split_whitespace().skip(1).collect();
    let counts = words.iter().map_while(|word| word.parse::<u64>().ok());
    let state = words.iter().rev().nth(1).context("no state")?;
    Ok(Row {
        count: counts.sum(),
        state: (*state).to_owned(),
    })
}

fn rounds(text: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("rounds "));
    Ok(line.context("no rounds")?.parse()?)
}

#[test]
fn nothing_runs_for_nothing() -> Result<()> {
    let machine = machine("absent").smp(1).up()?;
    let look = "cat /proc/interrupts /proc/paddock/steps";
    let output = machine.sh(&format!("sleep 3; {look}; echo =; sleep 5; {look}"))?;
    let (before, after) = output.split_once("=\n").context("no two looks")?;
    for timer in ["sched-timer", "embassy-timer"] {
        let (first, second) = (row(before, timer)?, row(after, timer)?);
        ensure!(second.state == "on", "{timer}: {second:?}");
        ensure!(second.count > 0, "{timer} has never fired");
        let fired = second.count - first.count;
        println!("{timer}: {fired} interrupts in 5 s");
        ensure!(fired < 100, "{timer}: {fired} interrupts in 5 s");
    }
    let gone_around = rounds(after)? - rounds(before)?;
    println!("the main loop went around {gone_around} times in 5 s");
    ensure!(gone_around < 200, "{gone_around} rounds in 5 s");
    machine.done()
}

/// Both timers are late when the machine goes on, and both have come; so is the
/// disk's interrupt. None of the time is anybody's.
#[test]
fn a_pause_of_the_machine_is_nobodys_mistake() -> Result<()> {
    for smp in [1, 4] {
        let seen = Pauses {
            times: 12,
            shortest: 1_000,
            longest: 2_000,
            smp,
            report_ms: Some(700),
        }
        .run()?;
        println!("{smp} CPUs: {seen:?}");
        // An idle machine has no timer that is late.
        assert!(seen.stolen >= seen.paused / 3, "{seen:?}");
    }
    Ok(())
}
