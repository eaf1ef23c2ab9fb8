//! On which nodes memory is taken: get_mempolicy(2) and its kin, for a machine that has
//! one node.

use super::Call;
use crate::process::identity::may_inspect;
use crate::process::memory::Memory;
use crate::process::tree;
use crate::user_memory::{UserPtr, read_bytes};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_mem::PAGE_SIZE;

const DEFAULT: u32 = 0;
const PREFERRED: u32 = 1;
const BIND: u32 = 2;
const INTERLEAVE: u32 = 3;
const LOCAL: u32 = 4;
const PREFERRED_MANY: u32 = 5;
/// Flags of a mode.
const NUMA_BALANCING: u32 = 1 << 13;
const RELATIVE_NODES: u32 = 1 << 14;
const STATIC_NODES: u32 = 1 << 15;
const MODE_FLAGS: u32 = NUMA_BALANCING | RELATIVE_NODES | STATIC_NODES;

/// How many nodes a mask may name, as in Debian's kernel for arm64.
const NODES: u64 = 16;
/// The node that there is.
const ONLY: u16 = 1;

/// Flags of get_mempolicy(2).
const F_NODE: u64 = 1;
const F_ADDR: u64 = 2;
const F_MEMS_ALLOWED: u64 = 4;

/// Flags of mbind(2) and move_pages(2).
const MF_STRICT: u32 = 1;
const MF_MOVE: u32 = 2;
const MF_MOVE_ALL: u32 = 4;

/// A policy as threads and areas keep it: the mode with its flags, and above them the
/// nodes that were named. Zero is the default one.
fn packed(mode: u32, nodes: u16) -> u32 {
    mode | u32::from(nodes) << 16
}

/// The nodes of a mask of `count` bits. `EFAULT`; `EINVAL` for nodes that there never are.
fn nodes(mask: u64, count: u64) -> Result<u16> {
    let bits = count.wrapping_sub(1);
    if bits == 0 || mask == 0 {
        return Ok(0);
    }
    if bits > PAGE_SIZE * 8 {
        return Err(Errno::EINVAL);
    }
    let bytes = read_bytes(mask, bits.div_ceil(64) as usize * 8)?;
    let mut found = 0;
    for bit in 0..bits {
        if bytes[bit as usize / 8] & 1 << (bit % 8) != 0 {
            match bit < NODES {
                true => found |= 1 << bit,
                false => return Err(Errno::EINVAL),
            }
        }
    }
    Ok(found)
}

/// What a mode with its flags and nodes come to. `EINVAL`.
fn policy(mode: u32, nodes: u16) -> Result<u32> {
    let (flags, mode) = (mode & MODE_FLAGS, mode & !MODE_FLAGS);
    let fixed = flags & (STATIC_NODES | RELATIVE_NODES);
    let is_good = match mode {
        DEFAULT => nodes == 0,
        PREFERRED if nodes == 0 => fixed == 0,
        LOCAL => nodes == 0 && fixed == 0,
        // Relative ones are counted from those that there are, round and round.
        PREFERRED | BIND | INTERLEAVE | PREFERRED_MANY if flags & RELATIVE_NODES != 0 => nodes != 0,
        PREFERRED | BIND | INTERLEAVE | PREFERRED_MANY => nodes & ONLY != 0,
        _ => false,
    };
    if !is_good {
        return Err(Errno::EINVAL);
    }
    Ok(match mode {
        DEFAULT => 0,
        PREFERRED if nodes == 0 => packed(LOCAL | flags, 0),
        _ if fixed != 0 => packed(mode | flags, nodes),
        _ => packed(mode | flags, nodes & ONLY),
    })
}

/// The argument that is a mode. `EINVAL` for flags that contradict each other.
fn mode(call: &Call<'_>, index: usize) -> Result<u32> {
    let mode = call.uint(index);
    let both = mode & STATIC_NODES != 0 && mode & RELATIVE_NODES != 0;
    let plain = mode & !MODE_FLAGS;
    match both || plain > PREFERRED_MANY || mode & NUMA_BALANCING != 0 && plain != BIND {
        true => Err(Errno::EINVAL),
        false => Ok(mode),
    }
}

/// set_mempolicy(2).
pub fn set_mempolicy(call: &mut Call<'_>) -> Result<u64> {
    let mode = mode(call, 0)?;
    let policy = policy(mode, nodes(call.word(1), call.word(2))?)?;
    call.thread.policy.store(policy, Ordering::Relaxed);
    Ok(0)
}

/// get_mempolicy(2).
pub fn get_mempolicy(call: &mut Call<'_>) -> Result<u64> {
    let (place, mask, count) = (call.pointer::<u32>(0), call.word(1), call.word(2));
    if mask != 0 && count < 1 {
        return Err(Errno::EINVAL);
    }
    let (value, nodes) = asked(call, call.word(3), call.word(4))?;
    if let Some(place) = place.non_null() {
        place.write(&value)?;
    }
    // So many words, of which the nodes are in the first.
    let words = match mask {
        0 => 0,
        _ => (count - 1).div_ceil(64),
    };
    if words * 8 > PAGE_SIZE {
        return Err(Errno::EINVAL);
    }
    for index in 0..words as usize {
        let word = if index == 0 { u64::from(nodes) } else { 0 };
        UserPtr::<u64>::new(mask).at(index)?.write(&word)?;
    }
    Ok(0)
}

