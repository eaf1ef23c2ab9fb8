//! The Paddock kernel: registers, assembly and wiring. The boot is
//! [`kernel_main`] and [`start_up`], phase by phase.

#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod async_fs;
mod backtrace;
mod config;
mod console;
mod critical;
mod drivers;
mod interrupts;
mod machine;
mod main_loop;
mod memory;
mod panic;
mod power;
mod random;
mod syscall;
mod thread;
mod time;
mod user;
mod user_memory;
mod violations;
mod watchdog;

use arch::{boot::BootInfo, gic, timers};
use interrupts::Handler;

/// First phase, on the boot stack with interrupts masked: from nothing to a
/// scheduler.
fn kernel_main(boot: BootInfo) -> ! {
    timers::init_clock();
    let machine = machine::init(&boot);
    memory::init(&boot, machine);
    console::init(machine);
    log::info!("Paddock {} on {}", env!("CARGO_PKG_VERSION"), machine.model);
    interrupts::init(machine);
    start_timers();
    if let Err(error) = thread::spawn("init", start_up) {
        panic!("no memory for the first thread: {error}");
    }
    thread::start_scheduling()
}

fn start_timers() {
    timers::SCHEDULER.set(u64::MAX);
    timers::EMBASSY.set(u64::MAX);
    interrupts::register(timers::SchedulerTimer::INTERRUPT, Handler::new("sched-timer", thread::on_timer));
    interrupts::register(timers::EmbassyTimer::INTERRUPT, Handler::new("embassy-timer", time::on_embassy_interrupt));
}

/// Second phase, in a thread of its own that becomes the main loop:
/// everything that may sleep.
fn start_up() {
    let main_loop = main_loop::MainLoop::new();
    main_loop.run()
}
