//! Memory: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), madvise(2),
//! msync(2).

use super::{Call, mlock};
use crate::process::Arm;
use crate::process::memory::{FilePages, Memory};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::mman::*;
use paddock_abi::process::{READ_IMPLIES_EXEC, RLIMIT_AS, RLIMIT_DATA};
use paddock_abi::{Errno, Result};
use paddock_mem::{Access, FaultError, Limits, MapRequest, MapSource, PageRange, populate};
use paddock_sync::try_arc;
use paddock_vfs::{FileKind, Path, WritableMapping, notify};

fn memory(call: &Call<'_>) -> Result<Arc<Memory>> {
    call.process().memory()
}

/// `PROT_GROWSDOWN` and `PROT_GROWSUP`.
const PROT_GROWS: u64 = 0x0300_0000;

/// A protection, with what the caller's personality adds to it. `EINVAL`.
fn protection(call: &Call<'_>, bits: u64) -> Result<Prot> {
    let wanted = u32::try_from(bits).ok().and_then(Prot::from_bits);
    let wanted = wanted.ok_or(Errno::EINVAL)?;
    let personality = call.process().personality.load(Ordering::Relaxed);
    match wanted.contains(Prot::READ) && personality & READ_IMPLIES_EXEC != 0 {
        true => Ok(wanted | Prot::EXEC),
        false => Ok(wanted),
    }
}

/// mmap(2).
pub fn mmap(call: &mut Call<'_>) -> Result<u64> {
    let flags = MapFlags::from_bits_retain(call.uint(3));
    if flags.contains(MapFlags::HUGETLB) {
        return Err(Errno::EINVAL);
    }
    let mut request = MapRequest {
        address: call.word(0),
        length: call.word(1),
        prot: protection(call, call.word(2))?,
        flags,
        source: None,
        may: Prot::all(),
    };
    if !flags.contains(MapFlags::ANONYMOUS) {
        let validates = flags.bits() & MAP_TYPE == MAP_SHARED_VALIDATE;
        if validates && flags.bits() & !MAP_OLD != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        set_file(call, &mut request)?;
    }
    let memory = memory(call)?;
    let start = {
        let mut space = memory.space.lock();
        let (address_space, data) = (
            call.process().limit(RLIMIT_AS),
            call.process().limit(RLIMIT_DATA),
        );
        let limits = Limits {
            address_space,
            data,
            ..space.limits()
        };
        space.set_limits(limits);
        if flags.contains(MapFlags::LOCKED) || space.lock_future() {
            request.flags |= MapFlags::LOCKED;
            mlock::check_limit(call, &space, request.length)?;
        }
        space.map(&request)?
    };
    let flags = request.flags;
    if flags.intersects(MapFlags::POPULATE | MapFlags::LOCKED) && !request.prot.is_empty() {
        touch(&memory, start, &request);
    }
    Ok(start)
}

/// Touches what was just mapped, as far as that is possible.
fn touch(memory: &Memory, start: u64, request: &MapRequest<Arm>) {
    let private = request.flags.bits() & MAP_TYPE == MapFlags::PRIVATE.bits();
    let writes = private && request.prot.contains(Prot::WRITE);
    let access = if writes { Access::Write } else { Access::Read };
    if let Some(range) = PageRange::new(start, request.length) {
        // What cannot be had now is asked for again by its first use.
        let _ = populate(&memory.space, range, access);
    }
}

/// Which file is mapped. `EACCES` if it is not open for that, `ENODEV` if it
/// cannot be mapped, `EPERM` if it is to be executed and its mount forbids that.
fn set_file(call: &Call<'_>, request: &mut MapRequest<Arm>) -> Result<()> {
    let file = call.usable_file(4)?;
    let flags = file.flags();
    let inode = file.inode().ok_or(Errno::ENODEV)?;
    if inode.kind() != FileKind::Regular {
        return Err(Errno::ENODEV);
    }
    let no_exec = file.path().is_some_and(Path::forbids_exec);
    if no_exec && request.prot.contains(Prot::EXEC) {
        return Err(Errno::EPERM);
    }
    let mut may = Prot::empty();
    may.set(Prot::EXEC, !no_exec);
    may.set(Prot::READ, flags.readable());
    may.set(Prot::WRITE, flags.writable());
    let is_shared = request.flags.bits() & MAP_TYPE != MapFlags::PRIVATE.bits();
    let writable = match is_shared && flags.writable() {
        true => match WritableMapping::new(inode) {
            Err(error) if request.prot.contains(Prot::WRITE) => return Err(error),
            Err(_) => {
                may.remove(Prot::WRITE);
                None
            }
            Ok(writable) => Some(writable),
        },
        false => None,
    };
    let mut pages = FilePages::new(inode.clone(), file.path().cloned())?;
    pages.set_writable(writable);
    let source: Arc<dyn MapSource<Arm>> = try_arc(pages)?;
    request.source = Some((source, call.word(5)));
    request.may = may;
    Ok(())
}

