//! Process accounting: acct(2).

use super::Call;
use crate::process::acct;
use crate::process::vfs::namespace;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_vfs::OpenFlags;

/// acct(2): who used rights of the superuser's is not told (`ASU`), and the filesystem of
/// the file stays in use.
pub fn acct(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_SYS_PACCT)?;
    let space = &call.process().space;
    if call.word(0) == 0 {
        acct::end(space);
        return Ok(0);
    }
    let path = call.path(0)?;
    let flags = OpenFlags::WRONLY | OpenFlags::APPEND | OpenFlags::NONBLOCK;
    let file = namespace().open(&call.context(), &path, flags, 0)?;
    if !file.is_regular() {
        return Err(Errno::EACCES);
    }
    acct::begin(space, file)?;
    Ok(0)
}
