//! `/proc/paddock/threads`: every thread, what it waits for and where it is.

use super::super::text::Text;
use crate::backtrace::{self, Line};
use crate::process;
use crate::thread::{self, Thread};
use crate::time;
use crate::watchdog::{locks, ms};
use core::fmt;
use paddock_abi::{Errno, Result};
use paddock_sched::State;

/// What the columns of [`line`] are.
pub const HEADER: &str = "slot class runs_as state cpu pid tid run_us stack stack_size name\n";

/// A line for each thread: slot, its own class and the one it runs as now,
/// state, the CPU on which it runs or ran last, process and thread number
/// (zeroes for the kernel's own), run time in microseconds, the most bytes of
/// its kernel stack that were ever in use and how many there are, its name.
/// Below, indented, the lock that a blocked thread waits for, and since when,
/// and its back-trace.
pub fn show(out: &mut Text<'_>) -> Result<()> {
    out.bytes(HEADER.as_bytes())?;
    thread::snapshot()?
        .iter()
        .try_for_each(|thread| line(out, thread).map_err(|_| Errno::ENOMEM))
}

/// The line of a thread, and what stands below it. Never sleeps.
pub fn line(out: &mut impl fmt::Write, thread: &Thread) -> fmt::Result {
    let (pid, tid) = process::of(thread).map_or((0, 0), |user| (user.process.pid, user.tid));
    let (class, state, run) = (thread.class(), thread.state(), thread.run_time() / 1000);
    let (slot, name) = (thread.id().index(), thread.name());
    let (runs_as, cpu) = (thread.effective_class(), thread.cpu());
    let (used, size) = thread.stack_use();
    writeln!(
        out,
        "{slot} {class:?} {runs_as:?} {state:?} {cpu} {pid} {tid} {run} {used} {size} {name}"
    )?;
    if state != State::Blocked {
        return Ok(());
    }
    if let Some(lock) = locks::waited_for(thread.context()) {
        writeln!(
            out,
            "  has waited {} ms for {lock}, taken at {}",
            ms(time::now().saturating_sub(lock.since)),
            lock.taken_at()
        )?;
    }
    for (depth, place) in backtrace::of_waiting(thread)
        .into_iter()
        .flatten()
        .enumerate()
    {
        writeln!(out, "{}", Line(depth, place))?;
    }
    Ok(())
}
