//! Mounts by descriptors: open_tree(2), move_mount(2).

use super::{Call, paths};
use crate::process::vfs::namespace;
use paddock_abi::fcntl::{AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW};
use paddock_abi::{Errno, Result};
use paddock_vfs::{OpenFlags, Path};

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = OpenFlags::CLOEXEC.bits();

/// open_tree(2).
pub fn open_tree(call: &mut Call<'_>) -> Result<u64> {
    const KNOWN: u32 = AT_EMPTY_PATH
        | AT_NO_AUTOMOUNT
        | AT_RECURSIVE
        | AT_SYMLINK_NOFOLLOW
        | OPEN_TREE_CLONE
        | OPEN_TREE_CLOEXEC;
    let flags = call.uint(2);
    let (clone, recursive) = (flags & OPEN_TREE_CLONE != 0, flags & AT_RECURSIVE != 0);
    if flags & !KNOWN != 0 || recursive && !clone {
        return Err(Errno::EINVAL);
    }
    let context = call.context();
    if clone {
        namespace().may_mount(&context)?;
    }
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    let path = call.path(1)?;
    let at = paths::place(call, 0, &path, flags & AT_EMPTY_PATH, follow)?;
    let file = match clone {
        true => namespace().clone_tree(&context, &at, recursive)?,
        false => namespace().open_existing(&context, at, OpenFlags::PATH)?,
    };
    let installed = OpenFlags::from_bits_truncate(flags & OPEN_TREE_CLOEXEC);
    Ok(call.install(file, installed)? as u64)
}

/// Links at the end of the path are followed.
const SYMLINKS: u32 = 1;
const AUTOMOUNTS: u32 = 2;
/// An empty path is the descriptor itself.
const EMPTY_PATH: u32 = 4;

/// A place of move_mount(2), by its three flags.
fn end_of_move(call: &Call<'_>, index: usize, flags: u32) -> Result<Path> {
    let path = call.path(index + 1)?;
    let empty = match flags & EMPTY_PATH {
        0 => 0,
        _ => AT_EMPTY_PATH,
    };
    paths::place(call, index, &path, empty, flags & SYMLINKS != 0)
}

/// move_mount(2): no mount tells another of what is mounted, so that there are no groups
/// to set (`EINVAL`).
pub fn move_mount(call: &mut Call<'_>) -> Result<u64> {
    const ONE: u32 = SYMLINKS | AUTOMOUNTS | EMPTY_PATH;
    let flags = call.uint(4);
    let context = call.context();
    namespace().may_mount(&context)?;
    if flags & !(ONE | ONE << 4) != 0 {
        return Err(Errno::EINVAL);
    }
    let from = end_of_move(call, 0, flags)?;
    let to = end_of_move(call, 2, flags >> 4)?;
    namespace().move_place(&context, &from, to)?;
    Ok(0)
}
