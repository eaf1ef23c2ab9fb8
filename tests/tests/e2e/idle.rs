//! With nothing to do, nothing is done.

use anyhow::{Context, Result};
use paddock_tests::{http, load};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;
use xtask::machine::{Machine, machine};

/// Interrupts that the guest has taken: the sum of the counts in
/// `/proc/interrupts`.
fn interrupts(machine: &Machine) -> Result<u64> {
    let text = machine.sh("cat /proc/interrupts")?;
    let counts = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(_, rest)| {
            rest.split_whitespace()
                .map_while(|word| word.parse::<u64>().ok())
                .collect::<Vec<_>>()
        });
    Ok(counts.sum())
}

#[test]
fn an_idle_machine_rests() -> Result<()> {
    let machine = machine("idle").alone().up()?;
    http::wait_for(
        machine.http_port(),
        "/",
        "It grazes",
        Duration::from_secs(30),
    )?;
    let used = load::used_at_rest(&machine, Duration::from_secs(10), 200)?;
    assert!(used < 200, "{used} ms in 10 s");

    // One login between the two readings costs some interrupts itself; two
    // readings in a row tell how many.
    let first = interrupts(&machine)?;
    let second = interrupts(&machine)?;
    std::thread::sleep(Duration::from_secs(10));
    let third = interrupts(&machine)?;
    let idle = (third - second).saturating_sub(second - first);
    println!(
        "interrupts in 10 s of idling: {idle}; for one login: {}",
        second - first
    );
    assert!(idle < 200, "{idle} interrupts in 10 s");
    machine.done()
}

/// A session that waits at its prompt costs nothing either.
#[test]
fn waiting_programs_rest() -> Result<()> {
    let machine = machine("waiting").alone().up()?;
    let mut waiting = machine
        .ssh_command(&[])?
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = waiting.stdin.take().context("no input")?;
    writeln!(stdin, "here")?;
    let mut line = String::new();
    BufReader::new(waiting.stdout.take().context("no output")?).read_line(&mut line)?;
    assert_eq!(line, "here\n");
    let used = load::used_at_rest(&machine, Duration::from_secs(5), 100)?;
    drop(stdin);
    waiting.wait()?;
    assert!(used < 100, "{used} ms in 5 s");
    machine.done()
}
