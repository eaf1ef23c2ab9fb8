//! Inodes of generated files.

use super::dir_file::GeneratedDir;
use super::file::GeneratedFile;
use super::{ProcBody, ProcNode, Shared};
use crate::{
    DirEntry, EmitEntry, Errno, File, FileKind, FsStats, Inode, Metadata, OpenFlags, Path, Result,
    SetMetadata,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

pub(super) struct ProcInode {
    shared: Arc<Shared>,
    ino: u64,
    pub node: ProcNode,
}

/// The inode number of a name: the same whenever it is looked up (FNV-1a
/// over the directory's number and the name).
fn child_ino(parent: u64, name: &[u8]) -> u64 {
    let number = parent.to_le_bytes();
    let bytes = number.iter().chain(name);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (hash >> 1).max(2)
}

impl ProcInode {
    pub fn new(shared: &Arc<Shared>, ino: u64, node: ProcNode) -> Result<Arc<ProcInode>> {
        paddock_sync::try_arc(ProcInode {
            shared: shared.clone(),
            ino,
            node,
        })
    }
}

impl Inode for ProcInode {
    fn ino(&self) -> u64 {
        self.ino
    }

    fn kind(&self) -> FileKind {
        self.node.body.kind()
    }

    fn metadata(&self) -> Result<Metadata> {
        let now = self.shared.clock.now();
        let rdev = match &self.node.body {
            ProcBody::Device(device) => device.rdev(),
            _ => 0,
        };
        Ok(Metadata {
            device: self.shared.device,
            ino: self.ino,
            kind: self.kind(),
            mode: self.node.mode,
            links: 1 + u32::from(self.kind() == FileKind::Directory),
            uid: self.node.uid,
            gid: self.node.gid,
            rdev,
            size: 0,
            blocks: 0,
            block_size: 4096,
            atime: now,
            mtime: now,
            ctime: now,
        })
    }

    fn set_metadata(&self, change: &SetMetadata) -> Result<()> {
        match change.size {
            // `echo … > /proc/…` cuts the file first.
            Some(_) if change.mode.is_none() && change.uid.is_none() => Ok(()),
            _ => Err(Errno::EPERM),
        }
    }

    fn fs_stats(&self) -> Result<FsStats> {
        Ok(self.shared.stats())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        match &self.node.body {
            ProcBody::File(_) => Ok(Some(GeneratedFile::open(self, flags)?)),
            ProcBody::Device(device) => device.open(flags).map(Some),
            ProcBody::Raw(raw) => {
                let raw = raw.clone();
                raw.open(self, flags).map(Some)
            }
            ProcBody::Dir(_) => Ok(Some(GeneratedDir::open(self)?)),
            ProcBody::Link(_) => Ok(None),
        }
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.node.body {
            ProcBody::Link(link) => link.target(),
            _ => Err(Errno::EINVAL),
        }
    }

    fn link_target(&self) -> Option<Path> {
        match &self.node.body {
            ProcBody::Link(link) => link.jump(),
            _ => None,
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let ProcBody::Dir(dir) = &self.node.body else {
            return Err(Errno::ENOTDIR);
        };
        let ino = child_ino(self.ino, name);
        Ok(ProcInode::new(&self.shared, ino, dir.lookup(name)?)?)
    }

    fn cacheable(&self) -> bool {
        false
    }

    fn readdir(&self, cursor: u64, emit: &mut EmitEntry<'_>) -> Result<u64> {
        let ProcBody::Dir(dir) = &self.node.body else {
            return Err(Errno::ENOTDIR);
        };
        let mut at = cursor;
        for entry in dir.list()?.iter().filter(|entry| entry.key >= cursor) {
            let entry = DirEntry {
                name: &entry.name,
                ino: child_ino(self.ino, &entry.name),
                kind: Some(entry.kind),
                next: entry.key.saturating_add(1),
            };
            if !emit(&entry) {
                break;
            }
            at = entry.next;
        }
        Ok(at)
    }
}
