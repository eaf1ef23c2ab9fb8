//! `cargo xtask fuzz-sched`.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use xtask::fuzz::{self, Outcome, Run};
use xtask::qemu::cpus;
use xtask::{paths, step};

const HELP: &str = "\
Runs the kernel under schedules that come from seeds: at every preemption
point, lock and wake-up a generator decides whether to switch, and to whom. The
same seed with the same number of CPUs makes the same run. A run fails if the
program's checks do, if a rule of the threading model is broken, if the
watchdog reports, or if it does not end.

Usage: cargo xtask fuzz-sched [OPTIONS]

  --seeds N      so many seeds (20)
  --from S       beginning with this one (1)
  --seed S       this one alone, with its console
  --smp N        CPUs, 1 to 8 (1)
  --one-in N     a switch at one point in N; else the seed chooses
  --jobs N       so many at once (2)
  --power        the power goes in the middle: e2fsck must find nothing after the log
                 is replayed, and what the program has been told is kept be there
  --append TEXT  more words for the kernel's command line
  --no-build     what was built last
";

struct Options {
    from: u64,
    count: u64,
    show: bool,
    smp: u32,
    one_in: Option<u32>,
    append: Option<String>,
    power: bool,
    jobs: usize,
    build: bool,
}

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let Some(options) = parse(args)? else {
        return super::help(HELP);
    };
    if options.build {
        fuzz::build()?;
    }
    step::step(&format!(
        "Running {} seeds from {} with {} CPUs",
        options.count, options.from, options.smp
    ));
    let failed = run_all(&options)?;
    let passed = options.count - failed.len() as u64;
    println!("{passed} passed, {} failed", failed.len());
    for (run, outcome) in &failed {
        println!("seed {}: {}", run.seed, outcome.summary);
        println!("  console: {}", outcome.console.display());
        println!("  again:   {}", run.command());
    }
    Ok(ExitCode::from(u8::from(!failed.is_empty())))
}

fn parse(args: &mut lexopt::Parser) -> Result<Option<Options>> {
    let mut options = Options {
        from: 1,
        count: 20,
        show: false,
        smp: 1,
        one_in: None,
        append: None,
        power: false,
        jobs: 2,
        build: true,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Long("seeds") => options.count = args.value()?.parse()?,
            Long("from") => options.from = args.value()?.parse()?,
            Long("seed") => {
                options.from = args.value()?.parse()?;
                (options.count, options.show) = (1, true);
            }
            Long("smp") => options.smp = cpus(&args.value()?.string()?)?,
            Long("one-in") => options.one_in = Some(one_in(args.value()?.parse()?)?),
            Long("append") => options.append = Some(args.value()?.string()?),
            Long("power") => options.power = true,
            Long("jobs") => options.jobs = args.value()?.parse()?,
            Long("no-build") => options.build = false,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn one_in(number: u32) -> Result<u32> {
    match number {
        0 | 1 => bail!("--one-in may be 2 or more"),
        number => Ok(number),
    }
}

/// Runs all seeds, several at once, and gives those that failed, by seed.
fn run_all(options: &Options) -> Result<Vec<(Run, Outcome)>> {
    let next = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= options.count {
                    return Ok(());
                }
                let run = options.run(options.from + number);
                let outcome = run.go(&folder())?;
                show(options, &run, &outcome)?;
                if !outcome.passed {
                    let mut failed = failed.lock().unwrap_or_else(|e| e.into_inner());
                    failed.push((run, outcome));
                }
            }
        };
        let threads: Vec<_> = (0..options.jobs.max(1))
            .map(|_| scope.spawn(work))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(_) => bail!("a thread has panicked"),
            })
    })?;
    let mut failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
    failed.sort_by_key(|(run, _): &(Run, Outcome)| run.seed);
    Ok(failed)
}

fn folder() -> PathBuf {
    paths::out().join("fuzz")
}

/// A line for each run. The console of one that passed is of no use, unless it
/// was asked for.
fn show(options: &Options, run: &Run, outcome: &Outcome) -> Result<()> {
    if options.show {
        print!("{}", String::from_utf8_lossy(&fs::read(&outcome.console)?));
    }
    let Outcome { summary, took, .. } = outcome;
    println!("seed {}: {summary} ({:.1} s)", run.seed, took.as_secs_f64());
    if outcome.passed && !options.show {
        fs::remove_file(&outcome.console)?;
    }
    Ok(())
}

impl Options {
    fn run(&self, seed: u64) -> Run {
        let run = match self.power {
            true => Run::with_power_cut(seed, self.smp),
            false => Run::new(seed, self.smp),
        };
        Run {
            one_in: self.one_in,
            append: self.append.clone(),
            ..run
        }
    }
}