/// munmap(2).
pub fn munmap(call: &mut Call<'_>) -> Result<u64> {
    memory(call)?
        .space
        .lock()
        .unmap(call.word(0), call.word(1))?;
    notify::settle();
    Ok(0)
}

/// mprotect(2).
pub fn mprotect(call: &mut Call<'_>) -> Result<u64> {
    // A mapping grows in one direction.
    if call.word(2) & PROT_GROWS == PROT_GROWS {
        return Err(Errno::EINVAL);
    }
    let protection = protection(call, call.word(2))?;
    memory(call)?
        .space
        .lock()
        .protect(call.word(0), call.word(1), protection)?;
    Ok(0)
}

/// remap_file_pages(2): another mapping at the same place, as on Linux.
pub fn remap_file_pages(call: &mut Call<'_>) -> Result<u64> {
    if call.word(2) != 0 {
        return Err(Errno::EINVAL);
    }
    let memory = memory(call)?;
    let (start, length, page) = (call.word(0), call.word(1), call.word(3));
    memory.space.lock().remap_pages(start, length, page)?;
    Ok(0)
}

/// pkey_alloc(2): the processor has none (`ENOSPC`).
pub fn pkey_alloc(call: &mut Call<'_>) -> Result<u64> {
    const RIGHTS: u64 = 3;
    match call.word(0) != 0 || call.word(1) & !RIGHTS != 0 {
        true => Err(Errno::EINVAL),
        false => Err(Errno::ENOSPC),
    }
}

/// pkey_free(2): none is anybody's (`EINVAL`).
pub fn pkey_free(_: &mut Call<'_>) -> Result<u64> {
    Err(Errno::EINVAL)
}

/// pkey_mprotect(2): without a key, which is -1. `EINVAL` for others.
pub fn pkey_mprotect(call: &mut Call<'_>) -> Result<u64> {
    match call.int(3) {
        -1 => mprotect(call),
        _ => Err(Errno::EINVAL),
    }
}

/// mremap(2).
pub fn mremap(call: &mut Call<'_>) -> Result<u64> {
    let (old, old_length, new_length) = (call.word(0), call.word(1), call.word(2));
    memory(call)?
        .space
        .lock()
        .remap(old, old_length, new_length, call.uint(3), call.word(4))
}

/// brk(2): where the heap ends now.
pub fn brk(call: &mut Call<'_>) -> Result<u64> {
    Ok(memory(call)?.space.lock().brk(call.word(0)))
}

/// madvise(2): what changes what a program sees is done; advice that only
/// changes speed is taken note of.
pub fn madvise(call: &mut Call<'_>) -> Result<u64> {
    let (start, length) = (call.word(0), call.word(1));
    let memory = memory(call)?;
    let access = match call.uint(2) {
        MADV_POPULATE_READ => Access::Read,
        MADV_POPULATE_WRITE => Access::Write,
        MADV_REMOVE => {
            let parts = memory.space.lock().removed_parts(start, length)?;
            for part in parts {
                part.source.remove(part.first, part.pages)?;
            }
            return Ok(0);
        }
        advice => {
            return memory
                .space
                .lock()
                .advise(start, length, advice)
                .map(|()| 0);
        }
    };
    if length == 0 {
        return Ok(0);
    }
    let range = PageRange::new(start, length).ok_or(Errno::EINVAL)?;
    match populate(&memory.space, range, access) {
        Ok(()) => Ok(0),
        Err(FaultError::NotMapped | FaultError::OutOfMemory) => Err(Errno::ENOMEM),
        Err(FaultError::NotAllowed) => Err(Errno::EINVAL),
        Err(FaultError::Bus) => Err(Errno::EFAULT),
    }
}

/// msync(2): the files behind shared mappings reach the disk.
pub fn msync(call: &mut Call<'_>) -> Result<u64> {
    let (start, flags) = (call.word(0), call.uint(2));
    let known = MS_ASYNC | MS_INVALIDATE | MS_SYNC;
    if flags & !known != 0 || flags & (MS_ASYNC | MS_SYNC) == (MS_ASYNC | MS_SYNC) {
        return Err(Errno::EINVAL);
    }
    let write = flags & MS_SYNC != 0;
    let targets = memory(call)?.space.lock().sync_targets(
        start,
        call.word(1),
        (write, flags & MS_INVALIDATE != 0),
    )?;
    let mut result = Ok(0);
    for target in targets {
        result = target.source.sync().and(result);
    }
    result
}
