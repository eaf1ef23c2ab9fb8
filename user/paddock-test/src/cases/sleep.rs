//! How long sleeping takes.

use std::time::{Duration, Instant};

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::call;

/// Sleeps COUNT times for MS milliseconds and prints what that took.
pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let count: u32 = number(words, 0, 100)?;
    let ms: u64 = number(words, 1, 10)?;
    let time = libc::timespec {
        tv_sec: i64::try_from(ms / 1_000).map_err(|error| error.to_string())?,
        tv_nsec: i64::try_from(ms % 1_000 * 1_000_000).map_err(|error| error.to_string())?,
    };
    let mut longest = Duration::ZERO;
    let begin = Instant::now();
    for _ in 0..count {
        let one = Instant::now();
        call!(libc::nanosleep(&time, std::ptr::null_mut()))?;
        longest = longest.max(one.elapsed());
    }
    println!(
        "sleep count={count} ms={ms} elapsed_ns={} longest_ns={}",
        begin.elapsed().as_nanos(),
        longest.as_nanos()
    );
    Ok(())
}
