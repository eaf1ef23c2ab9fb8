//! `cargo xtask fuzz-syscalls`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::fuzz_syscalls::{Amount, Calls};
use xtask::qemu::cpus;
use xtask::step;

const HELP: &str = "\
Boots a machine in which four processes at once, two as root and two as nobody, make
calls of every number with arguments of every kind, from a seed. The machine must
answer, complain of nothing, have in use what it had before, and leave a clean disk.
If it does not, the calls are made again, and the last of them are shown.

Usage: cargo xtask fuzz-syscalls [OPTIONS]

  --calls N    until so many calls were made, by processes that make a thousand each
               unless one of the calls ends them (1000000)
  --rounds N   so many processes' calls instead
  --seed S     the same seed makes the same calls (1)
  --first N    begins with the N-th process's (0)
  --smp N      CPUs, 1 to 8 (4)
  --no-build   with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut build = true;
    let mut plan = Calls {
        seed: 1,
        first: 0,
        amount: Amount::Calls(1_000_000),
        smp: 4,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Long("calls") => plan.amount = Amount::Calls(args.value()?.parse()?),
            Long("rounds") => plan.amount = Amount::Rounds(args.value()?.parse()?),
            Long("seed") => plan.seed = args.value()?.parse()?,
            Long("first") => plan.first = args.value()?.parse()?,
            Long("smp") => plan.smp = cpus(&args.value()?.string()?)?,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    step::step(&plan.command());
    let seen = plan.run()?;
    println!("{} calls, as root and as nobody", seen.calls);
    println!("before: {}", seen.figures[0]);
    println!("after:  {}", seen.figures[1]);
    println!("no report, no leak, the disk is clean");
    Ok(ExitCode::SUCCESS)
}
