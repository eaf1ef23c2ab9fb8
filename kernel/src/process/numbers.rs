//! Numbers as programs know them: those of the running process's PID namespace, for the
//! kernel's own and back.

use super::object::Process;
use super::signals::{self, Targets};
use super::{current, folders, tree};
use alloc::sync::Arc;
use paddock_abi::process::WaitOptions;
use paddock_abi::{Errno, Result};
use paddock_process::{Local, PidSpace, Selector};

/// The kernel's number for one that the running program gives; as it is for the kernel.
/// `None` for nobody's.
pub fn find(number: Local) -> Option<u32> {
    match current() {
        Some(thread) => find_in(&thread.process.space, number),
        None => Some(number.get()),
    }
}

/// The kernel's number for one of a namespace. `None` for nobody's.
pub fn find_in(space: &PidSpace, number: Local) -> Option<u32> {
    match space.is_initial() {
        true => Some(number.get()),
        false => tree().lock().find_in(space, number),
    }
}

/// The number that the running program knows a task, group or session by.
pub fn known(id: u32) -> Local {
    match current() {
        Some(thread) => known_to(&thread.process.space, id),
        None => Local::new(id),
    }
}

/// The same for the programs of a namespace.
pub fn known_to(space: &PidSpace, id: u32) -> Local {
    match space.is_initial() {
        true => Local::new(id),
        false => tree().lock().number_in(space, id),
    }
}

/// A process has ended: if it was process 1 of a PID namespace, all that are in there end
/// as well, and are gone when this returns. Sleeps.
pub fn end_space(process: &Arc<Process>) {
    let space = &process.space;
    if space.is_initial() || process.number != Local::FIRST {
        return;
    }
    tree().lock().end_space(space);
    kill_others(process);
    while !is_alone(process) {
        reap(process);
    }
}

/// Waits until a process, which ends, is alone in its namespace, or has a child that has
/// ended; whether it is alone. Sleeps.
fn is_alone(process: &Process) -> bool {
    let options = ENDED | WaitOptions::NOWAIT;
    process.children.wait_until(|| {
        let mut tree = tree().lock();
        if tree.tasks_in(&process.space) <= 1 {
            return Some(true);
        }
        let child = tree.wait(process.pid, Selector::Any, options);
        child.is_ok_and(|child| child.is_some()).then_some(false)
    })
}

/// All children that have ended, whatever their signal was.
const ENDED: WaitOptions = WaitOptions::EXITED.union(WaitOptions::ALL);

/// Nobody comes into the namespace any more: these are all.
fn kill_others(process: &Arc<Process>) {
    let kill = |other: &Arc<Process>| {
        if !Arc::ptr_eq(process, other) {
            signals::kill(other);
        }
    };
    let space = &process.space;
    let found = Targets::find(|tree, add| {
        tree.for_each_in_space(space, |_, other| add(other));
    });
    if let Ok((others, ())) = found {
        return others.processes().iter().for_each(kill);
    }
    // Without memory one by one.
    let mut last = Local::NOBODY;
    let after = |last| tree().lock().next_in_space(space, last);
    while let Some((number, other)) = after(last) {
        kill(&other);
        last = number;
    }
}

/// Waits for all children that have ended.
fn reap(process: &Process) {
    let next = || tree().lock().wait(process.pid, Selector::Any, ENDED);
    while let Ok(Some(child)) = next() {
        if let Some(gone) = child.gone {
            folders::process_ended(&gone);
        }
    }
}

/// A number that a program gives. `ESRCH`.
pub fn given(number: u32) -> Result<u32> {
    find(Local::new(number)).ok_or(Errno::ESRCH)
}
