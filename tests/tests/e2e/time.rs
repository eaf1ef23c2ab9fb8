//! Sleeps end on time, and a system call costs what it may. Guest time counts instructions, and goes on to the next
//! deadline at once when the guest is idle: so the figures do not depend on the
//! host.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use xtask::machine::{machine, test_folder, test_programs};
use xtask::{busybox, initrd};

/// What the machine does, as process 1.
const JOB: &str = "#!/bin/sh
paddock-test sleep 100 10 && paddock-test sleep 1000 1
paddock-test bench syscall 10000
echo job: done
";

/// Instructions of a null system call, with the program's loop around it: 106
/// when this was written.
const SYSTEM_CALL: u64 = 120;

/// Nanoseconds, which are instructions, of each system call.
fn system_call(text: &str) -> Result<u64> {
    let (_, rest) = text
        .split_once("bench syscall count=10000 each_ns=")
        .context("no figure of system calls")?;
    let digits = rest.split(|byte: char| !byte.is_ascii_digit()).next();
    Ok(digits.unwrap_or(rest).parse()?)
}

/// Milliseconds of one sleep, and how many seconds of guest time all may take.
const SLEEPS: [(u32, RangeInclusive<f64>); 2] = [(10, 1.0..=1.02), (1, 1.0..=1.1)];

/// Seconds of guest time that the sleeps of `ms` milliseconds took.
fn took(text: &str, ms: u32) -> Result<f64> {
    let before = format!(" ms={ms} elapsed_ns=");
    let (_, rest) = text.split_once(&before).context("no such sleeps")?;
    let nanoseconds: u64 = rest.split(' ').next().unwrap_or(rest).parse()?;
    Ok(nanoseconds as f64 / 1e9)
}

/// An initial RAM disk whose process 1 is [`JOB`].
fn root() -> Result<PathBuf> {
    let programs = test_programs()?;
    let (_, test) = programs
        .iter()
        .find(|(name, _)| *name == "paddock-test")
        .context("no paddock-test")?;
    let out = test_folder().join("sleeps.cpio");
    let files: [(&str, &[u8]); 3] = [
        ("bin/job", JOB.as_bytes()),
        ("bin/sh", &fs::read(busybox::ensure()?)?),
        ("bin/paddock-test", &fs::read(test)?),
    ];
    initrd::make(&out, &files)?;
    Ok(out)
}

#[test]
fn sleeps_end_on_time_and_system_calls_are_cheap() -> Result<()> {
    let root = root()?;
    let mut machine = machine("sleep")
        .no_disk()
        .no_net()
        .append("init=/bin/job")
        .with(|config| {
            config.rng = false;
            config.icount = true;
            config.repeats = true;
            config.extra = vec!["-initrd".into(), root.into()];
        })
        .start()?;
    machine.expect("job: done")?;
    let text = machine.console().text();
    for (ms, limits) in SLEEPS {
        let took = took(&text, ms)?;
        println!("sleeps of {ms} ms: {took} s");
        ensure!(limits.contains(&took), "sleeps of {ms} ms: {took} s");
    }
    let call = system_call(&text)?;
    println!("a null system call: {call} instructions");
    ensure!(
        call <= SYSTEM_CALL,
        "a system call takes {call} instructions"
    );
    machine.done()
}
