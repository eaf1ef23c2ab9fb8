//! [`Pass`]: one go at an object under its lock.

use paddock_abi::{Errno, Result};

/// What an object has moved while it held a lock, by copies that never sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Bytes that it has moved.
    pub moved: usize,
    /// Bytes that it would have, were no page missing.
    pub wanted: usize,
}

impl Pass {
    /// Nothing is there to be moved.
    pub const NOTHING: Pass = Pass {
        moved: 0,
        wanted: 0,
    };
}

/// How often the pages that a pass needs may be gone again, or not all be good, before
/// it has moved anything.
const FRUITLESS: u32 = 16;
/// The most bytes that are brought in ahead of a pass.
const AHEAD: usize = 256 << 10;

/// Makes steps, each told how many bytes went before it, until one moves nothing; how
/// many bytes it was.
///
/// # Errors
/// That of a step, if nothing has been moved: a later one ends it early.
pub fn in_steps(mut step: impl FnMut(usize) -> Result<usize>) -> Result<usize> {
    let mut total = 0;
    loop {
        match step(total) {
            Ok(0) => return Ok(total),
            Ok(count) => total += count,
            Err(_) if total > 0 => return Ok(total),
            Err(error) => return Err(error),
        }
    }
}

/// Makes passes over an object until nothing is left to be moved, and lets
/// `fault_in` bring in what is missing in between; how many bytes it was.
///
/// # Errors
/// Those of either, if nothing has been moved; `EFAULT` if passes remain fruitless, as
/// where an object takes all or nothing.
pub(crate) fn repeat<T>(
    cursor: &mut T,
    mut pass: impl FnMut(&mut T) -> Result<Pass>,
    fault_in: impl Fn(&T, usize) -> Result<()>,
) -> Result<usize> {
    let (mut total, mut fruitless) = (0, 0);
    loop {
        let next = pass(cursor).and_then(|Pass { moved, wanted }| {
            total += moved;
            if moved == wanted {
                return Ok(false);
            }
            fruitless = if moved == 0 { fruitless + 1 } else { 0 };
            if fruitless > FRUITLESS {
                return Err(Errno::EFAULT);
            }
            fault_in(cursor, (wanted - moved).min(AHEAD)).map(|()| true)
        });
        match next {
            Ok(true) => {}
            Ok(false) => return Ok(total),
            Err(_) if total > 0 => return Ok(total),
            Err(error) => return Err(error),
        }
    }
}
