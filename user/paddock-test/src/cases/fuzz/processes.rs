//! Processes that begin and end.

use super::{Found, check, same};
use crate::sys::{self, End};
use std::collections::HashSet;

/// Many at once, each waited for by number or as they come.
pub fn children() -> Found {
    for round in 0..3 {
        let fork = |status| sys::fork(|| status);
        let children = (0..5).map(fork).collect::<Result<Vec<_>, _>>()?;
        let all: HashSet<i32> = children.iter().copied().collect();
        same("numbers are different", all.len(), children.len())?;
        if round == 0 {
            for (status, child) in children.into_iter().enumerate() {
                same("a child", sys::wait(child)?, End::Exited(status as i32))?;
            }
        } else {
            let ends = (0..5).map(|_| sys::wait_with(-1, 0).map(|(pid, _)| pid));
            let ended = ends.collect::<Result<HashSet<_>, _>>()?;
            same("those that ended", ended, all)?;
        }
    }
    check("none is left", sys::wait(-1).is_err())
}

/// Programs in new processes, and a chain of programs in one.
pub fn programs() -> Found {
    for status in 0..3 {
        let end = sys::run_self(&["exit", &status.to_string()])?;
        same("a program", end, End::Exited(status))?;
    }
    same(
        "a chain",
        sys::run_self(&["exec-chain", "3"])?,
        End::Exited(0),
    )
}

/// Grandchildren outlive their parent, who is gone before they are.
pub fn orphans() -> Found {
    for _ in 0..2 {
        let [reader, writer] = sys::pipe()?;
        let end = sys::in_child(|| {
            let grandchild = |_| {
                sys::fork(|| {
                    sys::sleep_ms(2);
                    i32::from(sys::write(writer, b"x").is_err())
                })
            };
            i32::from((0..3).map(grandchild).any(|child| child.is_err()))
        })?;
        same("their parent", end, End::Exited(0))?;
        sys::close(writer)?;
        same("they live", sys::read_to_end(reader)?.len(), 3)?;
        sys::close(reader)?;
    }
    Ok(())
}
