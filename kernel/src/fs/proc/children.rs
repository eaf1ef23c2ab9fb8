//! `/proc/PID/task/TID/children`: the children of a process.

use super::pids::push;
use super::process::Subject;
use super::text::Text;
use crate::process::numbers::known_to;
use crate::process::tree;
use alloc::vec::Vec;
use paddock_abi::Result;

/// The numbers of all children, each with a space behind it. A process's
/// children are those of its first thread, whichever has made them.
pub fn children(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let pid = subject.process.pid;
    if subject.id() != pid {
        return Ok(());
    }
    let mut children = Vec::new();
    let mut result = Ok(());
    tree().lock().for_each_child(pid, |child| {
        if result.is_ok() {
            result = push(&mut children, child);
        }
    });
    result?;
    for child in &mut children {
        *child = known_to(&subject.space, *child).get();
    }
    children.sort_unstable();
    for child in children {
        out.put(format_args!("{child} "))?;
    }
    Ok(())
}
