//! `/proc/paddock`: the kernel about itself.

use super::text::{Text, file};
use crate::{main_loop, memory, thread, violations};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::PAGE_SIZE;
use paddock_vfs::proc_fs::StaticDir;
use thread::Thread;

pub fn directory() -> StaticDir {
    StaticDir::new()
        .with("frames", file(frames))
        .with("heap", file(heap))
        .with("steps", file(steps))
        .with("threads", file(threads))
        .with(
            "violations",
            file(|out| out.put(format_args!("{}\n", violations::count()))),
        )
}

/// Physical memory in bytes.
fn frames(out: &mut Text<'_>) -> Result<()> {
    let (total, free, fewest) = memory::frame_counts();
    let bytes = |frames: usize| frames * PAGE_SIZE;
    out.put(format_args!(
        "total {}\nfree {}\n",
        bytes(total),
        bytes(free)
    ))?;
    out.put(format_args!("fewest_free {}\n", bytes(fewest)))
}

/// The kernel's heap in bytes.
fn heap(out: &mut Text<'_>) -> Result<()> {
    let (claimed, used) = memory::heap_bytes();
    out.put(format_args!("claimed {claimed}\nused {used}\n"))
}

/// The main loop: its step, and how often it has gone around.
fn steps(out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "step {:?}\nrounds {}\n",
        main_loop::current_step(),
        main_loop::rounds()
    ))
}

/// All threads: slot, class, state, process and thread number (zeroes for the
/// kernel's own), run time in microseconds, name.
fn threads(out: &mut Text<'_>) -> Result<()> {
    let mut all: Vec<Arc<Thread>> = Vec::new();
    let mut complete = true;
    thread::for_each(|thread| match all.try_reserve(1) {
        Ok(()) => all.push(thread.clone()),
        Err(_) => complete = false,
    });
    if !complete {
        return Err(Errno::ENOMEM);
    }
    out.bytes(b"slot class state pid tid run_us name\n")?;
    for thread in &all {
        let (pid, tid) = thread
            .user()
            .map_or((0, 0), |user| (user.process.pid, user.tid));
        let (class, state, run) = (thread.class(), thread.state(), thread.run_time() / 1000);
        let (slot, name) = (thread.id().index(), thread.name());
        out.put(format_args!(
            "{slot} {class:?} {state:?} {pid} {tid} {run} {name}\n"
        ))?;
    }
    Ok(())
}
