//! The memory of other processes: process_vm_readv(2), process_vm_writev(2).

use super::Call;
use super::buffers::UserBuffers;
use crate::process::identity::may_inspect;
use crate::process::memory::Memory;
use crate::process::tree;
use alloc::sync::Arc;
use paddock_abi::uio::Iovec;
use paddock_abi::{Errno, Result};
use paddock_mem::PAGE_SIZE;
use paddock_user_io::with_buffer;

/// The memory of the process or thread that the call names, which the caller may change.
///
/// # Errors
/// `ESRCH` if there is none, or none any more; `EPERM`.
fn memory_of(call: &Call<'_>) -> Result<Arc<Memory>> {
    let pid = call.number(0)?;
    let process = tree().lock().process_of(pid).ok_or(Errno::ESRCH)?;
    may_inspect(&process).map_err(|_| Errno::EPERM)?;
    process.memory().map_err(|_| Errno::ESRCH)
}

/// Moves bytes to or from pieces of another's memory, no more than `left`: `step` is told
/// where, and moves as many as fit into its buffer, none of which is in another page. How
/// many bytes it was.
///
/// # Errors
/// Those of `step`, if nothing was moved.
fn each_page(
    pieces: &[Iovec],
    mut left: usize,
    mut step: impl FnMut(u64, &mut [u8]) -> Result<()>,
) -> Result<usize> {
    with_buffer(PAGE_SIZE as usize, |buffer| {
        let mut total = 0;
        for piece in pieces {
            let (mut at, mut rest) = (piece.iov_base, piece.iov_len);
            while rest > 0 && left > 0 {
                let in_page = PAGE_SIZE - at % PAGE_SIZE;
                let count = in_page.min(rest).min(left as u64) as usize;
                match step(at, &mut buffer[..count]) {
                    Err(_) if total > 0 => return Ok(total),
                    moved => moved?,
                }
                total += count;
                left -= count;
                rest -= count as u64;
                // Beyond the last address nothing is mapped.
                at = at.wrapping_add(count as u64);
            }
        }
        Ok(total)
    })
}

/// What both calls have in common: `body` moves bytes between the caller's pieces and the
/// other's memory, of which the pieces come last.
///
/// # Errors
/// `EINVAL` for flags, of which there are none; those of the pieces and of [`memory_of`].
fn transfer(
    call: &Call<'_>,
    body: impl FnOnce(&UserBuffers, &Memory, &[Iovec]) -> Result<usize>,
) -> Result<u64> {
    if call.word(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let own = UserBuffers::vector(call.pointer(1), call.word(2))?;
    let other = UserBuffers::vector(call.pointer(3), call.word(4))?;
    if own.length() == 0 || other.length() == 0 {
        return Ok(0);
    }
    let memory = memory_of(call)?;
    Ok(body(&own, &memory, other.pieces().0)? as u64)
}

/// process_vm_readv(2).
pub fn process_vm_readv(call: &mut Call<'_>) -> Result<u64> {
    transfer(call, |own, memory, pieces| {
        let mut to = own.writer();
        each_page(pieces, own.length(), |at, bytes| {
            memory.space.lock().read_bytes(at, bytes)?;
            all(to.copy_out(bytes)?, bytes.len())
        })
    })
}

/// process_vm_writev(2).
pub fn process_vm_writev(call: &mut Call<'_>) -> Result<u64> {
    transfer(call, |own, memory, pieces| {
        let mut from = own.reader();
        each_page(pieces, own.length(), |at, bytes| {
            all(from.copy_in(bytes)?, bytes.len())?;
            Ok(memory.space.lock().write_bytes(at, bytes)?)
        })
    })
}

/// A part of a page is not moved: it is not counted either.
fn all(count: usize, wanted: usize) -> Result<()> {
    match count == wanted {
        true => Ok(()),
        false => Err(Errno::EFAULT),
    }
}
