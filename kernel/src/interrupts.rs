//! Who handles which interrupt, and how often each has fired.
//!
//! Private interrupts (below 32) have a slot on every CPU; shared ones have
//! one. A handler is copied out of the table before it runs: no lock is held
//! meanwhile, so it may take any lock that turns interrupts off.

mod table;

use crate::cpus::{self, MAX_CPUS};
use crate::machine::{Machine, Trigger};
use crate::{arch, gic};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_sync::{IrqOff, OnceCell, PreemptGuard, Rank, SpinLock};
use table::Table;

/// An interrupt that fires this often with nothing in between is stuck.
const STORM: u32 = 10_000;

/// What runs when an interrupt fires: in interrupt context, masked.
#[derive(Clone, Copy)]
pub struct Handler {
    name: &'static str,
    trigger: Trigger,
    call: Call,
}

#[derive(Clone, Copy)]
enum Call {
    Function(fn()),
    Object(&'static (dyn Fn() + Sync)),
}

impl Handler {
    /// A function, for a level-triggered interrupt.
    pub const fn new(name: &'static str, function: fn()) -> Self {
        Handler {
            name,
            trigger: Trigger::Level,
            call: Call::Function(function),
        }
    }

    /// A closure with a device's own state.
    pub const fn with(name: &'static str, object: &'static (dyn Fn() + Sync)) -> Self {
        Handler {
            name,
            trigger: Trigger::Level,
            call: Call::Object(object),
        }
    }

