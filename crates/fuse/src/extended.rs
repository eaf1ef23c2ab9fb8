//! Extended attributes.

use crate::connection::NOTHING;
use crate::inode::FuseInode;
use crate::message::Message;
use crate::opcode::Opcode;
use crate::request::Expect;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::SetXattr;

/// The most bytes of a value, and of all names.
const MOST: usize = 65536;
/// `XATTR_CREATE`, `XATTR_REPLACE`.
const CREATE: u32 = 1;
const REPLACE: u32 = 2;

fn ask(inode: &FuseInode, message: Message, expect: Expect) -> Result<Vec<u8>> {
    let answer = inode.shared.ask_if_known(message, expect)?;
    answer.ok_or(Errno::EOPNOTSUPP)
}

pub fn get(inode: &FuseInode, name: &[u8]) -> Result<Vec<u8>> {
    inode.check_caller()?;
    let message = inode.message(Opcode::Getxattr);
    let message = message.u32(MOST as u32).u32(0).name(name);
    ask(inode, message, Expect::UpTo(MOST))
}

pub fn set(inode: &FuseInode, name: &[u8], value: Option<&[u8]>, mode: SetXattr) -> Result<()> {
    inode.check_caller()?;
    let flags = match mode {
        SetXattr::Any => 0,
        SetXattr::Create => CREATE,
        SetXattr::Replace => REPLACE,
    };
    let message = match value {
        Some(value) => {
            let length = u32::try_from(value.len()).map_err(|_| Errno::E2BIG)?;
            let message = inode.message(Opcode::Setxattr).u32(length).u32(flags);
            message.name(name).bytes(value)
        }
        None => inode.message(Opcode::Removexattr).name(name),
    };
    let answer = ask(inode, message, NOTHING);
    inode.outdate();
    answer.map(drop)
}

/// All names, of which the program gives each with a zero behind it. `EIO` for something
/// else.
pub fn list(inode: &FuseInode) -> Result<Vec<u8>> {
    inode.check_caller()?;
    let message = inode.message(Opcode::Listxattr).u32(MOST as u32).u32(0);
    let names = ask(inode, message, Expect::UpTo(MOST))?;
    let is_list = names.is_empty() || names.ends_with(&[0]) && names[0] != 0;
    match is_list && !names.windows(2).any(|two| two == [0, 0]) {
        true => Ok(names),
        false => Err(Errno::EIO),
    }
}
