//! Files about processors and their time.

use super::text::Text;
use crate::{arch, cpus, interrupts, process, thread, time};
use alloc::sync::Arc;
use paddock_abi::hwcap;
use paddock_abi::time::NANOS;
use paddock_abi::{Errno, Result};
use paddock_sched::{Class, State};
use thread::{CpuUse, Thread};

/// Units of CPU time in `/proc`: `USER_HZ` is 100.
const TICK_NS: u64 = NANOS / 100;

/// Nanoseconds as ticks of `USER_HZ`.
pub fn ticks(nanos: u64) -> u64 {
    nanos / TICK_NS
}

/// Threads that run or could, and all there are; of processes only.
pub fn count_threads() -> (usize, usize) {
    let (mut running, mut all) = (0, 0);
    thread::for_each(|thread: &Arc<Thread>| {
        if thread.class() == Class::User {
            all += 1;
            running += usize::from(matches!(thread.state(), State::Ready | State::Running));
        }
    });
    (running, all)
}

/// `/proc/stat`. The kernel's own threads and interrupts count as system time.
pub fn statistics(out: &mut Text<'_>) -> Result<()> {
    let mut times = [CpuUse::default(); cpus::MAX_CPUS];
    let mut all = CpuUse::default();
    let online = cpus::online().min(times.len());
    for (cpu, times) in times.iter_mut().enumerate().take(online) {
        *times = thread::cpu_use(cpu);
        all.user += times.user;
        all.system += times.system;
        all.idle += times.idle;
    }
    let mut line = |name: &str, times: &CpuUse| {
        let (user, system, idle) = (ticks(times.user), ticks(times.system), ticks(times.idle));
        out.put(format_args!(
            "{name} {user} 0 {system} {idle} 0 0 0 0 0 0\n"
        ))
    };
    line("cpu ", &all)?;
    for (cpu, times) in times.iter().enumerate().take(online) {
        line(&alloc::format!("cpu{cpu}"), times)?;
    }
    let (running, _) = count_threads();
    out.put(format_args!("intr {}\n", interrupts::taken()))?;
    out.put(format_args!("ctxt {}\n", thread::context_switches()))?;
    out.put(format_args!(
        "btime {}\n",
        time::wall().saturating_sub(time::now()) / NANOS
    ))?;
    out.put(format_args!("processes {}\n", process::forks()))?;
    out.put(format_args!("procs_running {running}\nprocs_blocked 0\n"))
}

pub fn interrupts(out: &mut Text<'_>) -> Result<()> {
    interrupts::show(out).map_err(|_| Errno::ENOMEM)
}

pub fn info(out: &mut Text<'_>) -> Result<()> {
    let id = arch::cpu::main_id();
    let frequency = arch::timers::frequency();
    // Linux derives the figure from the timer, too; it measures nothing.
    let (mips, part) = (frequency / 500_000, frequency / 5_000 % 100);
    for cpu in 0..cpus::online() {
        out.put(format_args!(
            "processor\t: {cpu}\nBogoMIPS\t: {mips}.{part:02}\nFeatures\t:"
        ))?;
        for word in hwcap::words(arch::cpu::hwcap()) {
            out.put(format_args!(" {word}"))?;
        }
        out.bytes(b"\n")?;
        out.put(format_args!(
            "CPU implementer\t: {:#04x}\nCPU architecture: 8\n",
            id >> 24 & 0xff
        ))?;
        out.put(format_args!(
            "CPU variant\t: {:#x}\nCPU part\t: {:#05x}\n",
            id >> 20 & 0xf,
            id >> 4 & 0xfff
        ))?;
        out.put(format_args!("CPU revision\t: {}\n\n", id & 0xf))?;
    }
    Ok(())
}