    /// The same, for an interrupt that signals in this way.
    pub const fn triggered(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    fn run(&self) {
        match self.call {
            Call::Function(function) => function(),
            Call::Object(object) => object(),
        }
    }
}

static TABLE: SpinLock<Table, IrqOff> = SpinLock::new(Rank::Interrupts, Table::new());
/// Interrupts taken, by slot and CPU.
static COUNTS: [[AtomicU64; MAX_CPUS]; table::SLOTS] =
    [const { [const { AtomicU64::new(0) }; MAX_CPUS] }; table::SLOTS];
/// Interrupts that were gone when asked for.
static SPURIOUS: AtomicU64 = AtomicU64::new(0);
/// Interrupts without a handler.
static UNHANDLED: AtomicU64 = AtomicU64::new(0);

/// What reports an interrupt that comes again and again: its number, and the words for
/// it. Interrupt context.
type Reporter = fn(u32, fmt::Arguments<'_>);

static REPORTER: OnceCell<Reporter> = OnceCell::new();

/// Has storms reported by `reporter`. Once.
pub fn set_storm_reporter(reporter: Reporter) {
    // A second one would be a mistake of `main`'s; the first one stays.
    let _ = REPORTER.set(reporter);
}

/// Sets up the controller and this (the boot) CPU. Once, interrupts masked.
pub fn init(machine: &Machine) {
    gic::init(machine);
    log::info!("interrupts: {} with {} lines", gic::name(), gic::lines());
}

/// Sets up another CPU's part: each calls this, with interrupts masked.
pub fn init_cpu() {
    gic::init_cpu();
}

/// Makes `handler` the one for `irq` (for a private one on this CPU) and
/// enables the interrupt. `EINVAL` for a number that the controller does not
/// have, `EBUSY` if there is a handler, `ENOSPC` if the table is full.
pub fn register(irq: u32, handler: Handler) -> Result<()> {
    if irq >= gic::lines() {
        return Err(Errno::EINVAL);
    }
    let _stay = PreemptGuard::new();
    TABLE.lock().insert(irq, cpus::this_cpu(), handler)?;
    gic::enable(irq, handler.trigger);
    Ok(())
}

/// Handles what is pending. The exception vector calls this with interrupts
/// masked, in interrupt context.
pub fn dispatch() {
    let cpu = cpus::this_cpu();
    let mut last = u32::MAX;
    let mut repeats = 0;
    while let Some(taken) = gic::acknowledge() {
        // Not before: this may be what came as FIQ.
        arch::cpu::fiq_enable();
        let irq = taken.irq();
        repeats = if irq == last { repeats + 1 } else { 0 };
        last = irq;
        handle(irq, cpu);
        gic::end(taken);
        if repeats == STORM {
            report_storm(irq);
        }
    }
    if last == u32::MAX {
        SPURIOUS.fetch_add(1, Relaxed);
    }
}

/// An interrupt whose handler does not quiet it would keep this CPU for ever.
/// A device's is disabled; a private one, which the system cannot do without,
/// is only reported.
#[cold]
fn report_storm(irq: u32) {
    if irq >= gic::FIRST_SHARED {
        gic::disable(irq);
    }
    let done = if irq >= gic::FIRST_SHARED {
        "; disabled"
    } else {
        ""
    };
    let details = format_args!("interrupt {irq} came {STORM} times in a row{done}");
    match REPORTER.get() {
        Some(report) => report(irq, details),
        None => log::error!("{details}"),
    }
}

fn handle(irq: u32, cpu: usize) {
    let found = TABLE.lock().find(irq, cpu);
    let Some((slot, handler)) = found else {
        return unhandled(irq);
    };
    if let Some(count) = COUNTS.get(slot).and_then(|row| row.get(cpu)) {
        count.fetch_add(1, Relaxed);
    }
    handler.run();
}

/// Nobody wants it: off, so that it cannot fire for ever. It is reported this
/// once, because it does not come again.
#[cold]
fn unhandled(irq: u32) {
    gic::disable(irq);
    UNHANDLED.fetch_add(1, Relaxed);
    log::error!("interrupt {irq} has no handler; disabled");
}

/// Interrupts that were gone when asked for, and those without a handler.
fn strays() -> (u64, u64) {
    (SPURIOUS.load(Relaxed), UNHANDLED.load(Relaxed))
}

/// Interrupts taken since boot, on all CPUs, with or without a handler.
pub fn taken() -> u64 {
    let handled: u64 = COUNTS
        .iter()
        .flatten()
        .map(|count| count.load(Relaxed))
        .sum();
    let (spurious, unhandled) = strays();
    handled + spurious + unhandled
}

/// Calls `visit` with number, name and counts by CPU of each interrupt that
/// has a handler, by rising number; no lock is held meanwhile.
pub fn for_each(mut visit: impl FnMut(u32, &'static str, &[u64])) {
    for irq in 0..gic::lines() {
        let Some((slot, handler)) = TABLE.lock().find_any(irq) else {
            continue;
        };
        let mut counts = [0; MAX_CPUS];
        for (to, from) in counts.iter_mut().zip(&COUNTS[slot]) {
            *to = from.load(Relaxed);
        }
        visit(irq, handler.name, &counts[..cpus::online()]);
    }
}

/// Writes the text of `/proc/interrupts`: a line for each interrupt with its
/// counts by CPU, the controller, whether the controller lets it through (`-`
/// for another CPU's own), and the handler's name, then those that had no
/// handler or were gone when asked for.
pub fn show(out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "     ")?;
    for cpu in 0..cpus::online() {
        write!(out, "    CPU{cpu:<5}")?;
    }
    writeln!(out)?;
    let mut result = Ok(());
    for_each(|irq, name, counts| {
        result = result.and_then(|()| show_row(out, irq, name, counts));
    });
    result?;
    let (spurious, unhandled) = strays();
    writeln!(out, " ERR: {unhandled:>11}")?;
    writeln!(out, " SPU: {spurious:>11}")
}

/// Whether the controller's setting on this CPU is the one that counts.
fn on_this_cpu(irq: u32) -> bool {
    let _stay = PreemptGuard::new();
    irq >= gic::FIRST_SHARED || TABLE.lock().find(irq, cpus::this_cpu()).is_some()
}

fn show_row(out: &mut dyn fmt::Write, irq: u32, name: &str, counts: &[u64]) -> fmt::Result {
    write!(out, "{irq:>4}:")?;
    for count in counts {
        write!(out, " {count:>11}")?;
    }
    let state = match on_this_cpu(irq) {
        false => "-",
        true if gic::is_enabled(irq) => "on",
        true => "off",
    };
    writeln!(out, "  {} {irq:>4} {state:<3}  {name}", gic::name())
}
