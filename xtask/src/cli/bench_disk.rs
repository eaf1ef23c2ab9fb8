//! `cargo xtask bench-disk`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::bench_disk::{self, Row};
use xtask::qemu::cpus;
use xtask::step;

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
  --only WHICH  paddock or linux alone
  --no-build    with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut plan, mut rounds, mut build) = (bench_disk::Plan::default(), 3, true);
    let (mut here, mut there) = (true, true);
    while let Some(arg) = args.next()? {
        match arg {
            Long("rounds") => rounds = args.value()?.parse()?,
            Long("mem") => plan.mem = args.value()?.string()?,
            Long("smp") => plan.smp = cpus(&args.value()?.string()?)?,
            Long("size") => plan.size = args.value()?.parse()?,
            Long("files") => plan.files = args.value()?.parse()?,
            Long("only") => match args.value()?.string()?.as_str() {
                "paddock" => there = false,
                "linux" => here = false,
                other => anyhow::bail!("--only paddock or linux, not `{other}`"),
            },
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    plan.make_disk()?;
    let (mut paddock, mut linux) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        step::step(&format!("Round {round} of {rounds}"));
        if here {
            paddock.push(plan.on_paddock()?);
        }
        if there {
            linux.push(plan.on_linux()?);
        }
    }
    print(&bench_disk::medians(&paddock), &bench_disk::medians(&linux));
    Ok(ExitCode::SUCCESS)
}

fn print(paddock: &[Row], linux: &[Row]) {
    let rows = if paddock.is_empty() { linux } else { paddock };
    let width = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    println!("{:width$}  {:>18}  {:>18}  slower", "", "Paddock", "Linux");
    let find = |rows: &[Row], what: &str| rows.iter().find(|row| row.what == what).cloned();
    for row in rows {
        let (here, there) = (find(paddock, &row.what), find(linux, &row.what));
        let show = |row: &Option<Row>| row.as_ref().map_or("-".into(), Row::shown);
        let slower = match (&here, &there) {
            (Some(here), Some(there)) => format!("{:.2}", here.times_slower(there)),
            _ => String::new(),
        };
        println!(
            "{:width$}  {:>18}  {:>18}  {slower:>6}",
            row.what,
            show(&here),
            show(&there)
        );
    }
}
