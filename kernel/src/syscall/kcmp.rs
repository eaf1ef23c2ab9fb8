//! Whether two processes share something: kcmp(2).

use super::Call;
use crate::process::identity::may_inspect;
use crate::process::{UserThread, tree};
use crate::random;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::{Errno, Result};
use paddock_sync::OnceCell;
use zerocopy::IntoBytes;

const KCMP_FILE: u32 = 0;
const KCMP_VM: u32 = 1;
const KCMP_FILES: u32 = 2;
const KCMP_FS: u32 = 3;
const KCMP_SIGHAND: u32 = 4;
const KCMP_IO: u32 = 5;
const KCMP_SYSVSEM: u32 = 6;
const KCMP_EPOLL_TFD: u32 = 7;

/// What addresses are mixed with, so that their order tells nothing of them.
static COOKIES: OnceCell<[u64; 2]> = OnceCell::new();

fn mixed(address: usize) -> u64 {
    let make = || {
        let mut new = [0u64; 2];
        random::fill(new.as_mut_bytes());
        let _ = COOKIES.set(new);
        COOKIES.get().copied().unwrap_or(new)
    };
    let [first, second] = COOKIES.get().copied().unwrap_or_else(make);
    (address as u64 ^ first).wrapping_mul(second | 1)
}

/// The thread of a number, which the caller may look into. `ESRCH`, `EPERM`.
fn thread(call: &Call<'_>, index: usize) -> Result<Arc<UserThread>> {
    let tid = call.number(index)?;
    let process = tree().lock().process_of(tid).ok_or(Errno::ESRCH)?;
    let thread = process.thread(tid).ok_or(Errno::ESRCH)?;
    may_inspect(&process).map_err(|_| Errno::EPERM)?;
    Ok(thread)
}

/// The address of what is compared; zero for none.
fn identity(thread: &Arc<UserThread>, kind: u32, fd: u64) -> Result<usize> {
    let process = &thread.process;
    let own = Arc::as_ptr(process).addr();
    Ok(match kind {
        KCMP_FILE => {
            let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
            Arc::as_ptr(&process.files().lock().get(fd)?).addr()
        }
        KCMP_VM => Arc::as_ptr(&process.memory()?).addr(),
        KCMP_FILES => Arc::as_ptr(&process.files()).addr(),
        KCMP_FS => process.shared_places.identity().unwrap_or(own),
        KCMP_SIGHAND => own,
        KCMP_IO if thread.ioprio.load(Ordering::Relaxed) == 0 => 0,
        KCMP_IO => Arc::as_ptr(thread).addr(),
        KCMP_SYSVSEM if process.sem_undo.lock().is_empty() => 0,
        KCMP_SYSVSEM => own,
        _ => return Err(Errno::EINVAL),
    })
}

/// kcmp(2): 0 for the same, else which comes first. `EOPNOTSUPP` for what an epoll
/// watches.
pub fn kcmp(call: &mut Call<'_>) -> Result<u64> {
    let (first, second) = (thread(call, 0)?, thread(call, 1)?);
    let kind = call.uint(2);
    if kind == KCMP_EPOLL_TFD {
        return Err(Errno::EOPNOTSUPP);
    }
    let first = mixed(identity(&first, kind, call.word(3))?);
    let second = mixed(identity(&second, kind, call.word(4))?);
    Ok(match first.cmp(&second) {
        core::cmp::Ordering::Equal => 0,
        core::cmp::Ordering::Less => 1,
        core::cmp::Ordering::Greater => 2,
    })
}
