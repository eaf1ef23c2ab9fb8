//! The end: panics and faults of the kernel itself.
//!
//! This path takes no lock and allocates nothing. A second panic inside it
//! stops the machine at once.

use crate::arch::{cpu, trap::TrapFrame};
use crate::console::{self, safe_println};
use crate::symbols::Code;
use crate::watchdog::Who;
use crate::{backtrace, cpus, main_loop, power, thread};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

static PANICS: AtomicU32 = AtomicU32::new(0);

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    begin();
    match info.location() {
        Some(at) => safe_println!("PANIC at {at}: {}", info.message()),
        None => safe_println!("PANIC: {}", info.message()),
    }
    describe_thread();
    backtrace::print(backtrace::of_caller());
    finish()
}

/// An exception that the kernel itself caused.
pub fn kernel_fault(frame: &TrapFrame, what: &str) -> ! {
    begin();
    safe_println!(
        "PANIC: {what}: esr {:#010x} far {:#018x} pc {:#018x} {}",
        frame.esr,
        frame.far,
        frame.pc,
        Code(frame.pc as usize)
    );
    describe_thread();
    for (index, pair) in frame.x.chunks(2).enumerate() {
        let second = pair.get(1).copied().unwrap_or(frame.sp);
        safe_println!(
            "  x{:<2} {:#018x}  x{:<2} {second:#018x}",
            2 * index,
            pair[0],
            2 * index + 1
        );
    }
    backtrace::print(backtrace::of_exception(frame));
    finish()
}

fn begin() {
    cpu::mask_all();
    if PANICS.fetch_add(1, Ordering::SeqCst) > 0 {
        cpu::halt();
    }
    cpus::stop_others();
    console::enter_panic_mode();
}

fn describe_thread() {
    let thread = thread::current();
    let (bottom, top) = thread.stack_range();
    safe_println!(
        "{}, {:?}, stack {bottom:#x}..{top:#x}, main loop step {:?}",
        Who(thread),
        thread.class(),
        main_loop::current_step(),
    );
}

fn finish() -> ! {
    power::exit_after_panic()
}
