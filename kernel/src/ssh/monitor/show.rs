//! What the monitor tells of the machine: nothing here waits for anything.

use crate::drivers::virtio::block;
use crate::memory::{frames, heap};
use crate::process::{self, accounts, reclaim, tree};
use crate::{config, cpus, init, main_loop, net, thread, time, violations, watchdog};
use core::fmt::{self, Write};
use paddock_process::WaitStatus;
use paddock_ssh::monitor::Text;
use paddock_vfs::PAGE_SIZE;

/// A disk that has not answered for so long (ns) is told of.
const SLOW_NS: u64 = 500_000_000;
/// One that has not answered for so long (ns) is not waited for.
const STALLED_NS: u64 = 1_000_000_000;
/// Lines about users, at most.
const USERS: usize = 16;

const fn kib(pages: usize) -> usize {
    pages * (PAGE_SIZE / 1024)
}

/// Whether a disk does not answer.
pub fn disk_is_stalled() -> bool {
    let disks = block::disks();
    disks.iter().any(|disk| disk.oldest_wait() >= STALLED_NS)
}

/// Which disks do not answer, after what stands before; nothing if all do.
pub struct DiskWaits;

impl fmt::Display for DiskWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for disk in block::disks() {
            let waited = disk.oldest_wait();
            if waited >= SLOW_NS {
                let (name, ms) = (disk.name(), watchdog::ms(waited));
                write!(f, "; disk {name} has not answered for {ms} ms")?;
            }
        }
        Ok(())
    }
}

/// Nanoseconds as people say them.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000_000_000;
        let (days, hours) = (seconds / 86400, seconds / 3600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        if days > 0 {
            write!(f, "{days} d ")?;
        }
        write!(f, "{hours}:{minutes:02}:{seconds:02}")
    }
}

/// The machine at a glance.
pub fn status(out: &mut Text<'_>) -> fmt::Result {
    let now = time::now();
    let release = config::RELEASE;
    writeln!(out, "system   Paddock {release}, up {}", Span(now))?;
    let all = thread::inspect(|threads| threads.iter().count());
    let running = tree().lock().len();
    writeln!(
        out,
        "tasks    {running} processes, {all} threads, {} CPUs",
        cpus::online()
    )?;
    let (total, free, _) = frames::counts();
    let (cached, dirty) = reclaim::cached_pages();
    writeln!(
        out,
        "memory   {} of {} kB free, {} kB of files cached, {} kB to be written",
        kib(free),
        kib(total),
        kib(cached),
        kib(dirty)
    )?;
    for disk in block::disks() {
        let (name, waits) = (disk.name(), disk.oldest_wait());
        match waits >= SLOW_NS {
            true => {
                let ms = watchdog::ms(waits);
                writeln!(out, "disk     {name} has not answered for {ms} ms")?;
            }
            false => writeln!(out, "disk     {name} answers")?,
        }
    }
    match net::own_address() {
        Some(address) => writeln!(out, "network  {address}")?,
        None => writeln!(out, "network  no address")?,
    }
    let (step, since) = main_loop::current_step_since();
    let lasts = watchdog::ms(now.saturating_sub(since));
    writeln!(out, "loop     step {step:?} for {lasts} ms")?;
    let (warnings, reports) = watchdog::counts();
    writeln!(
        out,
        "watchdog {warnings} warnings, {reports} reports, {} violations",
        violations::count()
    )?;
    write!(out, "herd     ")?;
    herd_line(out)
}

fn herd_line(out: &mut Text<'_>) -> fmt::Result {
    let services = process::services::count();
    match process::process_1() {
        Some(first) => {
            let up = Span(time::now().saturating_sub(first.started));
            let path = init::path();
            writeln!(
                out,
                "{path} runs as process 1 since {up}; {services} processes of services"
            )
        }
        None => writeln!(
            out,
            "{} does not run; {services} processes of services",
            init::path()
        ),
    }
}

/// What has become of the supervisor.
pub fn herd(out: &mut Text<'_>) -> fmt::Result {
    herd_line(out)?;
    if let Some((status, at)) = init::last_end() {
        let ago = Span(time::now().saturating_sub(at));
        match status {
            WaitStatus::Exited(code) => write!(out, "the last one exited with {code}")?,
            WaitStatus::Signaled { signal, .. } => {
                write!(out, "the last one was killed by signal {signal}")?;
            }
            other => write!(out, "the last one ended: {other:?}")?,
        }
        writeln!(out, " {ago} ago")?;
    }
    writeln!(
        out,
        "`ps` lists processes; `herd restart` ends all services and starts herd"
    )
}

/// Who has the memory.
pub fn memory(out: &mut Text<'_>) -> fmt::Result {
    let (total, free, fewest) = frames::counts();
    let (kernel, operator) = frames::reserves();
    let (claimed, used) = heap::bytes();
    let (cached, dirty) = reclaim::cached_pages();
    writeln!(out, "total           {:9} kB", kib(total))?;
    writeln!(
        out,
        "free            {:9} kB, at least {} kB so far",
        kib(free),
        kib(fewest)
    )?;
    writeln!(out, "kernel reserve  {:9} kB", kernel / 1024)?;
    writeln!(out, "root's reserve  {:9} kB", operator / 1024)?;
    writeln!(
        out,
        "kernel heap     {:9} kB, {} kB in use",
        claimed / 1024,
        used / 1024
    )?;
    writeln!(
        out,
        "files cached    {:9} kB, {} kB to be written",
        kib(cached),
        kib(dirty)
    )?;
    match accounts::all() {
        Err(error) => writeln!(out, "users: {}", error.describe()),
        Ok(users) => {
            writeln!(out, "  uid tasks  kB kept by the kernel")?;
            for (uid, account) in users.iter().take(USERS) {
                let tasks = tree().lock().tasks_of(*uid);
                writeln!(out, "{uid:5} {tasks:5} {:4}", account.bytes() / 1024)?;
            }
            Ok(())
        }
    }
}
