//! `cargo xtask bench-disk`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::bench_disk::Plan;
use xtask::qemu::cpus;
use xtask::rows::Kernels;

const HELP: &str = "\
What files on a disk cost on Paddock and on Debian's kernel for arm64, in the same QEMU
with a copy of the same disk, in turns: `paddock-test bench-disk` on each. Prints the
median of each row, and how many times slower Paddock is.

Usage: cargo xtask bench-disk [OPTIONS]

  --rounds N    runs of each (3)
  --mem SIZE    memory, as QEMU writes it (512M)
  --smp N       CPUs, 1 to 8 (1)
  --size MIB    of the large file (256: half of memory)
  --files N     in one folder (100000)
  --part NAME   this alone: large, tree, many, writer, transactions or sqlite; may be
                given again
  --icount      time counts instructions: without what the host does beside it
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
            Long("files") => plan.files = args.value()?.parse()?,
            Long("part") => plan.parts.push(args.value()?.string()?),
            Long("icount") => plan.icount = true,
            Long("only") => which = args.value()?.string()?.parse()?,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    plan.make_disk()?;
    let table = which.compare(rounds, || plan.on_paddock(), || plan.on_linux())?;
    print!("{table}");
    Ok(ExitCode::SUCCESS)
}
