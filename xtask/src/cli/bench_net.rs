//! `cargo xtask bench-net`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::bench_net::{Ends, Plan};
use xtask::qemu::cpus;
use xtask::rows::Kernels;

const HELP: &str = "\
How fast bytes go through the network card to this host and back, on Paddock and on
Debian's kernel for arm64, in the same QEMU, in turns: `paddock-test bench receive` and
`send` on each. Prints the median of each row, and how many times slower Paddock is. The
host's own load counts: best on a quiet machine.

Usage: cargo xtask bench-net [OPTIONS]

  --rounds N    runs of each (3)
  --mem SIZE    memory, as QEMU writes it (256M)
  --smp N       CPUs, 1 to 8 (1)
  --size MIB    each way (100)
  --only WHICH  paddock or linux alone
  --no-build    with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut plan, mut rounds, mut build) = (Plan::default(), 3, true);
    let mut which = Kernels::Both;
    while let Some(arg) = args.next()? {
        match arg {
            Long("rounds") => rounds = args.value()?.parse()?,
            Long("mem") => plan.mem = args.value()?.string()?,
            Long("smp") => plan.smp = cpus(&args.value()?.string()?)?,
            Long("size") => plan.size = args.value()?.parse()?,
            Long("only") => which = args.value()?.string()?.parse()?,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    let ends = Ends::open()?;
    let table = which.compare(rounds, || plan.on_paddock(ends), || plan.on_linux(ends))?;
    print!("{table}");
    Ok(ExitCode::SUCCESS)
}
