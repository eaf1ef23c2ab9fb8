//! How the other processors are started.
//!
//! Translation caches need no such call: the invalidations of `arch::mmu` are
//! broadcast by the hardware (Arm ARM D8.13, the inner-shareable forms).

use crate::arch::{boot, cpu};
use crate::cpus::{self, Ipi, MAX_CPUS};
use crate::interrupts::{self, Handler};
use crate::machine::Machine;
use crate::thread::{self, stack::KernelStack};
use crate::{backtrace, memory, power, process, time};
use paddock_abi::{Errno, Result};
use paddock_sync::{WaitError, WaitQueue};

/// How long (ns) a CPU may take from its start to its idle loop.
const START_TIMEOUT_NS: u64 = 2_000_000_000;

/// Who starts the CPUs waits here for each.
static STARTED: WaitQueue = WaitQueue::new();

/// Notes the boot CPU and how many there are. Once, before the first thread
/// is made; `limit` is the command line's.
pub fn init(machine: &Machine, limit: Option<usize>) {
    let limit = limit.unwrap_or(MAX_CPUS).clamp(1, MAX_CPUS);
    let count = 1 + others(machine).count();
    cpus::set_possible(count.min(limit));
    cpus::set_affinity(0, cpu::affinity());
    register_calls();
}

/// The CPUs other than the one that booted, by affinity. On the boot CPU.
fn others(machine: &Machine) -> impl Iterator<Item = u64> {
    let own = cpu::affinity();
    let cpus = machine.cpus.iter().filter(|cpu| cpu.psci);
    cpus.map(|cpu| cpu.mpidr).filter(move |&mpidr| mpidr != own)
}

/// Registers this CPU's handlers of the others' calls.
fn register_calls() {
    let calls = [
        (Ipi::Reschedule, "reschedule", thread::on_reschedule as fn()),
        (Ipi::Stop, "stop", on_stop),
        (Ipi::Alarm, "alarm", time::on_alarm_call),
        (Ipi::Report, "report", backtrace::on_report_call),
        (Ipi::Timer, "masked-timer", thread::on_masked_timer),
    ];
    for (ipi, name, handler) in calls {
        if let Err(error) = interrupts::register(ipi as u32, Handler::new(name, handler)) {
            panic!("the interrupt for {name} calls cannot be used: {error}");
        }
    }
}

fn on_stop() {
    cpu::halt()
}

/// Starts the other CPUs, one after another. Thread context, once. A CPU that
/// does not come leaves a warning, and no further one is started: it may
/// still come, and would find the next one's stack.
pub fn start_others(machine: &Machine) {
    let count = cpus::possible();
    for (index, mpidr) in (1..count).zip(others(machine)) {
        if let Err(error) = start(index, mpidr) {
            log::warn!("processor {index} ({mpidr:#x}) does not start: {error}");
            cpus::set_possible(cpus::online());
            return;
        }
    }
    log::info!("processors: {count} of {}", machine.cpus.len().max(1));
}

fn start(index: usize, mpidr: u64) -> Result<()> {
    let stack = KernelStack::new(crate::arch::context::STACK_SIZE)?;
    let emergency = KernelStack::new(crate::arch::context::STACK_SIZE)?;
    let top = stack.top();
    cpus::set_affinity(index, mpidr);
    thread::prepare_idle(index, stack, emergency)?;
    let argument = boot::prepare_secondary(memory::kernel_tables(), top, index);
    power::cpu_on(mpidr, boot::secondary_entry_point(), argument)?;
    let deadline = time::now() + START_TIMEOUT_NS;
    let came = STARTED.wait_deadline(deadline, || (cpus::online() > index).then_some(()));
    came.map_err(|error| match error {
        WaitError::TimedOut | WaitError::Interrupted => Errno::ETIMEDOUT,
    })
}

/// A started CPU's way into the scheduler: on its idle thread's stack, with
/// interrupts masked.
pub fn enter(index: usize) -> ! {
    interrupts::init_cpu();
    register_calls();
    thread::start_timer();
    process::memory::activate(None);
    cpus::set_online(index);
    STARTED.wake_all();
    thread::start_scheduling_here()
}
