//! Extended attributes (xattr(7)), in nine calls by path and three by
//! descriptor.

use super::Call;
use crate::arch::user_access::copy_to_user;
use crate::process::vfs::namespace;
use crate::user_memory::{read_bytes, read_string};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::{Path, SetXattr};

/// Bytes of a name, its end included, and of a value.
const MOST_NAME: usize = 256;
const MOST_VALUE: u64 = 65_536;
const XATTR_CREATE: u32 = 1;
const XATTR_REPLACE: u32 = 2;

fn by_path(call: &Call<'_>, follow: bool) -> Result<Path> {
    let path = call.path(0)?;
    namespace().resolve(&call.context(), &path, follow)
}

fn by_descriptor(call: &Call<'_>) -> Result<Path> {
    let file = call.usable_file(0)?;
    file.path().cloned().ok_or(Errno::EOPNOTSUPP)
}

/// A name. `ERANGE` for none, or one that is too long.
fn name(call: &Call<'_>) -> Result<Vec<u8>> {
    let name = read_string(call.word(1), MOST_NAME, Errno::ERANGE)?;
    match name.is_empty() {
        true => Err(Errno::ERANGE),
        false => Ok(name),
    }
}

/// Gives what was found to the program, or its length alone for a size of 0.
/// `ERANGE` if it does not fit.
fn give(call: &Call<'_>, found: &[u8], buffer: usize) -> Result<u64> {
    let size = call.word(buffer + 1);
    let len = found.len() as u64;
    match size {
        0 => Ok(len),
        _ if len > size => Err(Errno::ERANGE),
        _ => {
            copy_to_user(call.word(buffer), found)?;
            Ok(len)
        }
    }
}

fn set(call: &Call<'_>, at: &Path) -> Result<u64> {
    let mode = match call.uint(4) {
        0 => SetXattr::Any,
        XATTR_CREATE => SetXattr::Create,
        XATTR_REPLACE => SetXattr::Replace,
        _ => return Err(Errno::EINVAL),
    };
    let name = name(call)?;
    if call.word(3) > MOST_VALUE {
        return Err(Errno::E2BIG);
    }
    let value = read_bytes(call.word(2), call.word(3) as usize)?;
    namespace().set_xattr(&call.context(), at, &name, &value, mode)?;
    Ok(0)
}

fn get(call: &Call<'_>, at: &Path) -> Result<u64> {
    let value = namespace().get_xattr(&call.context(), at, &name(call)?)?;
    give(call, &value, 2)
}

fn list(call: &Call<'_>, at: &Path) -> Result<u64> {
    let names = namespace().list_xattrs(&call.context(), at)?;
    give(call, &names, 1)
}

fn remove(call: &Call<'_>, at: &Path) -> Result<u64> {
    namespace().remove_xattr(&call.context(), at, &name(call)?)?;
    Ok(0)
}

/// setxattr(2).
pub fn setxattr(call: &mut Call<'_>) -> Result<u64> {
    set(call, &by_path(call, true)?)
}

/// lsetxattr(2).
pub fn lsetxattr(call: &mut Call<'_>) -> Result<u64> {
    set(call, &by_path(call, false)?)
}

/// fsetxattr(2).
pub fn fsetxattr(call: &mut Call<'_>) -> Result<u64> {
    set(call, &by_descriptor(call)?)
}

/// getxattr(2).
pub fn getxattr(call: &mut Call<'_>) -> Result<u64> {
    get(call, &by_path(call, true)?)
}

/// lgetxattr(2).
pub fn lgetxattr(call: &mut Call<'_>) -> Result<u64> {
    get(call, &by_path(call, false)?)
}

/// fgetxattr(2).
pub fn fgetxattr(call: &mut Call<'_>) -> Result<u64> {
    get(call, &by_descriptor(call)?)
}

/// listxattr(2).
pub fn listxattr(call: &mut Call<'_>) -> Result<u64> {
    list(call, &by_path(call, true)?)
}

/// llistxattr(2).
pub fn llistxattr(call: &mut Call<'_>) -> Result<u64> {
    list(call, &by_path(call, false)?)
}

/// flistxattr(2).
pub fn flistxattr(call: &mut Call<'_>) -> Result<u64> {
    list(call, &by_descriptor(call)?)
}

/// removexattr(2).
pub fn removexattr(call: &mut Call<'_>) -> Result<u64> {
    remove(call, &by_path(call, true)?)
}

/// lremovexattr(2).
pub fn lremovexattr(call: &mut Call<'_>) -> Result<u64> {
    remove(call, &by_path(call, false)?)
}

/// fremovexattr(2).
pub fn fremovexattr(call: &mut Call<'_>) -> Result<u64> {
    remove(call, &by_descriptor(call)?)
}
