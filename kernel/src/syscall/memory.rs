//! Memory: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), madvise(2).

use super::Call;
use crate::user::memory::{FilePages, Memory};
use crate::user::{Arm, Page};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use paddock_abi::mman::*;
use paddock_abi::process::RLIMIT_AS;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};
use paddock_vfs::FileKind;
use paddock_vm::{Backing, MapRequest, MapSource, PAGE_SIZE, Placement, Protection};

fn memory(call: &Call<'_>) -> Result<Arc<Memory>> {
    call.process().memory()
}

fn protection(bits: u64) -> Result<Protection> {
    let prot = u32::try_from(bits).ok().and_then(Prot::from_bits).ok_or(Errno::EINVAL)?;
    Ok(Protection::from_bits_truncate(prot.bits()))
}

/// Memory without a file that parents and children share.
struct SharedPages(SpinLock<BTreeMap<u64, Page>, PreemptOff>);

impl MapSource<Arm> for SharedPages {
    fn page(&self, index: u64) -> Result<Page> {
        if let Some(page) = self.0.lock().get(&index) {
            return Ok(page.clone());
        }
        let page = Page::zeroed().ok_or(Errno::ENOMEM)?;
        Ok(self.0.lock().entry(index).or_insert(page).clone())
    }

    fn mark_dirty(&self, _: u64) {}

    fn name(&self) -> String {
        String::from("/dev/zero (deleted)")
    }
}

fn placement(address: u64, flags: MapFlags) -> Placement {
    if flags.contains(MapFlags::FIXED_NOREPLACE) {
        Placement::FixedFree(address)
    } else if flags.contains(MapFlags::FIXED) {
        Placement::Fixed(address)
    } else {
        Placement::Near(address)
    }
}

/// Whether the mapping is shared. `EINVAL` if it is neither that nor private.
fn is_shared(flags: u64) -> Result<bool> {
    match flags as u32 & MAP_TYPE {
        kind if kind == MapFlags::SHARED.bits() || kind == MAP_SHARED_VALIDATE => Ok(true),
        kind if kind == MapFlags::PRIVATE.bits() => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

/// mmap(2).
pub fn mmap(call: &mut Call<'_>) -> Result<u64> {
    let (address, length) = (call.word(0), call.word(1));
    let protection = protection(call.word(2))?;
    let shared = is_shared(call.word(3))?;
    let flags = MapFlags::from_bits_truncate(call.uint(3));
    let offset = call.word(5);
    if length == 0 || !offset.is_multiple_of(PAGE_SIZE) || flags.contains(MapFlags::HUGETLB) {
        return Err(Errno::EINVAL);
    }
    let backing = match flags.contains(MapFlags::ANONYMOUS) {
        true => anonymous(shared)?,
        false => file(call, offset, protection, shared)?,
    };
    let memory = memory(call)?;
    let mut space = memory.space.lock();
    let room = call.process().limit(RLIMIT_AS).saturating_sub(space.usage().virtual_bytes);
    if length > room {
        return Err(Errno::ENOMEM);
    }
    space.map(MapRequest {
        placement: placement(address, flags),
        length,
        protection,
        shared,
        grows_down: flags.contains(MapFlags::GROWSDOWN),
        backing,
        label: "",
    })
}

fn anonymous(shared: bool) -> Result<Backing<Arm>> {
    if !shared {
        return Ok(Backing::Anonymous);
    }
    let source = try_arc(SharedPages(SpinLock::new(Rank::Leaf, BTreeMap::new())))?;
    Ok(Backing::Source { source, first: 0 })
}

/// A file's pages. `EACCES` if it is not open for that, `ENODEV` if it cannot
/// be mapped.
fn file(call: &Call<'_>, offset: u64, protection: Protection, shared: bool) -> Result<Backing<Arm>> {
    let file = call.usable_file(4)?;
    let flags = file.flags();
    let writes = shared && protection.contains(Protection::WRITE);
    if !flags.readable() || writes && !flags.writable() {
        return Err(Errno::EACCES);
    }
    let inode = file.inode().ok_or(Errno::ENODEV)?;
    if inode.kind() != FileKind::Regular {
        return Err(Errno::ENODEV);
    }
    let writable = shared && flags.writable();
    let source = try_arc(FilePages::new(inode.clone(), file.path().cloned(), writable))?;
    Ok(Backing::Source { source, first: offset / PAGE_SIZE })
}

/// munmap(2).
pub fn munmap(call: &mut Call<'_>) -> Result<u64> {
    memory(call)?.space.lock().unmap(call.word(0), call.word(1))?;
    Ok(0)
}

/// mprotect(2).
pub fn mprotect(call: &mut Call<'_>) -> Result<u64> {
    let protection = protection(call.word(2))?;
    if call.word(1) == 0 {
        return Ok(0);
    }
    memory(call)?.space.lock().protect(call.word(0), call.word(1), protection)?;
    Ok(0)
}

/// mremap(2): without a wished place (`EINVAL` for `MREMAP_FIXED`).
pub fn mremap(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(3);
    if flags & !MREMAP_MAYMOVE != 0 || call.word(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let may_move = flags & MREMAP_MAYMOVE != 0;
    memory(call)?.space.lock().remap(call.word(0), call.word(1), call.word(2), may_move)
}

/// brk(2): where the heap ends now.
pub fn brk(call: &mut Call<'_>) -> Result<u64> {
    Ok(memory(call)?.space.lock().set_heap_end(call.word(0)))
}

/// madvise(2): what changes what a program sees is done; advice that only
/// changes speed is taken note of.
pub fn madvise(call: &mut Call<'_>) -> Result<u64> {
    let (start, length) = (call.word(0), call.word(1));
    if !start.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    match call.uint(2) {
        _ if length == 0 => Ok(0),
        MADV_DONTNEED => memory(call)?.space.lock().forget(start, length).map(|()| 0),
        // The pages may go, but need not.
        MADV_FREE | MADV_COLD | MADV_PAGEOUT => Ok(0),
        MADV_NORMAL | MADV_RANDOM | MADV_SEQUENTIAL | MADV_WILLNEED => Ok(0),
        MADV_HUGEPAGE | MADV_NOHUGEPAGE | MADV_DONTDUMP | MADV_DODUMP => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// msync(2): the files behind shared mappings reach the disk.
pub fn msync(call: &mut Call<'_>) -> Result<u64> {
    let (start, flags) = (call.word(0), call.uint(2));
    let known = MS_ASYNC | MS_INVALIDATE | MS_SYNC;
    if !start.is_multiple_of(PAGE_SIZE) || flags & !known != 0 || flags & (MS_ASYNC | MS_SYNC) == (MS_ASYNC | MS_SYNC) {
        return Err(Errno::EINVAL);
    }
    let memory = memory(call)?;
    let mapped = memory.space.lock().area_at(start).is_some();
    if call.word(1) > 0 && !mapped {
        return Err(Errno::ENOMEM);
    }
    if flags & MS_SYNC != 0 {
        crate::user::vfs::namespace().sync()?;
    }
    Ok(0)
}
