//! Waiting for children: wait4(2), waitid(2).

use super::{Call, pidfd};
use crate::process::{Process, folders, identity, tree};
use paddock_abi::process::{P_ALL, P_PGID, P_PID, P_PIDFD, Rusage, WaitOptions};
use paddock_abi::signal::{SIGCHLD, Siginfo};
use paddock_abi::{Errno, Result};
use paddock_process::{Selector, Waited};
use paddock_sync::NO_DEADLINE;

/// wait4(2).
pub fn wait4(call: &mut Call<'_>) -> Result<u64> {
    let given = WaitOptions::from_bits(call.uint(2)).ok_or(Errno::EINVAL)?;
    if given.intersects(WaitOptions::EXITED | WaitOptions::NOWAIT) {
        return Err(Errno::EINVAL);
    }
    let which = match call.int(0) {
        -1 => Selector::Any,
        0 => own_group(call)?,
        // Whose group it would be has no positive number.
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid > 0 => Selector::Pid(child_number(call, pid as u32)?),
        group => Selector::Group(child_number(call, group.unsigned_abs())?),
    };
    let Some(child) = wait(call, which, given | WaitOptions::EXITED)? else {
        return Ok(0);
    };
    if let Some(status) = call.pointer::<i32>(1).non_null() {
        status.write(&child.status.to_raw())?;
    }
    if let Some(usage) = call.pointer::<Rusage>(3).non_null() {
        usage.write(&child.usage.to_rusage())?;
    }
    Ok(u64::from(child.number.get()))
}

/// The kernel's number for that of a child or of its group. `ECHILD`.
fn child_number(call: &Call<'_>, number: u32) -> Result<u32> {
    call.find_number(number).ok_or(Errno::ECHILD)
}

fn own_group(call: &Call<'_>) -> Result<Selector> {
    Ok(Selector::Group(tree().lock().group(call.process().pid)?))
}

/// Waits for a child, or looks for one; `None` if there is no news and the
/// call is not to wait. May sleep.
fn wait(call: &Call<'_>, which: Selector, options: WaitOptions) -> Result<Option<Waited<Process>>> {
    let process = call.process();
    let look = || {
        let mut tree = tree().lock();
        let found = tree.wait_by(call.thread.tid, process.pid, which, options);
        found.transpose()
    };
    let found = match options.contains(WaitOptions::NOHANG) {
        true => look().transpose()?,
        false => {
            let found = process.children.wait_interruptible(NO_DEADLINE, look);
            found.map_err(|_| Errno::ERESTARTSYS)?.map(Some)?
        }
    };
    if let Some(gone) = found.as_ref().and_then(|child| child.gone.as_ref()) {
        folders::process_ended(gone);
    }
    Ok(found)
}

/// waitid(2).
pub fn waitid(call: &mut Call<'_>) -> Result<u64> {
    let options = WaitOptions::from_bits(call.uint(3)).ok_or(Errno::EINVAL)?;
    let kinds = WaitOptions::EXITED | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    if !options.intersects(kinds) {
        return Err(Errno::EINVAL);
    }
    let id = call.uint(1);
    let mut options = options;
    let mut never_waits = false;
    let which = match call.uint(0) {
        P_PIDFD => {
            let file = call.file(1)?;
            never_waits = file.nonblocking() && !options.contains(WaitOptions::NOHANG);
            options.set(
                WaitOptions::NOHANG,
                options.contains(WaitOptions::NOHANG) || never_waits,
            );
            Selector::Pid(pidfd::process_of(&file)?.pid)
        }
        P_ALL => Selector::Any,
        P_PID | P_PGID if id > i32::MAX as u32 => return Err(Errno::EINVAL),
        P_PID if id != 0 => Selector::Pid(child_number(call, id)?),
        P_PGID if id == 0 => own_group(call)?,
        P_PGID => Selector::Group(child_number(call, id)?),
        _ => return Err(Errno::EINVAL),
    };
    let child = wait(call, which, options)?;
    if child.is_none() && never_waits {
        return Err(Errno::EAGAIN);
    }
    if let Some(info) = call.pointer::<Siginfo>(2).non_null() {
        info.write(&child.as_ref().map_or_else(Siginfo::default, siginfo))?;
    }
    if let (Some(child), Some(usage)) = (&child, call.pointer::<Rusage>(4).non_null()) {
        usage.write(&child.usage.to_rusage())?;
    }
    Ok(0)
}

fn siginfo(child: &Waited<Process>) -> Siginfo {
    let (code, status) = child.status.to_siginfo();
    let uid = identity::viewer().shown_uid(child.uid);
    let mut info = Siginfo::child(code, child.number.get() as i32, uid, status, (0, 0));
    info.si_signo = SIGCHLD as i32;
    info
}
