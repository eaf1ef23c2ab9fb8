//! `cargo xtask fuzz-syscalls`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::fuzz_syscalls::{Calls, ROUND};
use xtask::qemu::cpus;
use xtask::step;

const HELP: &str = "\
Boots a machine in which four processes at once, two as root and two as nobody, make
calls of every number with arguments of every kind, from a seed. The machine must
answer, complain of nothing, have in use what it had before, and leave a clean disk.
If it does not, the calls are made again, and the last of them are shown.

Usage: cargo xtask fuzz-syscalls [OPTIONS]

  --calls N    about so many calls, a process for each thousand (1000000)
  --seed S     the same seed makes the same calls (1)
  --first N    begins with the N-th thousand (0)
  --smp N      CPUs, 1 to 8 (4)
  --no-build   with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut calls, mut build) = (1_000_000u64, true);
    let mut plan = Calls {
        seed: 1,
        first: 0,
        rounds: 0,
        smp: 4,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Long("calls") => calls = args.value()?.parse()?,
            Long("seed") => plan.seed = args.value()?.parse()?,
            Long("first") => plan.first = args.value()?.parse()?,
            Long("smp") => plan.smp = cpus(&args.value()?.string()?)?,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    plan.rounds = calls.div_ceil(ROUND);
    super::test::prepare(build)?;
    step::step(&format!("About {calls} calls from seed {}", plan.seed));
    let seen = plan.run()?;
    println!("{} calls, as root and as nobody", seen.calls);
    println!("before: {}", seen.figures[0]);
    println!("after:  {}", seen.figures[1]);
    println!("no report, no leak, the disk is clean");
    Ok(ExitCode::SUCCESS)
}
