//! mount_setattr(2).

use super::{Call, paths};
use crate::process::vfs::namespace;
use crate::user_memory::check_unknown;
use paddock_abi::fcntl::{AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW};
use paddock_abi::{Errno, Result};
use paddock_mem::PAGE_SIZE;
use paddock_vfs::path::MountFlags;

/// When accesses are noted, which is never: the three values of a field.
const ATIME: u64 = 0x70;
const ATIMES: [u64; 3] = [0, 0x10, 0x20];
const NODIRATIME: u64 = 0x80;
/// Mounts tell nobody of other mounts: `MS_PRIVATE`, `MS_SLAVE`.
const PROPAGATIONS: [u64; 3] = [0, 1 << 18, 1 << 19];

/// Bytes of `struct mount_attr`, the only version.
const SIZE: u64 = 32;

/// The flags that bits stand for when all of them are set anew; `None` for unknown ones,
/// and for more than one time at which accesses are noted.
pub fn attributes(bits: u64) -> Option<MountFlags> {
    match ATIMES.contains(&(bits & ATIME)) {
        true => flags_of(bits),
        false => None,
    }
}

fn flags_of(bits: u64) -> Option<MountFlags> {
    MountFlags::from_attributes(bits & !(ATIME | NODIRATIME))
}

/// mount_setattr(2): without mapped ids (`EINVAL`).
pub fn mount_setattr(call: &mut Call<'_>) -> Result<u64> {
    let (flags, size) = (call.uint(2), call.word(4));
    let known = AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if size < SIZE {
        return Err(Errno::EINVAL);
    }
    namespace().may_mount(&call.context())?;
    check_unknown(call.word(3), SIZE, size)?;
    let [set, clear, propagation, _] = call.pointer::<[u64; 4]>(3).read()?;
    if set == 0 && clear == 0 && propagation == 0 {
        return Ok(0);
    }
    if !PROPAGATIONS.contains(&propagation) {
        return Err(Errno::EINVAL);
    }
    let atime = match clear & ATIME {
        0 => set & ATIME == 0,
        ATIME => ATIMES.contains(&(set & ATIME)),
        _ => false,
    };
    let (Some(set), Some(clear), true) = (flags_of(set), flags_of(clear), atime) else {
        return Err(Errno::EINVAL);
    };
    let path = call.path(1)?;
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    let at = paths::place(call, 0, &path, flags & AT_EMPTY_PATH, follow)?;
    let recursive = flags & AT_RECURSIVE != 0;
    namespace().change_mount_flags(&call.context(), &at, (set, clear), recursive)?;
    Ok(0)
}
