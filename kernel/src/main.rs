//! The Paddock kernel: registers, assembly and wiring. The boot is
//! [`kernel_main`] and [`start_up`], phase by phase.

#![no_std]
#![no_main]

extern crate alloc;

/// Checks that a function has the type that its caller below has declared, which
/// finds it when the kernel is linked: `implements!(PORT, FUNCTION: TYPE)`.
macro_rules! implements {
    ($port:path, $function:path: $kind:ty) => {
        const _: [$kind; 2] = [$port, $function];
    };
}

mod arch;
mod async_fs;
mod backtrace;
mod config;
mod console;
#[cfg(feature = "test-kernel")]
mod costs;
mod cpus;
mod critical;
mod detectors;
mod drivers;
mod entry;
#[cfg(feature = "test-kernel")]
mod fault_injection;
mod fs;
#[cfg_attr(not(feature = "fuzz-sched"), path = "fuzz_run/off.rs")]
mod fuzz_run;
mod gic;
mod init;
mod interrupted;
mod interrupts;
mod machine;
mod main_loop;
mod memory;
mod mmio;
mod net;
mod panic;
mod power;
mod process;
mod profile;
mod random;
#[cfg_attr(not(feature = "fuzz-sched"), path = "schedule_fuzz/off.rs")]
mod schedule_fuzz;
mod smp;
mod ssh;
mod symbols;
mod syscall;
mod thread;
mod time;
mod user_memory;
mod violations;
mod watchdog;

use arch::{boot::BootInfo, timers};
use interrupts::Handler;
use machine::CommandLine;
use main_loop::{MainLoop, Step};

/// First phase, on the boot stack with interrupts masked: from nothing to a
/// scheduler.
fn kernel_main(boot: BootInfo) -> ! {
    timers::init_clock();
    let machine = machine::init(&boot);
    memory::init(&boot, machine);
    console::init(machine);
    log::info!("Paddock {} on {}", env!("CARGO_PKG_VERSION"), machine.model);
    interrupts::init(machine);
    interrupts::set_storm_reporter(|interrupt, details| {
        watchdog::report(watchdog::Kind::InterruptStorm, interrupt.into(), details);
    });
    smp::init(machine, machine::command_line().max_cpus);
    thread::start_timer();
    start_embassy_timer(machine);
    if let Err(error) = thread::spawn_large("main-loop", move || start_up(machine)) {
        panic!("no memory for the first thread: {error}");
    }
    thread::start_scheduling()
}

/// Embassy's timer serves all CPUs from the boot CPU. It has its own interrupt
/// and its own owner (SPEC S3), as the scheduler's has on each CPU.
fn start_embassy_timer(machine: &machine::Machine) {
    timers::EMBASSY.set(u64::MAX);
    let tree = machine.timers.as_ref();
    let described = tree.and_then(|timers| timers.virtual_timer);
    let number = described.map_or(timers::EmbassyTimer::INTERRUPT, |interrupt| {
        interrupt.number
    });
    let handler = Handler::new("embassy-timer", time::on_embassy_interrupt);
    if let Err(error) = interrupts::register(number, handler) {
        panic!("timer interrupt {number} cannot be used: {error}");
    }
}

/// Second phase, in a thread of its own that becomes the main loop:
/// everything that may sleep.
fn start_up(machine: &'static machine::Machine) {
    let command_line = machine::command_line();
    report_command_line(&command_line);
    fuzz_run::start(&command_line);
    process::init();
    profile::init();
    smp::start_others(machine);
    drivers::init(machine);
    if let Err(error) = net::space::init() {
        panic!("no memory for the network: {error}");
    }
    start_clock(machine);
    if let Err(error) = async_fs::start() {
        panic!("no memory for the worker threads: {error}");
    }
    ssh::show_settings();
    fs::mount_root(&command_line);
    ssh::prepare();
    let main_loop = MainLoop::new();
    fs::start_console(main_loop.spawner(Step::DeferredInterrupts));
    time::keep_seconds(main_loop.spawner(Step::Tasks));
    net::start(&command_line, &main_loop);
    ssh::start(main_loop.spawner(Step::Ssh));
    init::start(&command_line, main_loop.spawner(Step::HerdOutput));
    #[cfg(feature = "test-kernel")]
    {
        costs::start(&command_line);
        fault_injection::start(&command_line, &main_loop);
    }
    main_loop.run()
}

fn report_command_line(command_line: &CommandLine<'_>) {
    if let Some(level) = command_line.log_level {
        console::set_level(level);
    }
    watchdog::configure(command_line);
    if command_line.test {
        violations::set_fatal();
    }
    for (word, why) in command_line.problems() {
        #[cfg(feature = "test-kernel")]
        if costs::WORDS.contains(&word) || fault_injection::WORDS.contains(&word) {
            continue;
        }
        if fuzz_run::WORDS.contains(&word) {
            continue;
        }
        log::warn!(
            "command line: {word}: {}",
            why.unwrap_or("unknown, ignored")
        );
    }
}

fn start_clock(machine: &machine::Machine) {
    match drivers::rtc::seconds(machine) {
        Some(seconds) => time::set_wall(seconds * 1_000_000_000),
        None => log::warn!("no clock: the time of day starts at 1970; set it with date -s"),
    }
}