/// The mode or node, and the nodes, that get_mempolicy(2) tells. `EINVAL`, `EFAULT`.
fn asked(call: &Call<'_>, address: u64, flags: u64) -> Result<(u32, u16)> {
    if flags & !(F_NODE | F_ADDR | F_MEMS_ALLOWED) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & F_MEMS_ALLOWED != 0 {
        return match flags & (F_NODE | F_ADDR) {
            0 => Ok((0, ONLY)),
            _ => Err(Errno::EINVAL),
        };
    }
    let own = call.thread.policy.load(Ordering::Relaxed);
    let policy = match flags & F_ADDR {
        0 if address != 0 => return Err(Errno::EINVAL),
        0 => own,
        _ => {
            let memory = call.process().memory()?;
            let policy = memory.space.lock().policy_at(address);
            policy.ok_or(Errno::EFAULT)?
        }
    };
    let nodes = (policy >> 16) as u16;
    let mode = policy & 0xffff;
    match flags & (F_NODE | F_ADDR) {
        F_NODE if mode & !MODE_FLAGS != INTERLEAVE => Err(Errno::EINVAL),
        F_NODE => Ok((0, nodes)),
        0 | F_ADDR => Ok((mode, nodes)),
        _ => {
            // Where the page is: it is brought in for that.
            UserPtr::<u8>::new(address).read()?;
            Ok((0, nodes))
        }
    }
}

/// A range of whole pages, or `None` for an empty one. `EINVAL`.
fn range(start: u64, length: u64) -> Result<Option<(u64, u64)>> {
    let length = length.checked_next_multiple_of(PAGE_SIZE).unwrap_or(0);
    let end = start.checked_add(length);
    match (start.is_multiple_of(PAGE_SIZE), end) {
        (true, Some(_)) => Ok((length > 0).then_some((start, length))),
        _ => Err(Errno::EINVAL),
    }
}

/// mbind(2).
pub fn mbind(call: &mut Call<'_>) -> Result<u64> {
    let mode = mode(call, 2)?;
    let nodes = nodes(call.word(3), call.word(4))?;
    let flags = call.uint(5);
    if flags & !(MF_STRICT | MF_MOVE | MF_MOVE_ALL) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & MF_MOVE_ALL != 0 {
        call.require(Cap::CAP_SYS_NICE)?;
    }
    let Some((start, length)) = range(call.word(0), call.word(1))? else {
        return Ok(0);
    };
    let policy = policy(mode, nodes)?;
    let memory = call.process().memory()?;
    memory.space.lock().set_policy(start, length, policy)?;
    Ok(0)
}

/// set_mempolicy_home_node(2): it is the only one, for memory that has a policy with
/// several nodes.
pub fn set_mempolicy_home_node(call: &mut Call<'_>) -> Result<u64> {
    let range = range(call.word(0), call.word(1))?;
    if call.word(3) != 0 || call.word(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let Some((start, length)) = range else {
        return Ok(0);
    };
    let memory = call.process().memory()?;
    let mut found = Err(Errno::ENOENT);
    memory.space.lock().each_policy(start, length, |policy| {
        match policy & 0xffff & !MODE_FLAGS {
            DEFAULT => Ok(()),
            BIND | PREFERRED_MANY => {
                found = Ok(0);
                Ok(())
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    })?;
    found
}

/// The memory of a process, 0 for the caller, which the caller may look into. `ESRCH`,
/// `EPERM`, `EINVAL` once it has ended.
fn memory_of(call: &Call<'_>, pid: u32) -> Result<Arc<Memory>> {
    let process = match pid {
        0 => call.process().clone(),
        pid => {
            let pid = call.find_number(pid).ok_or(Errno::ESRCH)?;
            tree().lock().process_of(pid).ok_or(Errno::ESRCH)?
        }
    };
    may_inspect(&process).map_err(|_| Errno::EPERM)?;
    process.memory().map_err(|_| Errno::EINVAL)
}

/// migrate_pages(2): all are on the only node.
pub fn migrate_pages(call: &mut Call<'_>) -> Result<u64> {
    nodes(call.word(2), call.word(1))?;
    let new = nodes(call.word(3), call.word(1))?;
    memory_of(call, call.uint(0))?;
    if new & !ONLY != 0 {
        call.require(Cap::CAP_SYS_NICE)?;
    }
    match new & ONLY {
        0 => Err(Errno::EINVAL),
        _ => Ok(0),
    }
}

/// move_pages(2): where pages are, or that they are where they are to be.
pub fn move_pages(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(5);
    if flags & !(MF_MOVE | MF_MOVE_ALL) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & MF_MOVE_ALL != 0 {
        call.require(Cap::CAP_SYS_NICE)?;
    }
    let memory = memory_of(call, call.uint(0))?;
    let (pages, status) = (call.pointer::<u64>(2), call.pointer::<i32>(4));
    let wanted = call.pointer::<i32>(3).non_null();
    for index in 0..call.word(1) {
        let index = usize::try_from(index).map_err(|_| Errno::EFAULT)?;
        let page = pages.at(index)?.read()?;
        if let Some(wanted) = wanted
            && wanted.at(index)?.read()? != 0
        {
            return Err(Errno::ENODEV);
        }
        let held = memory.space.lock().is_page_held(page);
        let told = match held {
            Some(true) => 0,
            Some(false) => -Errno::ENOENT.number(),
            None => -Errno::EFAULT.number(),
        };
        status.at(index)?.write(&told)?;
        if call.thread.is_doomed() {
            return Err(Errno::EINTR);
        }
    }
    Ok(0)
}
