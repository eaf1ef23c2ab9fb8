//! Files without names in memory, and their seals: memfd_create(2), fcntl(2).

use super::Call;
use crate::fs;
use crate::process::vfs::namespace;
use crate::user_memory::read_string;
use paddock_abi::fcntl::{MFD_ALLOW_SEALING, MFD_CLOEXEC};
use paddock_abi::{Errno, Result};
use paddock_vfs::{FileKind, NewNode, OpenFile, OpenFlags};

/// The longest name, without what goes in front of it.
const NAME_MAX: usize = 249;
const PREFIX: &[u8] = b"memfd:";
/// Its mode: as on Linux, all may do everything who have it.
const MODE: u32 = 0o777;

/// memfd_create(2): without huge pages (`EINVAL`).
pub fn memfd_create(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(1);
    if flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING) != 0 {
        return Err(Errno::EINVAL);
    }
    let given = read_string(call.word(0), NAME_MAX + 1, Errno::EINVAL)?;
    let mut name = [0; PREFIX.len() + NAME_MAX + 1];
    let length = PREFIX.len() + given.len();
    name[..PREFIX.len()].copy_from_slice(PREFIX);
    let rest = name.get_mut(PREFIX.len()..length).ok_or(Errno::EINVAL)?;
    rest.copy_from_slice(&given);
    let cred = call.thread.cred();
    let node = NewNode::new(FileKind::Regular, MODE, &cred);
    let home = fs::memory_files()?;
    let file = namespace().open_nameless(&home, &name[..length], &node, OpenFlags::RDWR)?;
    if flags & MFD_ALLOW_SEALING != 0
        && let Some(seals) = file.inode().and_then(|inode| inode.seals())
    {
        seals.allow();
    }
    let mut installed = OpenFlags::empty();
    installed.set(OpenFlags::CLOEXEC, flags & MFD_CLOEXEC != 0);
    call.install(file, installed).map(|fd| fd as u64)
}

/// `F_GET_SEALS`. `EINVAL` for a file that has none.
pub fn get_seals(file: &OpenFile) -> Result<u64> {
    let seals = file.inode().and_then(|inode| inode.seals());
    seals
        .map(|seals| u64::from(seals.get()))
        .ok_or(Errno::EINVAL)
}

/// `F_ADD_SEALS`.
pub fn add_seals(file: &OpenFile, seals: u64) -> Result<u64> {
    if !file.flags().writable() {
        return Err(Errno::EPERM);
    }
    let seals = u32::try_from(seals).map_err(|_| Errno::EINVAL)?;
    let inode = file.inode().ok_or(Errno::EINVAL)?;
    inode.add_seals(seals).map(|()| 0)
}
