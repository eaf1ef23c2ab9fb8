//! `cargo xtask bench`.

mod costs;

use anyhow::{Context, Result};
use lexopt::prelude::*;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use xtask::machine::machine;
use xtask::step;

const HELP: &str = "\
Measures the system that `cargo xtask test` or `bench` built last, and prints
a table. Times of programs are guest time under `-icount`, where an
instruction takes a nanosecond: they repeat within a few per mille, whatever
the host does. The boot, transfers and the idle load are real time.

Usage: cargo xtask bench [--no-build] [--costs | --system]

  --no-build  measures what is there
  --costs     only what the kernel's primitives cost, with and without checks
  --system    all but that: it needs two more kernels to be built
";

/// One line of the table.
struct Row {
    what: &'static str,
    value: String,
}

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut build, mut system, mut costs) = (true, true, true);
    while let Some(arg) = args.next()? {
        match arg {
            Long("no-build") => build = false,
            Long("costs") => system = false,
            Long("system") => costs = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    anyhow::ensure!(system || costs, "--costs and --system exclude each other");
    if system {
        measure()?;
    }
    if costs {
        costs::print()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure() -> Result<()> {
    let mut rows = vec![boot()?];
    rows.extend(programs()?);
    rows.extend(real_time()?);
    let width = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    for row in rows {
        println!("{:width$}  {:>16}", row.what, row.value);
    }
    Ok(())
}

/// From QEMU's start to the SSH server's greeting: the median of five.
fn boot() -> Result<Row> {
    step::step("Booting five times");
    let mut times = Vec::new();
    for _ in 0..5 {
        let mut machine = machine("bench-boot").alone().start()?;
        times.push(machine.wait_for_ssh()?);
        machine.done()?;
    }
    times.sort();
    Ok(Row {
        what: "boot to SSH banner",
        value: format!("{} ms", times[2].as_millis()),
    })
}

/// One of `paddock-test bench`: what it does, and its arguments.
const LOOPS: &[(&str, &str)] = &[
    ("system call", "syscall 10000"),
    ("fork, exit and wait", "fork 100"),
    ("fork, execve, exit and wait", "exec 50"),
    ("page through a new pipe", "pipe 1000"),
    ("file in /tmp made and removed", "file 500"),
    ("byte read of /dev/zero", "zero 1000"),
    ("byte written to /dev/null", "null 1000"),
    ("4 KiB read of a cached file", "page 1000"),
    ("stat of a cached name", "stat 1000"),
    ("open and close of a cached name", "open 1000"),
    ("file made, 500 in a directory", "create 500"),
    ("file taken away, 500 in a directory", "unlink 500"),
    ("64 KiB read of a cached file", "read 500"),
    ("64 KiB written to a file", "write 500"),
    ("64 KiB through a pipe", "stream 500"),
    ("epoll_wait, 5 idle", "epoll 1000 5"),
    ("epoll_wait, 5,000 idle", "epoll 1000 5000"),
    ("eventfd watched and closed, 5 epolls", "close 500 5"),
    ("eventfd watched and closed, 5,000 epolls", "close 500 5000"),
    ("fork, exit and wait, 5 others", "children 200 5"),
    ("fork, exit and wait, 5,000 others", "children 200 5000"),
    ("byte locked and unlocked, 5 others", "locks 1000 5"),
    ("byte locked and unlocked, 5,000 others", "locks 1000 5000"),
    ("timer set and put off, 5 others", "timers 1000 5"),
    ("timer set and put off, 5,000 others", "timers 1000 5000"),
    ("byte over TCP and back, 10 idle", "tcp 2000 10"),
    ("byte over TCP and back, 10,000 idle", "tcp 2000 10000"),
    ("TCP connected, accepted, closed", "tcp-open 500 10"),
    ("the same, 10,000 idle", "tcp-open 500 10000"),
    ("memory of an idle end of TCP", "tcp-held 5000"),
    ("64 KiB through TCP", "tcp-stream 500"),
    ("byte over UDP and back", "udp 2000"),
    ("byte over a UNIX stream and back", "unix 2000"),
];

fn programs() -> Result<Vec<Row>> {
    step::step("Counting instructions of programs");
    let machine = machine("bench-icount")
        .alone()
        .with(|config| {
            config.icount = true;
            // For 5,000 processes.
            config.mem = "1G".to_owned();
        })
        .up()?;
    let rows = LOOPS.iter().map(|(what, arguments)| {
        let output = machine.sh(&format!("paddock-test bench {arguments}"))?;
        let each = output
            .split_once("each_")
            .and_then(|(_, each)| each.trim().split_once('='));
        let (unit, each) = each.context("no figure from paddock-test")?;
        Ok(Row {
            what,
            value: format!("{each} {unit}"),
        })
    });
    let rows = rows.collect::<Result<_>>()?;
    machine.done()?;
    Ok(rows)
}

fn real_time() -> Result<Vec<Row>> {
    step::step("Measuring transfers and the idle load");
    let machine = machine("bench-real").alone().up()?;
    const SIZE: usize = 16 << 20;
    machine.sh("true")?;
    let start = Instant::now();
    machine.ssh_with_input("cat > /dev/null", vec![0x5a; SIZE])?;
    let upload = start.elapsed();
    let start = Instant::now();
    machine.ssh(&format!("head -c {SIZE} /dev/zero"))?;
    let download = start.elapsed();
    let free = machine.sh("grep -E 'MemTotal|MemFree' /proc/meminfo")?;
    std::thread::sleep(Duration::from_secs(2));
    let before = machine.host_ticks()?;
    std::thread::sleep(Duration::from_secs(10));
    let idle = (machine.host_ticks()? - before) as f64 / 10.0;
    machine.done()?;
    let speed = |time: Duration| format!("{:.1} MiB/s", (SIZE >> 20) as f64 / time.as_secs_f64());
    Ok(vec![
        Row {
            what: "SSH, host to guest",
            value: speed(upload),
        },
        Row {
            what: "SSH, guest to host",
            value: speed(download),
        },
        Row {
            what: "memory in use",
            value: format!("{} KiB", in_use(&free)?),
        },
        Row {
            what: "idle: of one core",
            value: format!("{idle:.1} %"),
        },
    ])
}

/// From the two lines of /proc/meminfo, in KiB.
fn in_use(lines: &str) -> Result<u64> {
    let number = |name: &str| {
        let line = lines.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let total = number("MemTotal").context("no MemTotal")?;
    Ok(total.saturating_sub(number("MemFree").context("no MemFree")?))
}
