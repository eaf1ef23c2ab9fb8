//! The kernel under schedules from seeds (`cargo xtask fuzz-sched`).

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use xtask::fuzz::{Run, build_once};
use xtask::paths;

/// Seeds that are run with one CPU, and with several.
const SEEDS: u64 = 16;
/// See [`SEEDS`].
const SEVERAL: u32 = 4;

fn folder(name: &str) -> PathBuf {
    paths::out().join("machines").join(name)
}

/// Runs seeds from 1, two at a time; all must pass.
fn seeds_pass(name: &str, seeds: u64, run: impl Fn(u64) -> Run + Sync) -> Result<()> {
    build_once()?;
    let folder = folder(name);
    let next = AtomicU64::new(1);
    let failed = Mutex::new(String::new());
    let work = || -> Result<()> {
        loop {
            let run = run(next.fetch_add(1, Ordering::Relaxed));
            if run.seed > seeds {
                return Ok(());
            }
            let outcome = run.go(&folder)?;
            if !outcome.passed {
                let mut failed = failed.lock().unwrap_or_else(|e| e.into_inner());
                *failed += &format!("\n{}\n  {}", outcome.summary, run.command());
            }
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work().and(other.join().expect("the other thread panicked"))
    })?;
    let failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
    ensure!(failed.is_empty(), "see {}:{failed}", folder.display());
    Ok(fs::remove_dir_all(&folder)?)
}

#[test]
fn seeds_pass_with_one_cpu() -> Result<()> {
    seeds_pass("fuzz-seeds-1", SEEDS, |seed| Run::new(seed, 1))
}

#[test]
fn seeds_pass_with_several_cpus() -> Result<()> {
    seeds_pass("fuzz-seeds-4", SEEDS, |seed| Run::new(seed, SEVERAL))
}

/// Seeds in which the power goes.
const POWER_CUTS: u64 = 12;

/// With one CPU, or with several.
fn with_power_cut(seed: u64) -> Run {
    Run::with_power_cut(seed, if seed.is_multiple_of(2) { 1 } else { SEVERAL })
}

#[test]
fn what_is_kept_is_there_when_the_power_goes() -> Result<()> {
    seeds_pass("fuzz-power", POWER_CUTS, with_power_cut)
}

/// A disk that makes nothing last is found out: the check sees what is lost.
#[test]
fn a_disk_that_ignores_flushes_is_found_out() -> Result<()> {
    build_once()?;
    let folder = folder("fuzz-flush");
    for seed in 1..=POWER_CUTS {
        let run = Run {
            append: Some("paddock.mistake=flush-nothing".into()),
            ..with_power_cut(seed)
        };
        let outcome = run.go(&folder)?;
        if !outcome.passed {
            let told = ["is lost", "e2fsck"];
            let found = told.iter().any(|part| outcome.summary.contains(part));
            ensure!(found, "something else went wrong: {}", outcome.summary);
            return Ok(fs::remove_dir_all(&folder)?);
        }
    }
    anyhow::bail!("{POWER_CUTS} seeds did not find out")
}

/// The last line has a hash over all switches: when, on which CPU, to whom.
#[test]
fn a_seed_repeats_exactly() -> Result<()> {
    build_once()?;
    let folder = folder("fuzz-repeats");
    for smp in [1, SEVERAL] {
        let summary = |seed| Run::new(seed, smp).go(&folder).map(|end| end.summary);
        let first = summary(1)?;
        let second = summary(1)?;
        let other = summary(2)?;
        ensure!(first.contains(" hash "), "no hash: {first}");
        ensure!(first == second, "{smp} CPUs: {first}, then {second}");
        let hash = |text: &str| text.split(" hash ").nth(1).map(str::to_owned);
        ensure!(hash(&first) != hash(&other), "two seeds, one schedule");
    }
    Ok(fs::remove_dir_all(&folder)?)
}

/// A run that has no end is ended, with a picture of all threads.
#[test]
fn a_run_without_an_end_fails_and_says_where_it_is() -> Result<()> {
    build_once()?;
    let folder = folder("fuzz-limit");
    let mut run = Run::new(1, 1);
    run.append = Some("paddock.fuzz_seconds=0".into());
    let outcome = run.go(&folder)?;
    ensure!(!outcome.passed, "passed: {}", outcome.summary);
    let console = fs::read_to_string(&outcome.console)?;
    for part in [
        "fuzz: no end after 0 s",
        "(main-loop) is ",
        "back-trace of ",
        "fuzz: FAILED: seed 1 ",
    ] {
        ensure!(console.contains(part), "no `{part}` in {console}");
    }
    Ok(fs::remove_dir_all(&folder)?)
}

/// Seeds in which a mistake that is put back must be found.
const FOUND_WITHIN: u64 = 8;

/// A mistake of the usual sort, put back: the disk in memory looks whether anybody
/// waits before its answer is there, so that who begins to wait in between waits
/// for ever. The command that is printed makes the same run again, with the same
/// end.
#[test]
fn a_lost_wake_up_is_found_and_repeats() -> Result<()> {
    build_once()?;
    let folder = folder("fuzz-mistake");
    let mistaken = |seed| Run {
        append: Some("paddock.mistake=wake-if-waited-for paddock.fuzz_seconds=20".into()),
        ..Run::new(seed, 1)
    };
    let mut found = None;
    for run in (1..=FOUND_WITHIN).map(mistaken) {
        let outcome = run.go(&folder)?;
        if !outcome.passed {
            found = Some((run, outcome));
            break;
        }
    }
    let (run, outcome) = found.context("no seed finds the mistake")?;
    let console = fs::read_to_string(&outcome.console)?;
    let hung = ["watchdog: blocked on lock", "fuzz: no end after 20 s"];
    let hung = hung.iter().any(|part| console.contains(part));
    ensure!(hung, "not a hang: {console}");
    let place = "RamDisk::request";
    ensure!(console.contains(place), "no `{place}` in {console}");
    let again = command(&run.command())?;
    ensure!(!again.status.success(), "passed: {}", run.command());
    let output = String::from_utf8_lossy(&again.stdout).into_owned();
    let line = format!("seed {}: {}", run.seed, outcome.summary);
    ensure!(output.contains(&line), "no `{line}` in {output}");
    ensure!(output.contains(&run.command()), "no command in {output}");
    Ok(fs::remove_dir_all(&folder)?)
}

/// Runs a command of `cargo xtask` as it is printed, without building again.
fn command(printed: &str) -> Result<Output> {
    let words = printed
        .strip_prefix("cargo xtask ")
        .context("no command of ours")?;
    let (words, append) = words.split_once(" --append ").unwrap_or((words, "''"));
    let mut xtask = Command::new(env!("CARGO"));
    xtask.current_dir(paths::workspace()).arg("xtask");
    xtask.args(words.split(' ')).arg("--no-build");
    xtask.arg("--append").arg(append.trim_matches('\''));
    Ok(xtask.output()?)
}
