//! Identity: process numbers, users, groups, sessions (credentials(7)).
//!
//! Users and groups are the calling thread's own, as on Linux; the C library
//! makes all threads of a process change theirs.

use super::Call;
use crate::process::{identity, tree};
use crate::user_memory::UserPtr;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cred, Ids, NGROUPS_MAX};

/// getpid(2).
pub fn getpid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().number.get()))
}

/// getppid(2).
pub fn getppid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().parent().get()))
}

/// gettid(2).
pub fn gettid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.thread.number.get()))
}

/// A user as the thread's own user namespace knows it.
fn shown_uid(cred: &Cred, uid: u32) -> u32 {
    cred.user_namespace.shown_uid(uid)
}

/// A group, likewise.
fn shown_gid(cred: &Cred, gid: u32) -> u32 {
    cred.user_namespace.shown_gid(gid)
}

/// getuid(2).
pub fn getuid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(
        call.thread.with_cred(|cred| shown_uid(cred, cred.uid.real)),
    ))
}

/// geteuid(2).
pub fn geteuid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(
        call.thread
            .with_cred(|cred| shown_uid(cred, cred.uid.effective)),
    ))
}

/// getgid(2).
pub fn getgid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(
        call.thread.with_cred(|cred| shown_gid(cred, cred.gid.real)),
    ))
}

/// getegid(2).
pub fn getegid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(
        call.thread
            .with_cred(|cred| shown_gid(cred, cred.gid.effective)),
    ))
}

fn three(call: &Call<'_>, ids: fn(&Cred) -> Ids, shown: fn(&Cred, u32) -> u32) -> Result<u64> {
    let all = call.thread.with_cred(|cred| {
        let ids = ids(cred);
        [ids.real, ids.effective, ids.saved].map(|id| shown(cred, id))
    });
    for (index, id) in all.iter().enumerate() {
        call.pointer::<u32>(index).write(id)?;
    }
    Ok(0)
}

/// getresuid(2).
pub fn getresuid(call: &mut Call<'_>) -> Result<u64> {
    three(call, |cred| cred.uid, shown_uid)
}

/// getresgid(2).
pub fn getresgid(call: &mut Call<'_>) -> Result<u64> {
    three(call, |cred| cred.gid, shown_gid)
}

/// Goes on as `make` says, if that may be and is another.
pub fn change(call: &Call<'_>, make: impl FnOnce(&Cred) -> Result<Cred>) -> Result<u64> {
    let old = call.thread.cred();
    let new = make(&old)?;
    if new != *old {
        identity::change(call.thread, new)?;
    }
    Ok(0)
}

/// An id in an argument; -1 is no wish.
fn wish(call: &Call<'_>, index: usize) -> Option<u32> {
    Some(call.uint(index)).filter(|&id| id != u32::MAX)
}

/// One that must be one. `EINVAL`.
fn id(call: &Call<'_>, index: usize) -> Result<u32> {
    wish(call, index).ok_or(Errno::EINVAL)
}

/// setuid(2).
pub fn setuid(call: &mut Call<'_>) -> Result<u64> {
    let id = id(call, 0)?;
    change(call, |old| old.set_uid(id))
}

/// setgid(2).
pub fn setgid(call: &mut Call<'_>) -> Result<u64> {
    let id = id(call, 0)?;
    change(call, |old| old.set_gid(id))
}

/// setreuid(2).
pub fn setreuid(call: &mut Call<'_>) -> Result<u64> {
    change(call, |old| old.set_reuid(wish(call, 0), wish(call, 1)))
}

/// setregid(2).
pub fn setregid(call: &mut Call<'_>) -> Result<u64> {
    change(call, |old| old.set_regid(wish(call, 0), wish(call, 1)))
}

/// setresuid(2).
pub fn setresuid(call: &mut Call<'_>) -> Result<u64> {
    change(call, |old| {
        old.set_resuid([0, 1, 2].map(|index| wish(call, index)))
    })
}

/// setresgid(2).
pub fn setresgid(call: &mut Call<'_>) -> Result<u64> {
    change(call, |old| {
        old.set_resgid([0, 1, 2].map(|index| wish(call, index)))
    })
}

/// setfsuid(2): the old one, whatever comes of the wish.
pub fn setfsuid(call: &mut Call<'_>) -> Result<u64> {
    let old = call.thread.with_cred(|cred| shown_uid(cred, cred.uid.fs));
    if let Some(id) = wish(call, 0) {
        change(call, |cred| Ok(cred.set_fsuid(id)))?;
    }
    Ok(u64::from(old))
}

/// setfsgid(2), likewise.
pub fn setfsgid(call: &mut Call<'_>) -> Result<u64> {
    let old = call.thread.with_cred(|cred| shown_gid(cred, cred.gid.fs));
    if let Some(id) = wish(call, 0) {
        change(call, |cred| Ok(cred.set_fsgid(id)))?;
    }
    Ok(u64::from(old))
}

/// getgroups(2).
pub fn getgroups(call: &mut Call<'_>) -> Result<u64> {
    let groups = call.thread.with_cred(|cred| cred.groups.clone());
    let size = usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)?;
    if size == 0 {
        return Ok(groups.len() as u64);
    }
    if size < groups.len() {
        return Err(Errno::EINVAL);
    }
    let list: UserPtr<u32> = call.pointer(1);
    for (index, group) in groups.iter().enumerate() {
        let group = call.thread.with_cred(|cred| shown_gid(cred, *group));
        list.at(index)?.write(&group)?;
    }
    Ok(groups.len() as u64)
}

/// setgroups(2).
pub fn setgroups(call: &mut Call<'_>) -> Result<u64> {
    call.thread.with_cred(Cred::check_setgroups)?;
    let count = call.uint(0) as usize;
    if count > NGROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    let list: UserPtr<u32> = call.pointer(1);
    let mut groups = Vec::new();
    groups.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count {
        groups.push(list.at(index)?.read()?);
    }
    if groups.contains(&u32::MAX) {
        return Err(Errno::EINVAL);
    }
    change(call, |old| old.set_groups(groups))
}

/// A process number in an argument; zero is the caller's own.
fn pid_or_own(call: &Call<'_>, index: usize) -> Result<u32> {
    match call.int(index) {
        0 => Ok(call.process().pid),
        _ => call.number(index),
    }
}

/// setpgid(2).
pub fn setpgid(call: &mut Call<'_>) -> Result<u64> {
    // Without a group that of the process's number is meant, whatever that is.
    let named = if call.int(1) == 0 { 0 } else { 1 };
    if call.int(named) < 0 {
        return Err(Errno::EINVAL);
    }
    let pid = pid_or_own(call, 0)?;
    let group = match call.int(1) {
        0 => pid,
        // Nobody's is that of no group.
        _ => call.number(1).map_err(|_| Errno::EPERM)?,
    };
    tree().lock().set_group(call.process().pid, pid, group)?;
    Ok(0)
}

/// getpgid(2).
pub fn getpgid(call: &mut Call<'_>) -> Result<u64> {
    let pid = pid_or_own(call, 0)?;
    let group = tree().lock().group(pid)?;
    Ok(u64::from(call.known(group)))
}

/// getsid(2).
pub fn getsid(call: &mut Call<'_>) -> Result<u64> {
    let pid = pid_or_own(call, 0)?;
    let session = tree().lock().session(pid)?;
    Ok(u64::from(call.known(session)))
}

/// setsid(2).
pub fn setsid(call: &mut Call<'_>) -> Result<u64> {
    let session = tree().lock().new_session(call.process().pid)?;
    Ok(u64::from(call.known(session)))
}
