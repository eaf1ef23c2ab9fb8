//! Mistakes that a test puts back, one at a time, with
//! `paddock.mistake=NAME`: each shows that the kernel reports it.
//!
//! With `paddock.scene=NAME` a scene is played without a mistake. Only the test kernel has them (the feature `test-kernel`). What is expected
//! of each is in the table of `tests/tests/e2e/failures.rs`.

mod herd;
mod inversion;
mod lasting;
mod locks;
mod tasks;
mod threads;
pub mod timers;

use crate::machine::CommandLine;
use crate::main_loop::{MainLoop, Step};
use crate::thread;
use paddock_sync::{Rank, SpinLock, WaitQueue};

/// Words of the command line that only the test kernel knows.
pub const WORDS: &[&str] = &["paddock.mistake", "paddock.scene"];

/// How long the boot has to come to rest before the mistake is made.
const QUIET_MS: u64 = 200;
/// When the machine is looked at after the mistake.
pub const AFTER_MS: u64 = 1000;

/// Each makes its mistake in a thread of its own.
const MISTAKES: &[(&str, fn())] = &[
    ("timer-conflict", timers::conflict),
    ("timer-interrupt-off", timers::interrupt_off),
    ("scheduler-interrupt-off", timers::scheduler_interrupt_off),
    ("interrupt-storm", timers::storm),
    ("busy-wait", tasks::busy_wait),
    ("priority-inversion", inversion::checked),
    ("priority-inversion-unchecked", inversion::unchecked),
    ("sleep-under-spin-lock", locks::sleep_under_spin_lock),
    ("wait-in-network-section", locks::wait_in_network_section),
    ("file-call-in-task", locks::file_call_in_task),
    ("opposite-lock-orders", locks::opposite_orders),
    ("sleep-in-interrupt", locks::sleep_in_interrupt),
    ("wrong-lock-in-interrupt", locks::wrong_lock_in_interrupt),
    ("recursive-lock", locks::recursive),
    ("lost-wake-up", threads::lose_wake_up),
    ("section-kept-in-switch", threads::keep_section),
    ("interrupt-missing", threads::lose_interrupt),
    ("network-interrupt-missing", threads::lose_network_interrupt),
    ("runaway-thread", threads::run_away),
    ("preemption-off", lasting::preemption_off),
    ("interrupts-off", lasting::interrupts_off),
    ("step-lasts", lasting::step_lasts),
    ("console-stuck", lasting::console_stuck),
    ("lock-chain", lasting::lock_chain),
    ("stack-overflow", threads::overflow_stack),
    ("thread-exhaustion", threads::exhaust),
];

/// Work for the main loop: what is put here runs inside a poll.
static WORK: SpinLock<Option<fn()>> = SpinLock::new(Rank::Leaf, None);
static WORK_IS_THERE: WaitQueue = WaitQueue::new();

/// Makes the mistake that the command line names, once the boot is over.
/// In the main loop's thread, before it runs.
pub fn start(command_line: &CommandLine<'_>, main_loop: &MainLoop) {
    let scene: Option<fn()> = match command_line.value("paddock.scene") {
        Some("priority-inversion") => Some(inversion::scene),
        Some("endless-interrupt") => Some(timers::endless_interrupt),
        _ => None,
    };
    if let Some(scene) = scene {
        let _ = thread::spawn("scene", scene);
    }
    if command_line.value("paddock.scene") == Some("herd-dies") {
        let _ = thread::spawn("scene", herd::dies);
    }
    let Some(wanted) = command_line.value("paddock.mistake") else {
        return;
    };
    let Some(&(name, make)) = MISTAKES.iter().find(|(name, _)| *name == wanted) else {
        log::error!("mistake: there is none called {wanted}");
        return;
    };
    if let (Ok(listen), Ok(carry)) = (listen(), tasks::carry()) {
        main_loop.spawner(Step::Tasks).spawn(listen);
        main_loop.spawner(Step::HerdOutput).spawn(carry);
    }
    let threads = thread::spawn("witness", witness)
        .and_then(|_| thread::spawn("mistake", move || run(name, make)));
    if let Err(error) = threads {
        log::error!("mistake: no thread: {error}");
    }
}

fn run(name: &str, make: fn()) {
    thread::sleep_ms(QUIET_MS);
    log::warn!("mistake: {name}");
    make();
}

/// Says whether threads still sleep and tasks still run, after the mistake.
fn witness() {
    thread::sleep_ms(QUIET_MS + AFTER_MS);
    in_a_task(|| log::warn!("mistake: the machine goes on"));
}

/// Runs `work` in a task of the main loop.
fn in_a_task(work: fn()) {
    *WORK.lock() = Some(work);
    WORK_IS_THERE.wake_one();
}

#[embassy_executor::task]
async fn listen() {
    loop {
        let Ok(work) = WORK_IS_THERE.wait_async(|| WORK.lock().take()).await else {
            return;
        };
        work();
    }
}
