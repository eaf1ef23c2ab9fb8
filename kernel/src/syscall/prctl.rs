//! prctl(2).

use super::credentials::change;
use super::{Call, capabilities, seccomp};
use crate::process::identity::DUMPABLE;
use crate::process::tree;
use crate::user_memory::{UserPtr, read_bytes, read_string};
use alloc::string::String;
use core::sync::atomic::Ordering;
use paddock_abi::process::*;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Securebits};
use paddock_process::signal::is_signal;

/// Bytes of a thread's name with its zero byte.
const COMM: usize = 16;

/// prctl(2). `EINVAL` for what is not there.
pub fn prctl(call: &mut Call<'_>) -> Result<u64> {
    let argument = call.word(1);
    match call.uint(0) {
        PR_SET_NAME => set_name(call),
        PR_GET_NAME => get_name(call),
        PR_SET_PDEATHSIG => set_parent_death_signal(call),
        PR_GET_PDEATHSIG => {
            let signal = call.process().parent_death_signal.load(Ordering::Relaxed);
            store(argument, signal)
        }
        PR_GET_DUMPABLE => {
            let memory = call.process().memory()?;
            Ok(u64::from(memory.dumpable.load(Ordering::Relaxed)))
        }
        PR_SET_DUMPABLE => set_dumpable(call, argument),
        PR_SET_CHILD_SUBREAPER => {
            let pid = call.process().pid;
            tree().lock().set_subreaper(pid, argument != 0)?;
            Ok(0)
        }
        PR_GET_CHILD_SUBREAPER => {
            let on = tree().lock().is_subreaper(call.process().pid)?;
            store(argument, u32::from(on))
        }
        PR_GET_TIMERSLACK => Ok(call.thread.timer_slack[0].load(Ordering::Relaxed)),
        PR_SET_TIMERSLACK => set_timer_slack(call, argument),
        PR_GET_KEEPCAPS | PR_SET_KEEPCAPS | PR_GET_SECUREBITS | PR_SET_SECUREBITS => {
            securebits(call)
        }
        PR_CAPBSET_READ => capabilities::bounding_has(call),
        PR_CAPBSET_DROP => capabilities::drop_bounding(call),
        PR_CAP_AMBIENT => capabilities::ambient(call),
        // How the time of processes is told: by what they have used.
        PR_GET_TIMING => Ok(PR_TIMING_STATISTICAL),
        PR_SET_TIMING if argument == PR_TIMING_STATISTICAL => Ok(0),
        PR_SET_MM => set_memory_place(call),
        PR_GET_SECCOMP => Ok(u64::from(call.thread.seccomp_mode().number())),
        PR_SET_SECCOMP => seccomp::set_by_prctl(call),
        PR_GET_TID_ADDRESS => {
            let address = call.thread.clear_tid.load(Ordering::Relaxed);
            call.pointer::<u64>(1).write(&address)?;
            Ok(0)
        }
        PR_SET_THP_DISABLE | PR_GET_THP_DISABLE => huge_pages(call),
        PR_SET_NO_NEW_PRIVS => match [argument, call.word(2), call.word(3), call.word(4)] {
            [1, 0, 0, 0] => change(call, |old| Ok(old.set_no_new_privs())),
            _ => Err(Errno::EINVAL),
        },
        PR_GET_NO_NEW_PRIVS => match [argument, call.word(2), call.word(3), call.word(4)] {
            [0, 0, 0, 0] => Ok(u64::from(call.thread.with_cred(|cred| cred.no_new_privs))),
            _ => Err(Errno::EINVAL),
        },
        _ => Err(Errno::EINVAL),
    }
}

/// `PR_SET_THP_DISABLE` and `PR_GET_THP_DISABLE`. `EINVAL` for words that mean nothing.
fn huge_pages(call: &Call<'_>) -> Result<u64> {
    let argument = call.word(1);
    let sets = call.uint(0) == PR_SET_THP_DISABLE;
    let rest = [call.word(2), call.word(3), call.word(4)];
    if rest != [0; 3] || (!sets && argument != 0) {
        return Err(Errno::EINVAL);
    }
    let memory = call.process().memory()?;
    if sets {
        memory.no_huge_pages.store(argument != 0, Ordering::Relaxed);
        return Ok(0);
    }
    Ok(u64::from(memory.no_huge_pages.load(Ordering::Relaxed)))
}

