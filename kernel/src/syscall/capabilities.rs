//! Capabilities: capget(2), capset(2), and prctl(2)'s part in them.

use super::Call;
use super::credentials::change;
use crate::process::tree;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use paddock_abi::process::*;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, CapSet, Cred};

/// Versions of the structures: one set of 32 bits, or two.
const VERSION_1: u32 = 0x1998_0330;
const VERSION_2: u32 = 0x2007_1026;
const VERSION_3: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`: the process it is about, and how many
/// words a set has. `EINVAL` for a version that is not known; the known one is
/// stored.
fn header(call: &Call<'_>) -> Result<(i32, usize)> {
    let place: UserPtr<[u32; 2]> = call.pointer(0);
    let [version, pid] = place.read()?;
    let words = match version {
        VERSION_1 => 1,
        VERSION_2 | VERSION_3 => 2,
        _ => {
            place.write(&[VERSION_3, pid])?;
            return Err(Errno::EINVAL);
        }
    };
    Ok((pid as i32, words))
}

fn cred_of(call: &Call<'_>, pid: i32) -> Result<Arc<Cred>> {
    match u32::try_from(pid).map_err(|_| Errno::EINVAL)? {
        0 => Ok(call.thread.cred()),
        tid if tid == call.thread.number.get() => Ok(call.thread.cred()),
        tid => {
            let tid = call.find_number(tid).ok_or(Errno::ESRCH)?;
            let process = tree().lock().process_of(tid).ok_or(Errno::ESRCH)?;
            let thread = process.thread(tid);
            Ok(thread.map_or_else(|| process.cred(), |thread| thread.cred()))
        }
    }
}

/// capget(2).
pub fn capget(call: &mut Call<'_>) -> Result<u64> {
    let asks_for_version = call.word(1) == 0;
    let (pid, words) = match header(call) {
        Err(Errno::EINVAL) if asks_for_version => return Ok(0),
        other => other?,
    };
    let cred = cred_of(call, pid)?;
    if asks_for_version {
        return Ok(0);
    }
    let place: UserPtr<[u32; 3]> = call.pointer(1);
    for word in 0..words {
        let part = |set: CapSet| (set.bits() >> (32 * word)) as u32;
        place.at(word)?.write(&[
            part(cred.effective),
            part(cred.permitted),
            part(cred.inheritable),
        ])?;
    }
    Ok(0)
}

/// capset(2): the caller's own. `EPERM`.
pub fn capset(call: &mut Call<'_>) -> Result<u64> {
    let (pid, words) = header(call)?;
    if pid != 0 && pid as u32 != call.thread.number.get() {
        return Err(Errno::EPERM);
    }
    let place: UserPtr<[u32; 3]> = call.pointer(1);
    let mut sets = [0u64; 3];
    for word in 0..words {
        for (set, part) in sets.iter_mut().zip(place.at(word)?.read()?) {
            *set |= u64::from(part) << (32 * word);
        }
    }
    let [effective, permitted, inheritable] = sets.map(CapSet::from_bits);
    change(call, |old| old.capset(effective, permitted, inheritable))
}

/// The capability that an argument names. `EINVAL`.
fn cap(number: u64) -> Result<Cap> {
    Cap::from_number(number).ok_or(Errno::EINVAL)
}

/// `PR_CAPBSET_READ`.
pub fn bounding_has(call: &Call<'_>) -> Result<u64> {
    let cap = cap(call.word(1))?;
    Ok(u64::from(
        call.thread.with_cred(|cred| cred.bounding.has(cap)),
    ))
}

/// `PR_CAPBSET_DROP`.
pub fn drop_bounding(call: &Call<'_>) -> Result<u64> {
    call.thread
        .with_cred(|cred| cred.require_here(Cap::CAP_SETPCAP))?;
    let cap = cap(call.word(1))?;
    change(call, |old| old.drop_bounding(cap))
}

/// `PR_CAP_AMBIENT`.
pub fn ambient(call: &Call<'_>) -> Result<u64> {
    let (what, number) = (call.word(1), call.word(2));
    if call.word(3) != 0 || call.word(4) != 0 {
        return Err(Errno::EINVAL);
    }
    if what == PR_CAP_AMBIENT_CLEAR_ALL {
        return match number {
            0 => change(call, |old| Ok(old.lower_ambient(CapSet::ALL))),
            _ => Err(Errno::EINVAL),
        };
    }
    let cap = cap(number)?;
    match what {
        PR_CAP_AMBIENT_IS_SET => Ok(u64::from(
            call.thread.with_cred(|cred| cred.ambient.has(cap)),
        )),
        PR_CAP_AMBIENT_RAISE => change(call, |old| old.raise_ambient(cap)),
        PR_CAP_AMBIENT_LOWER => change(call, |old| Ok(old.lower_ambient(CapSet::of(&[cap])))),
        _ => Err(Errno::EINVAL),
    }
}
