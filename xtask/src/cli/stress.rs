//! `cargo xtask stress`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use std::time::Duration;
use xtask::qemu::cpus;
use xtask::step;
use xtask::stress::{self, Pauses, Plan};

const HELP: &str = "\
Boots a machine that does everything at once for some time: processes, threads,
files, sockets, pipes and signals inside; SSH sessions and connections from
outside; and now and then everything but process 1 is killed. Afterwards the
machine must have in use what it had before, have reported nothing, and leave a
clean disk.

With `--pauses N` the host stops the machine instead, N times for 1 to 10 s,
and its watchdog must not blame anybody for that.

Usage: cargo xtask stress [--minutes N | --pauses N] [--smp N] [--no-build]

  --minutes N      for how long (10)
  --pauses N       how often the host stops the machine
  --smp N          CPUs, 1 to 8 (4)
  --no-build       with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut minutes, mut pauses, mut smp, mut build) = (10, None, 4, true);
    while let Some(arg) = args.next()? {
        match arg {
            Long("minutes") => minutes = args.value()?.parse()?,
            Long("pauses") => pauses = Some(args.value()?.parse()?),
            Long("smp") => smp = cpus(&args.value()?.string()?)?,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    if let Some(times) = pauses {
        return stop_machine(times, smp);
    }
    step::step(&format!("Stress for {minutes} min with {smp} CPUs"));
    let summary = stress::run(&Plan {
        time: Duration::from_secs(60 * minutes),
        smp: Some(smp),
    })?;
    println!(
        "{} rounds, {} of them ended by kill -9 of all but process 1",
        summary.rounds, summary.massacres
    );
    for (name, count) in &summary.inside {
        println!("{name:12} {count}");
    }
    println!("from outside: {}", summary.traffic);
    println!("before: {}", summary.figures[0]);
    println!("after:  {}", summary.figures[1]);
    println!("no report, no leak, the disk is clean");
    Ok(ExitCode::SUCCESS)
}

fn stop_machine(times: u32, smp: u32) -> Result<ExitCode> {
    step::step(&format!(
        "{times} pauses of 1 to 10 s with {smp} CPUs, half of them beside work"
    ));
    let seen = Pauses {
        times,
        shortest: 1_000,
        longest: 10_000,
        smp,
        report_ms: None,
    }
    .run()?;
    println!(
        "{} ms in all, of which {} ms were noticed; {} warnings, no report",
        seen.paused, seen.stolen, seen.warnings
    );
    Ok(ExitCode::SUCCESS)
}