fn store(address: u64, value: u32) -> Result<u64> {
    UserPtr::<u32>::new(address).write(&value)?;
    Ok(0)
}

fn set_name(call: &Call<'_>) -> Result<u64> {
    let argument = call.word(1);
    let name = read_string(argument, COMM, Errno::EINVAL).or_else(|error| match error {
        // Longer names are cut.
        Errno::EINVAL => read_bytes(argument, COMM - 1),
        error => Err(error),
    })?;
    let name = String::from_utf8_lossy(&name).into_owned();
    call.thread.set_name(name);
    Ok(0)
}

fn get_name(call: &Call<'_>) -> Result<u64> {
    let mut bytes = [0; COMM];
    let name = call.thread.name();
    let length = name.len().min(COMM - 1);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    UserPtr::<[u8; COMM]>::new(call.word(1)).write(&bytes)?;
    Ok(0)
}

fn set_parent_death_signal(call: &Call<'_>) -> Result<u64> {
    let signal = u32::try_from(call.word(1)).map_err(|_| Errno::EINVAL)?;
    if signal != 0 && !is_signal(signal) {
        return Err(Errno::EINVAL);
    }
    call.process()
        .parent_death_signal
        .store(signal, Ordering::Relaxed);
    Ok(0)
}

fn set_dumpable(call: &Call<'_>, value: u64) -> Result<u64> {
    let value = u8::try_from(value).map_err(|_| Errno::EINVAL)?;
    if value > DUMPABLE {
        return Err(Errno::EINVAL);
    }
    let memory = call.process().memory()?;
    memory.dumpable.store(value, Ordering::Relaxed);
    Ok(0)
}

/// `PR_SET_MM`: where the arguments and the environment are. `EINVAL` for what else Linux
/// lets be said, and places that are none; `EPERM`; `EFAULT` if nothing is mapped there or
/// above.
fn set_memory_place(call: &Call<'_>) -> Result<u64> {
    let (what, address) = (call.word(1), call.word(2));
    if call.word(3) != 0 || call.word(4) != 0 {
        return Err(Errno::EINVAL);
    }
    call.require(Cap::CAP_SYS_RESOURCE)?;
    let memory = call.process().memory()?;
    let mut space = memory.space.lock();
    let mut strings = space.strings_at();
    let place = match what {
        PR_SET_MM_ARG_START => &mut strings.arguments,
        PR_SET_MM_ARG_END => &mut strings.arguments_end,
        PR_SET_MM_ENV_START => &mut strings.environment,
        PR_SET_MM_ENV_END => &mut strings.environment_end,
        _ => return Err(Errno::EINVAL),
    };
    *place = address;
    if !strings.is_sound() {
        return Err(Errno::EINVAL);
    }
    if !space.has_area_above(address) {
        return Err(Errno::EFAULT);
    }
    space.set_strings_at(strings);
    Ok(0)
}

fn set_timer_slack(call: &Call<'_>, nanos: u64) -> Result<u64> {
    let [slack, default] = &call.thread.timer_slack;
    let nanos = match nanos {
        0 => default.load(Ordering::Relaxed),
        nanos => nanos,
    };
    slack.store(nanos, Ordering::Relaxed);
    Ok(0)
}

fn securebits(call: &Call<'_>) -> Result<u64> {
    let bits = call.thread.with_cred(|cred| cred.securebits);
    let argument = call.word(1);
    match call.uint(0) {
        PR_GET_KEEPCAPS => Ok(u64::from(bits.contains(Securebits::KEEP_CAPS))),
        PR_SET_KEEPCAPS if argument > 1 => Err(Errno::EINVAL),
        PR_SET_KEEPCAPS => change(call, |old| old.set_keep_caps(argument == 1)),
        PR_GET_SECUREBITS => Ok(u64::from(bits.bits())),
        _ => {
            let bits = u32::try_from(argument).map_err(|_| Errno::EPERM)?;
            change(call, |old| old.set_securebits(bits))
        }
    }
}
