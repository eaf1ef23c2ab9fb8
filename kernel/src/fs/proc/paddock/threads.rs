//! `/proc/paddock/threads`: every thread, what it waits for and where it is.

use super::super::text::Text;
use crate::backtrace::{self, Line};
use crate::thread::{self, Thread};
use crate::time;
use crate::watchdog::{locks, ms};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sched::State;

const HEADER: &[u8] = b"slot class runs_as state cpu pid tid run_us stack stack_size name\n";

/// All threads, as of now.
pub fn snapshot() -> Result<Vec<Arc<Thread>>> {
    let mut all: Vec<Arc<Thread>> = Vec::new();
    let mut complete = true;
    thread::for_each(|thread| match all.try_reserve(1) {
        Ok(()) => all.push(thread.clone()),
        Err(_) => complete = false,
    });
    complete.then_some(all).ok_or(Errno::ENOMEM)
}

/// A line for each thread: slot, its own class and the one it runs as now,
/// state, the CPU on which it runs or ran last, process and thread number
/// (zeroes for the kernel's own), run time in microseconds, the most bytes of
/// its kernel stack that were ever in use and how many there are, its name.
/// Below, indented, the lock that a blocked thread waits for, and since when,
/// and its back-trace.
pub fn show(out: &mut Text<'_>) -> Result<()> {
    out.bytes(HEADER)?;
    snapshot()?
        .iter()
        .try_for_each(|thread| show_thread(out, thread))
}

fn show_thread(out: &mut Text<'_>, thread: &Thread) -> Result<()> {
    let (pid, tid) = thread
        .user()
        .map_or((0, 0), |user| (user.process.pid, user.tid));
    let (class, state, run) = (thread.class(), thread.state(), thread.run_time() / 1000);
    let (slot, name) = (thread.id().index(), thread.name());
    let (runs_as, cpu) = (thread.effective_class(), thread.cpu());
    let (used, size) = thread.stack_use();
    out.put(format_args!(
        "{slot} {class:?} {runs_as:?} {state:?} {cpu} {pid} {tid} {run} {used} {size} {name}\n"
    ))?;
    if state != State::Blocked {
        return Ok(());
    }
    if let Some(lock) = locks::waited_for(thread.context()) {
        out.put(format_args!(
            "  has waited {} ms for {lock}, taken at {}\n",
            ms(time::now().saturating_sub(lock.since)),
            lock.taken_at()
        ))?;
    }
    for (depth, place) in backtrace::of_waiting(thread)
        .into_iter()
        .flatten()
        .enumerate()
    {
        out.put(format_args!("{}\n", Line(depth, place)))?;
    }
    Ok(())
}
