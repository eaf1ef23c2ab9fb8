//! The processors: which there are, how the others are started, and the
//! interrupts by which they call each other.
//!
//! Translation caches need no such call: the invalidations of `arch::mmu` are
//! broadcast by the hardware (Arm ARM D8.13, the inner-shareable forms).

use crate::arch::{boot, cpu};
use crate::gic;
use crate::interrupts::{self, Handler};
use crate::machine::Machine;
use crate::thread::{self, stack::KernelStack};
use crate::{backtrace, memory, power, time, user};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{WaitError, WaitQueue};

pub use crate::config::MAX_CPUS;

/// How long (ns) a CPU may take from its start to its idle loop.
const START_TIMEOUT_NS: u64 = 2_000_000_000;

/// CPUs that will run at the end of the boot.
static POSSIBLE: AtomicUsize = AtomicUsize::new(1);
/// CPUs that run now: those with indices below.
static ONLINE: AtomicUsize = AtomicUsize::new(1);
/// Affinity of each CPU, by index.
static AFFINITY: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// Who starts the CPUs waits here for each.
static STARTED: WaitQueue = WaitQueue::new();

/// An interrupt that one CPU sends to another: its number is that of the
/// software-generated interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ipi {
    /// Look at the run queue.
    Reschedule,
    /// Halt for ever.
    Stop,
    /// Arm Embassy's timer anew.
    Alarm,
    /// Say where you are, for a report.
    Report,
    /// The scheduler's timer has fired while interrupts were masked.
    Timer,
}

/// The index of the CPU that this code runs on. The caller has preemption or
/// interrupts off, or wants no more than a hint.
#[inline]
pub fn this_cpu() -> usize {
    thread::current().cpu()
}

/// How many CPUs run: their indices are below.
pub fn online() -> usize {
    ONLINE.load(Ordering::Acquire)
}

/// How many CPUs run, or will once the boot is over.
pub fn possible() -> usize {
    POSSIBLE.load(Ordering::Relaxed)
}

/// Notes the boot CPU and how many there are. Once, before the first thread
/// is made; `limit` is the command line's.
pub fn init(machine: &Machine, limit: Option<usize>) {
    let limit = limit.unwrap_or(MAX_CPUS).clamp(1, MAX_CPUS);
    let count = 1 + others(machine).count();
    POSSIBLE.store(count.min(limit), Ordering::Relaxed);
    AFFINITY[0].store(cpu::affinity(), Ordering::Relaxed);
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

/// Interrupts the calling CPU once interrupts are unmasked. They are masked
/// now, or preemption is off.
pub fn send_self(ipi: Ipi) {
    gic::send_sgi(ipi as u32, gic::SgiTarget::Own);
}

/// Interrupts `cpu`, which may be the calling one. Any context.
pub fn send(cpu: usize, ipi: Ipi) {
    if cpu == this_cpu() {
        return send_self(ipi);
    }
    let affinity = AFFINITY[cpu].load(Ordering::Relaxed);
    gic::send_sgi(ipi as u32, gic::SgiTarget::Cpu(affinity));
}

/// Halts all other CPUs: the system is about to end. Any context.
pub fn stop_others() {
    if online() > 1 {
        gic::send_sgi(Ipi::Stop as u32, gic::SgiTarget::AllOthers);
    }
}

/// Starts the other CPUs, one after another. Thread context, once. A CPU that
/// does not come leaves a warning, and no further one is started: it may
/// still come, and would find the next one's stack.
pub fn start_others(machine: &Machine) {
    let count = possible();
    for (index, mpidr) in (1..count).zip(others(machine)) {
        if let Err(error) = start(index, mpidr) {
            log::warn!("processor {index} ({mpidr:#x}) does not start: {error}");
            POSSIBLE.store(online(), Ordering::Relaxed);
            return;
        }
    }
    log::info!("processors: {count} of {}", machine.cpus.len().max(1));
}

fn start(index: usize, mpidr: u64) -> Result<()> {
    let stack = KernelStack::new(crate::arch::context::STACK_SIZE)?;
    let emergency = KernelStack::new(crate::arch::context::STACK_SIZE)?;
    let top = stack.top();
    AFFINITY[index].store(mpidr, Ordering::Relaxed);
    thread::prepare_idle(index, stack, emergency)?;
    let argument = boot::prepare_secondary(memory::kernel_tables(), top, index);
    power::cpu_on(mpidr, boot::secondary_entry_point(), argument)?;
    let deadline = time::now() + START_TIMEOUT_NS;
    let came = STARTED.wait_deadline(deadline, || (online() > index).then_some(()));
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
    user::memory::activate(None);
    ONLINE.store(index + 1, Ordering::Release);
    STARTED.wake_all();
    thread::start_scheduling_here()
}
