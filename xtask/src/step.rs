//! Progress lines. They go to standard error, so that a command's own output
//! can be piped.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Announces a step.
pub fn step(text: &str) {
    if stderr().is_terminal() {
        eprintln!("\x1b[1;32m==>\x1b[0m {text}");
    } else {
        eprintln!("==> {text}");
    }
}

/// Something worth knowing about the step under way.
pub fn note(text: &str) {
    eprintln!("    {text}");
}

/// Something that may be wrong.
pub fn warn(text: &str) {
    eprintln!("    warning: {text}");
}

/// Announces a step, does it, and says how long it took if that was long.
pub fn timed<T>(text: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    step(text);
    let start = Instant::now();
    let result = work()?;
    let took = start.elapsed();
    if took > Duration::from_secs(2) {
        note(&format!("took {:.0} s", took.as_secs_f64()));
    }
    Ok(result)
}
