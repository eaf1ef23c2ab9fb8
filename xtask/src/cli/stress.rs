//! `cargo xtask stress`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use std::time::Duration;
use xtask::qemu::cpus;
use xtask::step;
use xtask::stress::{self, Connections, Fills, Logins, Pauses, Plan};

const HELP: &str = "\
Boots a machine that does everything at once for some time: processes, threads,
files, sockets, pipes and signals inside; SSH sessions and connections from
outside; and now and then everything but process 1 is killed. Afterwards the
machine must have in use what it had before, have reported nothing, and leave a
clean disk.

With `--pauses N` the host stops the machine instead, N times for 1 to 10 s,
and its watchdog must not blame anybody for that. With `--fills N` ordinary
users take all the memory they may have of the kernel's, N times, and it must
all come back each time. With `--connections N` a program has N TCP connections
open at once and opens ten times as many beside them. With `--logins N` a client
logs in N times, with ten times as many connections that never do beside it.

Usage: cargo xtask stress [OPTIONS]

  --minutes N      for how long (10)
  --pauses N       how often the host stops the machine
  --fills N        how often memory is filled
  --users N        by so many users at once (1)
  --mem SIZE       memory of that machine, as QEMU writes it (256M)
  --connections N  how many TCP connections are open at once
  --logins N       how many logins
  --smp N          CPUs, 1 to 8 (4)
  --no-build       with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut minutes, mut smp, mut build) = (10, 4, true);
    let (mut pauses, mut fills, mut users) = (None, None, 1);
    let mut mem = "256M".to_owned();
    let (mut connections, mut logins) = (None, None);
    while let Some(arg) = args.next()? {
        match arg {
            Long("minutes") => minutes = args.value()?.parse()?,
            Long("pauses") => pauses = Some(args.value()?.parse()?),
            Long("fills") => fills = Some(args.value()?.parse()?),
            Long("users") => users = args.value()?.parse()?,
            Long("mem") => mem = args.value()?.string()?,
            Long("connections") => connections = Some(args.value()?.parse()?),
            Long("logins") => logins = Some(args.value()?.parse()?),
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
    if let Some(times) = fills {
        return fill_memory(&Fills {
            times,
            users,
            smp,
            mem,
        });
    }
    if let Some(open) = connections {
        return open_connections(Connections {
            open,
            churn: 10 * open,
            smp,
        });
    }
    if let Some(count) = logins {
        return log_in(Logins {
            count,
            silent: 10 * count,
            smp,
        });
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

fn fill_memory(fills: &Fills) -> Result<ExitCode> {
    let Fills {
        times,
        users,
        smp,
        mem,
    } = fills;
    step::step(&format!(
        "{mem} of memory filled {times} times by {users} users with {smp} CPUs"
    ));
    let free = fills.run()?;
    println!(
        "{} kB were free before, at least {} kB after each of {times} rounds",
        free.before, free.least
    );
    Ok(ExitCode::SUCCESS)
}

fn open_connections(connections: Connections) -> Result<ExitCode> {
    let Connections { open, churn, smp } = connections;
    step::step(&format!(
        "{open} connections at once and {churn} in turn with {smp} CPUs"
    ));
    let [before, after] = connections.run()?;
    println!("before: {before}");
    println!("after:  {after}");
    Ok(ExitCode::SUCCESS)
}

fn log_in(logins: Logins) -> Result<ExitCode> {
    let Logins { count, silent, smp } = logins;
    step::step(&format!(
        "{count} logins beside {silent} connections that never log in, with {smp} CPUs"
    ));
    let seen = logins.run()?;
    println!(
        "a login took {:.0?}, beside the others {:.0?}, at most {:.0?}",
        seen.alone, seen.median, seen.longest
    );
    println!("before: {}", seen.figures[0]);
    println!("after:  {}", seen.figures[1]);
    Ok(ExitCode::SUCCESS)
}
