//! Names: what they lead to, and how they come and go.

use crate::answers::{self, ENTRY_OUT, Entry, Found, OPEN_OUT};
use crate::connection::NOTHING;
use crate::file::FuseFile;
use crate::handle::{self, Handle};
use crate::inode::FuseInode;
use crate::message::Message;
use crate::opcode::Opcode;
use crate::request::Expect;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;
use paddock_vfs::{Created, File, FileKind, Inode, NewNode, OpenFlags};

const ENTRY: Expect = Expect::Exactly(ENTRY_OUT);

/// What a name leads to. `ENOENT`.
pub fn lookup(dir: &FuseInode, name: &[u8]) -> Result<Arc<FuseInode>> {
    if dir.kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    dir.check_caller()?;
    let shared = &dir.shared;
    if let Some(inode) = shared.remembered(dir.node, name)? {
        return Ok(inode);
    }
    let answer = dir.ask(dir.message(Opcode::Lookup).name(name), ENTRY)?;
    match answers::found(&answer)? {
        Found::Nothing(lasting) => {
            shared.remember(dir.node, name, None, lasting);
            Err(Errno::ENOENT)
        }
        Found::Node(entry) => {
            let inode = shared.inode(&entry)?;
            shared.remember(dir.node, name, Some(&inode), entry.name_for);
            Ok(inode)
        }
    }
}

/// A name was made, or is gone: what was said of both does not hold any more.
fn changed(dir: &FuseInode, name: &[u8]) {
    dir.shared.names.forget(dir.node, name);
    dir.outdate();
}

/// The inode of what was just made under a name.
fn named(dir: &FuseInode, name: &[u8], entry: &Entry) -> Result<Arc<FuseInode>> {
    changed(dir, name);
    let inode = dir.shared.inode(entry)?;
    dir.shared
        .remember(dir.node, name, Some(&inode), entry.name_for);
    Ok(inode)
}

/// Asks for something new of a kind.
fn new(dir: &FuseInode, name: &[u8], message: Message, kind: FileKind) -> Result<Arc<FuseInode>> {
    let answer = dir.ask(message, ENTRY)?;
    named(dir, name, &answers::made(&answer, kind)?)
}

/// A directory, or anything that is not a symbolic link.
pub fn make(dir: &FuseInode, name: &[u8], node: &NewNode) -> Result<Arc<FuseInode>> {
    let umask = dir.shared.caller()?.umask;
    let mode = node.mode | node.kind.mode_bits();
    let message = match node.kind {
        FileKind::Directory => dir.message(Opcode::Mkdir).u32(node.mode).u32(umask),
        _ => {
            let rdev = node.rdev as u32;
            let message = dir.message(Opcode::Mknod).u32(mode).u32(rdev);
            message.u32(umask).u32(0)
        }
    };
    new(dir, name, message.name(name), node.kind)
}

/// A regular file, which is opened with `flags`.
pub fn create(dir: &FuseInode, name: &[u8], node: &NewNode, flags: OpenFlags) -> Result<Created> {
    let umask = dir.shared.caller()?.umask;
    let told = handle::told(flags) | (flags & (OpenFlags::CREAT | OpenFlags::EXCL)).bits();
    let message = dir
        .message(Opcode::Create)
        .u32(told)
        .u32(node.mode | node.kind.mode_bits())
        .u32(umask)
        .u32(0)
        .name(name);
    let expect = Expect::Exactly(ENTRY_OUT + OPEN_OUT);
    let Some(answer) = dir.shared.ask_if_known(message, expect)? else {
        // Then it is made first, and opened afterwards.
        return Ok((make(dir, name, node)?, None));
    };
    let entry = answers::made(&answer, FileKind::Regular)?;
    let (number, opened_as) = answers::opened(answer.get(ENTRY_OUT..).ok_or(Errno::EIO)?)?;
    let inode = named(dir, name, &entry).inspect_err(|_| {
        let connection = &dir.shared.connection;
        connection.release(Opcode::Release, entry.node, number, told);
    })?;
    let handle = Handle::new(&inode, number, told, opened_as)?;
    let file: Arc<dyn File> = try_arc(FuseFile::new(handle, flags))?;
    Ok((inode, Some(file)))
}

pub fn symlink(dir: &FuseInode, name: &[u8], target: &[u8]) -> Result<Arc<FuseInode>> {
    dir.check_caller()?;
    let message = dir.message(Opcode::Symlink).name(name).name(target);
    new(dir, name, message, FileKind::Symlink)
}

fn own(inode: &Arc<dyn Inode>) -> Result<&FuseInode> {
    inode.as_any().downcast_ref().ok_or(Errno::EXDEV)
}

pub fn link(dir: &FuseInode, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
    dir.check_caller()?;
    let target = own(target)?;
    let message = dir.message(Opcode::Link).u64(target.node).name(name);
    let inode = new(dir, name, message, target.kind())?;
    target.outdate();
    drop(inode);
    Ok(())
}

pub fn remove(dir: &FuseInode, opcode: Opcode, name: &[u8]) -> Result<()> {
    dir.check_caller()?;
    let victim = dir.shared.remembered(dir.node, name).unwrap_or(None);
    let removed = dir.ask(dir.message(opcode).name(name), NOTHING);
    // Whoever had to end, or hears of something else, does not know what became of it.
    changed(dir, name);
    if let Some(victim) = victim {
        victim.outdate();
    }
    removed.map(drop)
}

pub fn rename(
    dir: &FuseInode,
    old: &[u8],
    new_dir: &Arc<dyn Inode>,
    new: &[u8],
    flags: u32,
) -> Result<()> {
    dir.check_caller()?;
    let to = own(new_dir)?;
    let renamed = match flags {
        0 => {
            let message = dir.message(Opcode::Rename).u64(to.node);
            dir.ask(message.name(old).name(new), NOTHING)
        }
        _ => {
            let message = dir.message(Opcode::Rename2).u64(to.node);
            let message = message.u32(flags).u32(0).name(old).name(new);
            let asked = dir.shared.ask_if_known(message, NOTHING);
            asked.and_then(|answer| answer.ok_or(Errno::EINVAL))
        }
    };
    changed(dir, old);
    changed(to, new);
    renamed.map(drop)
}
