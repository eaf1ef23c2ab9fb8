//! What this kernel has none of: modules and swap space. Who may ask is checked as on
//! Linux, and so is what is asked for.

use super::Call;
use crate::process::vfs::namespace;
use crate::user_memory::{UserPtr, read_path, read_string};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_vfs::{FileKind, OpenFlags};

/// Bytes of an ELF header, with which every module begins.
const HEADER: u64 = 64;
/// The longest name of a module, with its zero byte.
const MODULE_NAME: usize = 56;
/// `MODULE_INIT_IGNORE_MODVERSIONS` and `MODULE_INIT_IGNORE_VERMAGIC`.
const INIT_FLAGS: u32 = 3;

/// init_module(2): no module is of this kernel's kind (`ENOEXEC`).
pub fn init_module(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_SYS_MODULE)?;
    if call.word(1) >= HEADER {
        let last = UserPtr::<u8>::new(call.word(0).wrapping_add(call.word(1) - 1));
        call.pointer::<[u8; HEADER as usize]>(0).read()?;
        last.read()?;
    }
    Err(Errno::ENOEXEC)
}

/// finit_module(2): likewise.
pub fn finit_module(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_SYS_MODULE)?;
    if call.uint(2) & !INIT_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let file = call.usable_file(0)?;
    if !file.flags().readable() {
        return Err(Errno::EBADF);
    }
    if !file.is_regular() || file.metadata()?.size == 0 {
        return Err(Errno::EINVAL);
    }
    Err(Errno::ENOEXEC)
}

/// delete_module(2): none is loaded (`ENOENT`).
pub fn delete_module(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_SYS_MODULE)?;
    match read_string(call.word(0), MODULE_NAME, Errno::ENOENT) {
        Err(error) => Err(error),
        Ok(_) => Err(Errno::ENOENT),
    }
}

const SWAP_FLAGS: u32 = 0x7_ffff;

/// `EINVAL` for what is there: no file and no disk is swapped to.
fn no_swap(call: &Call<'_>) -> Result<u64> {
    let path = read_path(call.word(0))?;
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let at = namespace().resolve(&call.context(), &path, true)?;
    match at.inode().kind() {
        FileKind::Directory => Err(Errno::EISDIR),
        FileKind::Regular => {
            let flags = OpenFlags::RDWR | OpenFlags::CLOEXEC;
            namespace().open(&call.context(), &path, flags, 0)?;
            Err(Errno::EINVAL)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// swapon(2): nothing can be swapped to (`EINVAL`).
pub fn swapon(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(1) & !SWAP_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    call.require(Cap::CAP_SYS_ADMIN)?;
    no_swap(call)
}

/// swapoff(2): nothing is swapped to (`EINVAL`).
pub fn swapoff(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_SYS_ADMIN)?;
    no_swap(call)
}
