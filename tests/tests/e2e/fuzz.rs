//! The kernel under schedules from seeds (`cargo xtask fuzz-sched`).

use anyhow::{Result, ensure};
use std::fs;
use std::path::PathBuf;
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
fn seeds_pass(name: &str, smp: u32) -> Result<()> {
    build_once()?;
    let folder = folder(name);
    let next = AtomicU64::new(1);
    let failed = Mutex::new(String::new());
    let work = || -> Result<()> {
        loop {
            let run = Run::new(next.fetch_add(1, Ordering::Relaxed), smp);
            if run.seed > SEEDS {
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
    seeds_pass("fuzz-seeds-1", 1)
}

#[test]
fn seeds_pass_with_several_cpus() -> Result<()> {
    seeds_pass("fuzz-seeds-4", SEVERAL)
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
