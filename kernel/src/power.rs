//! The machine's power: off, reset, other CPUs, and the exit status of tests.

use crate::arch::cpu;
use crate::machine::{self, PsciMethod};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock};
use smccc::{Hvc, Smc, psci};

/// Status with which a machine under test ends after a panic.
pub const PANIC_STATUS: i32 = 101;

/// How many may want to hear of the machine's end.
const MAX_HOOKS: usize = 4;

/// May sleep.
type Hook = fn();

/// What is done before the machine ends, from the first to the last.
static HOOKS: SpinLock<[Option<Hook>; MAX_HOOKS], PreemptOff> =
    SpinLock::new(Rank::Leaf, [None; MAX_HOOKS]);

/// Has `hook` called before the machine ends in good order, and before those who asked
/// earlier. Thread context.
pub fn before_end(hook: Hook) {
    match HOOKS.lock().iter_mut().find(|place| place.is_none()) {
        Some(place) => *place = Some(hook),
        None => panic!("more than {MAX_HOOKS} hear of the machine's end"),
    }
}

/// Before the machine goes off: nobody is left waiting for an answer, and everything is
/// on the disk. Thread context; sleeps.
pub fn shut_down() {
    let hooks = *HOOKS.lock();
    for hook in hooks.into_iter().rev().flatten() {
        hook();
    }
}

fn method() -> Option<PsciMethod> {
    machine::get()?.psci
}

/// Turns the machine off. Any context; filesystems are the caller's care.
pub fn off() -> ! {
    // A call that succeeds does not return.
    let _ = match method() {
        Some(PsciMethod::Hvc) => psci::system_off::<Hvc>(),
        Some(PsciMethod::Smc) => psci::system_off::<Smc>(),
        None => Ok(()),
    };
    cpu::halt()
}

/// Starts the machine anew. Any context; filesystems are the caller's care.
pub fn reset() -> ! {
    let _ = match method() {
        Some(PsciMethod::Hvc) => psci::system_reset::<Hvc>(),
        Some(PsciMethod::Smc) => psci::system_reset::<Smc>(),
        None => Ok(()),
    };
    cpu::halt()
}

/// Starts the CPU with affinity `mpidr` at the physical address `entry` with
/// `argument` in x0. `ENODEV` without PSCI; `EINVAL` if it refuses.
pub fn cpu_on(mpidr: u64, entry: u64, argument: u64) -> Result<()> {
    let started = match method() {
        Some(PsciMethod::Hvc) => psci::cpu_on::<Hvc>(mpidr, entry, argument),
        Some(PsciMethod::Smc) => psci::cpu_on::<Smc>(mpidr, entry, argument),
        None => return Err(Errno::ENODEV),
    };
    started.map_err(|error| match error {
        psci::error::Error::AlreadyOn | psci::error::Error::OnPending => Errno::EBUSY,
        _ => Errno::EINVAL,
    })
}

/// Ends the machine with a status for whoever started it: by semihosting,
/// which is there when the command line says `paddock.test`; else by power
/// off, which has no status. Any context.
pub fn exit(status: i32) -> ! {
    if machine::get().is_some() && machine::command_line().test {
        semihosting::process::exit(status);
    }
    off()
}

/// The panic path's last step.
pub fn exit_after_panic() -> ! {
    exit(PANIC_STATUS)
}
