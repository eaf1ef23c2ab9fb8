//! Files by handles: name_to_handle_at(2), open_by_handle_at(2).

use super::name::NAME_MAX;
use super::{Dentry, MountNamespace, Path, PathContext};
use crate::{Errno, FileHandle, FileKind, FileSystem, Inode, OpenFile, OpenFlags, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Folders in one another through which the way to one by its handle may lead.
const DEEPEST: usize = 4096;

impl Path {
    /// What the file is known by to its filesystem. `EOPNOTSUPP` if that has no handles,
    /// `ENOMEM`. May sleep.
    pub fn handle(&self) -> Result<FileHandle> {
        self.mount.fs.handle(&**self.inode())
    }
}

impl MountNamespace {
    /// Opens the file of a handle, seen through the mount of `on`. May sleep.
    ///
    /// # Errors
    /// `ESTALE` if there is no such file any more; those of open(2), for what is there.
    pub fn open_handle(
        &self,
        context: &PathContext,
        on: &Path,
        (kind, bytes): (i32, &[u8]),
        flags: OpenFlags,
    ) -> Result<Arc<OpenFile>> {
        let inode = on.mount.fs.by_handle(kind, bytes)?;
        let creates = flags.contains(OpenFlags::CREAT) && !flags.contains(OpenFlags::PATH);
        match inode.kind() {
            _ if !creates => {}
            _ if flags.contains(OpenFlags::EXCL) => return Err(Errno::EEXIST),
            FileKind::Directory => return Err(Errno::EISDIR),
            _ => {}
        }
        let dentry = match inode.kind() {
            FileKind::Directory => self.way_to(on, &inode)?,
            // It may have many names or none.
            _ => Dentry::new(inode, on.dentry.fs(), b"", None)?,
        };
        self.open_existing(context, on.at(dentry), flags)
    }

    /// The folder's place in the tree of its filesystem. `ESTALE`, `ENOMEM`.
    fn way_to(&self, on: &Path, inode: &Arc<dyn Inode>) -> Result<Arc<Dentry>> {
        let mut at = on.mount.root.clone();
        while let Some(parent) = at.parent() {
            at = parent;
        }
        for name in names_of(&*on.mount.fs, inode)?.iter().rev() {
            at = self.child(&at, name).map_err(stale)?;
        }
        match at.ino() == inode.ino() {
            true => Ok(at),
            false => Err(Errno::ESTALE),
        }
    }
}

/// What is not there has gone meanwhile.
fn stale(error: Errno) -> Errno {
    match error {
        Errno::ENOENT | Errno::ENOTDIR => Errno::ESTALE,
        error => error,
    }
}

/// The names that lead to a folder, the last one first. `ESTALE`, `ENOMEM`.
fn names_of(fs: &dyn FileSystem, folder: &Arc<dyn Inode>) -> Result<Vec<Box<[u8]>>> {
    let top = fs.root().ino();
    let mut at = folder.clone();
    let mut names = Vec::new();
    while at.ino() != top {
        if names.len() == DEEPEST {
            return Err(Errno::ESTALE);
        }
        let parent = at.parent()?;
        names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        names.push(name_in(&*parent, at.ino())?);
        at = parent;
    }
    Ok(names)
}

/// The name that an inode has in a directory. `ESTALE`, `ENOMEM`.
fn name_in(dir: &dyn Inode, ino: u64) -> Result<Box<[u8]>> {
    let mut found = [0; NAME_MAX];
    let mut length = 0;
    let mut next = Some(0);
    while let Some(cursor) = next
        && length == 0
    {
        let mut any = false;
        let end = dir.readdir(cursor, &mut |entry| {
            any = true;
            if entry.ino == ino
                && let Some(place) = found.get_mut(..entry.name.len())
            {
                place.copy_from_slice(entry.name);
                length = entry.name.len();
            }
            length == 0
        })?;
        next = any.then_some(end);
    }
    match length {
        0 => Err(Errno::ESTALE),
        length => super::dentry::boxed(&found[..length]),
    }
}
