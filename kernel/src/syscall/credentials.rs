//! Identity: process numbers, users, groups, sessions (credentials(7)).
//!
//! Real, effective, saved and filesystem identities are one here: a process
//! has one user and one group.

use super::Call;
use crate::user::{accounts, tree};
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_abi::{Errno, Result};
use paddock_vfs::Credentials;

/// getpid(2).
pub fn getpid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().pid))
}

/// getppid(2).
pub fn getppid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().parent.load(Ordering::Relaxed)))
}

/// gettid(2).
pub fn gettid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.thread.tid))
}

/// getuid(2) and geteuid(2).
pub fn getuid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().paths.lock().credentials.uid))
}

/// getgid(2) and getegid(2).
pub fn getgid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().paths.lock().credentials.gid))
}

fn three(call: &Call<'_>, value: u32) -> Result<u64> {
    for index in 0..3 {
        call.pointer::<u32>(index).write(&value)?;
    }
    Ok(0)
}

/// getresuid(2).
pub fn getresuid(call: &mut Call<'_>) -> Result<u64> {
    let uid = getuid(call)? as u32;
    three(call, uid)
}

/// getresgid(2).
pub fn getresgid(call: &mut Call<'_>) -> Result<u64> {
    let gid = getgid(call)? as u32;
    three(call, gid)
}

/// Changes who the process is, if it is the superuser's or nothing changes.
fn change(call: &Call<'_>, changed: impl FnOnce(&Credentials) -> Credentials) -> Result<u64> {
    let mut paths = call.process().paths.lock();
    let old = &paths.credentials;
    let new = changed(old);
    let same = new.uid == old.uid && new.gid == old.gid && *new.groups == *old.groups;
    if old.uid != 0 && !same {
        return Err(Errno::EPERM);
    }
    accounts::change_user(call.process(), new.uid)?;
    paths.credentials = new;
    Ok(0)
}

/// The one identity that several arguments ask for; -1 is no wish. `EINVAL`
/// if they differ: there is only one identity to set.
fn agreed(wishes: &[u32]) -> Result<Option<u32>> {
    let mut wishes = wishes.iter().copied().filter(|&wish| wish != u32::MAX);
    let first = wishes.next();
    match wishes.all(|wish| Some(wish) == first) {
        true => Ok(first),
        false => Err(Errno::EINVAL),
    }
}

fn set_user(call: &Call<'_>, wishes: &[u32]) -> Result<u64> {
    let uid = agreed(wishes)?;
    change(call, |old| Credentials {
        uid: uid.unwrap_or(old.uid),
        ..old.clone()
    })
}

fn set_group(call: &Call<'_>, wishes: &[u32]) -> Result<u64> {
    let gid = agreed(wishes)?;
    change(call, |old| Credentials {
        gid: gid.unwrap_or(old.gid),
        ..old.clone()
    })
}

/// setuid(2).
pub fn setuid(call: &mut Call<'_>) -> Result<u64> {
    set_user(call, &[call.uint(0)])
}

/// setgid(2).
pub fn setgid(call: &mut Call<'_>) -> Result<u64> {
    set_group(call, &[call.uint(0)])
}

/// setreuid(2).
pub fn setreuid(call: &mut Call<'_>) -> Result<u64> {
    set_user(call, &[call.uint(0), call.uint(1)])
}

/// setregid(2).
pub fn setregid(call: &mut Call<'_>) -> Result<u64> {
    set_group(call, &[call.uint(0), call.uint(1)])
}

/// setresuid(2).
pub fn setresuid(call: &mut Call<'_>) -> Result<u64> {
    set_user(call, &[call.uint(0), call.uint(1), call.uint(2)])
}

/// setresgid(2).
pub fn setresgid(call: &mut Call<'_>) -> Result<u64> {
    set_group(call, &[call.uint(0), call.uint(1), call.uint(2)])
}

/// setfsuid(2): the old one, whatever comes of the wish, which can only be
/// the process's own.
pub fn setfsuid(call: &mut Call<'_>) -> Result<u64> {
    getuid(call)
}

/// setfsgid(2), likewise.
pub fn setfsgid(call: &mut Call<'_>) -> Result<u64> {
    getgid(call)
}

/// The most supplementary groups.
const NGROUPS_MAX: usize = 1024;

/// getgroups(2).
pub fn getgroups(call: &mut Call<'_>) -> Result<u64> {
    let groups = call.process().paths.lock().credentials.groups.clone();
    let size = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    if size == 0 {
        return Ok(groups.len() as u64);
    }
    if size < groups.len() {
        return Err(Errno::EINVAL);
    }
    let list: UserPtr<u32> = call.pointer(1);
    for (index, group) in groups.iter().enumerate() {
        list.at(index)?.write(group)?;
    }
    Ok(groups.len() as u64)
}

/// setgroups(2).
pub fn setgroups(call: &mut Call<'_>) -> Result<u64> {
    let count = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    if count > NGROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    let list: UserPtr<u32> = call.pointer(1);
    let mut groups = Vec::new();
    groups.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count {
        groups.push(list.at(index)?.read()?);
    }
    change(call, |old| Credentials {
        groups: Arc::from(groups),
        ..old.clone()
    })
}

/// A process number in an argument; zero is the caller's own.
fn pid_or_own(call: &Call<'_>, index: usize) -> Result<u32> {
    match call.int(index) {
        0 => Ok(call.process().pid),
        pid => u32::try_from(pid).map_err(|_| Errno::ESRCH),
    }
}

/// setpgid(2).
pub fn setpgid(call: &mut Call<'_>) -> Result<u64> {
    let pid = pid_or_own(call, 0)?;
    let group = match call.int(1) {
        0 => pid,
        group => u32::try_from(group).map_err(|_| Errno::EINVAL)?,
    };
    tree().lock().set_group(call.process().pid, pid, group)?;
    Ok(0)
}

/// getpgid(2).
pub fn getpgid(call: &mut Call<'_>) -> Result<u64> {
    let pid = pid_or_own(call, 0)?;
    Ok(u64::from(tree().lock().group(pid)?))
}

/// getsid(2).
pub fn getsid(call: &mut Call<'_>) -> Result<u64> {
    let pid = pid_or_own(call, 0)?;
    Ok(u64::from(tree().lock().session(pid)?))
}

/// setsid(2).
pub fn setsid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(tree().lock().new_session(call.process().pid)?))
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// capget(2): the superuser has every capability, others none.
pub fn capget(call: &mut Call<'_>) -> Result<u64> {
    let header: UserPtr<[u32; 2]> = call.pointer(0);
    let [version, pid] = header.read()?;
    if version != CAPABILITY_VERSION_3 {
        header.write(&[CAPABILITY_VERSION_3, pid])?;
        return if call.word(1) == 0 {
            Ok(0)
        } else {
            Err(Errno::EINVAL)
        };
    }
    if call.word(1) == 0 {
        return Ok(0);
    }
    let all = if getuid(call)? == 0 { u32::MAX } else { 0 };
    call.pointer::<[u32; 6]>(1)
        .write(&[all, all, 0, all >> 23, all >> 23, 0])?;
    Ok(0)
}
