//! Files by handles: name_to_handle_at(2), open_by_handle_at(2).

use super::{Call, paths};
use crate::process::vfs::namespace;
use crate::user_memory::{UserPtr, read_bytes};
use paddock_abi::fcntl::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_vfs::{OpenFlags, Path};

/// The most bytes of a handle (`MAX_HANDLE_SZ`).
const MOST_BYTES: u32 = 128;
/// The form of a handle that did not fit (`FILEID_INVALID`).
const INVALID: u32 = 0xff;
/// Bytes of `struct file_handle` before the handle.
const HEAD: u64 = 8;

/// name_to_handle_at(2): for ext4 and files in memory (`EOPNOTSUPP`).
pub fn name_to_handle_at(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(4);
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = call.path(1)?;
    let follow = flags & AT_SYMLINK_FOLLOW != 0;
    let at = paths::place(call, 0, &path, flags & AT_EMPTY_PATH, follow)?;
    let handle = at.handle()?;
    let head = call.pointer::<[u32; 2]>(2);
    let [room, _] = head.read()?;
    if room > MOST_BYTES {
        return Err(Errno::EINVAL);
    }
    let bytes = handle.bytes();
    let fits = bytes.len() <= room as usize;
    let kind = match fits {
        true => handle.kind() as u32,
        false => INVALID,
    };
    let mount = at.mount().number() as u32;
    call.pointer::<u32>(3).write(&mount)?;
    head.write(&[bytes.len() as u32, kind])?;
    if !fits {
        return Err(Errno::EOVERFLOW);
    }
    let place = call.word(2).checked_add(HEAD).ok_or(Errno::EFAULT)?;
    for (index, byte) in bytes.iter().enumerate() {
        UserPtr::<u8>::new(place).at(index)?.write(byte)?;
    }
    Ok(0)
}

/// Where the mount is in which a handle is looked for. `EBADF`; `ESTALE` for what has no
/// place.
fn place_of(call: &Call<'_>) -> Result<Path> {
    match call.int(0) {
        AT_FDCWD => Ok(call.context().base),
        _ => call.usable_file(0)?.path().cloned().ok_or(Errno::ESTALE),
    }
}

/// open_by_handle_at(2).
pub fn open_by_handle_at(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_DAC_READ_SEARCH)?;
    let [length, kind] = call.pointer::<[u32; 2]>(1).read()?;
    if length > MOST_BYTES || length == 0 {
        return Err(Errno::EINVAL);
    }
    let place = call.word(1).checked_add(HEAD).ok_or(Errno::EFAULT)?;
    let bytes = read_bytes(place, length as usize)?;
    let on = place_of(call)?;
    let flags = OpenFlags::from_bits_truncate(call.uint(2));
    if flags.contains(OpenFlags::UNNAMED) {
        return Err(Errno::EINVAL);
    }
    paths::opened(call, flags, || {
        namespace().open_handle(&call.context(), &on, (kind as i32, &bytes), flags)
    })
}
