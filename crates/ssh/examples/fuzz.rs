//! `cargo xtask fuzz-ssh`: dialogues from seeds against the engine, on several
//! threads. A dialogue that goes wrong says its seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use paddock_ssh::fuzzing::Fuzzer;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(runs)), Some(Ok(first)), Some(Ok(jobs))) =
        (words.next(), words.next(), words.next())
    else {
        eprintln!("usage: fuzz RUNS FIRST_SEED JOBS");
        return ExitCode::from(2);
    };
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(0));
    let (events, faults) = (AtomicU64::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                let fuzzer = Fuzzer::new();
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed - first >= runs {
                        return;
                    }
                    match catch_unwind(AssertUnwindSafe(|| fuzzer.run(seed))) {
                        Ok(tally) => {
                            events.fetch_add(tally.events, Relaxed);
                            faults.fetch_add(tally.faults, Relaxed);
                        }
                        Err(_) => {
                            eprintln!("seed {seed} goes wrong");
                            failed.fetch_add(1, Relaxed);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.load(Relaxed);
    println!(
        "{runs} dialogues in {:.0} s: {} events, {} ended early, {failed} went wrong",
        begun.elapsed().as_secs_f64(),
        events.load(Relaxed),
        faults.load(Relaxed)
    );
    ExitCode::from(u8::from(failed > 0))
}
