//! [`DirNode`]: the directory of a group.

use super::Shared;
use super::controls::{CONTROLS, Control, Index};
use super::file::FileNode;
use crate::group::{Group, Origin};
use alloc::sync::Arc;
use core::any::Any;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::try_arc;
use paddock_vfs::{DirEntry, EmitEntry, FileKind, FsStats, Inode, Metadata, NewNode, SetMetadata};

/// What a group counts for, in bytes, with its files.
const GROUP_BYTES: usize = 4096;
/// Inode numbers of one group: its directory, and its files.
pub(super) const INODES: u64 = 64;

/// The directory of a group.
pub(crate) struct DirNode {
    shared: Arc<Shared>,
    group: Arc<Group>,
}

impl DirNode {
    /// The one of `group`. `ENOMEM`.
    pub fn of(shared: &Arc<Shared>, group: &Arc<Group>) -> Result<Arc<DirNode>> {
        if let Some(known) = group.nodes.dir() {
            return Ok(known);
        }
        let new = try_arc(DirNode {
            shared: shared.clone(),
            group: group.clone(),
        })?;
        Ok(group.nodes.dir_or(new))
    }

    /// The group.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    fn child(&self, name: &[u8]) -> Result<Arc<Group>> {
        let found = self.shared.hierarchy.child(&self.group, name);
        found.map_err(|_| Errno::ENOENT)
    }

    /// The files that there are now.
    fn controls(&self) -> Result<impl Iterator<Item = (Index, &'static Control)>> {
        let enabled = self.shared.hierarchy.controllers(&self.group)?;
        let is_root = self.group.is_root();
        let all = (0..).map(Index).zip(CONTROLS);
        Ok(all.filter(move |(_, control)| control.is_there(is_root, enabled)))
    }
}

impl Inode for DirNode {
    fn ino(&self) -> u64 {
        self.group.id() * INODES
    }

    fn kind(&self) -> FileKind {
        FileKind::Directory
    }

    fn metadata(&self) -> Result<Metadata> {
        let owner = *self.group.nodes.owner.lock();
        let look = |_: &_, node: &crate::tree::Node| node.children();
        let children = self.shared.hierarchy.look(&self.group, look);
        Ok(Metadata {
            links: 2 + children.unwrap_or(0) as u32,
            ..self.shared.metadata(&self.group, self, owner)
        })
    }

    fn set_metadata(&self, change: &SetMetadata) -> Result<()> {
        match change.size {
            Some(_) => Err(Errno::EISDIR),
            None => self.group.nodes.owner.lock().change(change),
        }
    }

    fn fs_stats(&self) -> Result<FsStats> {
        Ok(self.shared.stats())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let named = |(_, control): &(Index, &Control)| control.name.as_bytes() == name;
        let mut controls = self.controls().map_err(|_| Errno::ENOENT)?;
        if let Some((index, _)) = controls.find(named) {
            return Ok(FileNode::of(&self.shared, &self.group, index)?);
        }
        Ok(DirNode::of(&self.shared, &self.child(name)?)?)
    }

    /// Files come and go with the controllers.
    fn cacheable(&self) -> bool {
        false
    }

    fn takes_names(&self) -> bool {
        true
    }

    /// Cursors below [`INODES`] are those of files, one above that of the file;
    /// others are above those of groups by as much.
    fn readdir(&self, cursor: u64, emit: &mut EmitEntry<'_>) -> Result<u64> {
        let mut at = cursor;
        for (index, control) in self.controls().map_err(|_| Errno::ENOENT)? {
            let next = u64::from(index.0) + 1;
            let entry = DirEntry {
                name: control.name.as_bytes(),
                ino: self.ino() + next,
                kind: Some(FileKind::Regular),
                next,
            };
            if next > at {
                if !emit(&entry) {
                    return Ok(at);
                }
                at = next;
            }
        }
        at = at.max(INODES);
        while let Some(child) = self.shared.hierarchy.child_after(&self.group, at - INODES) {
            let next = child.id() + INODES;
            let entry = DirEntry {
                name: child.name(),
                ino: child.id() * INODES,
                kind: Some(FileKind::Directory),
                next,
            };
            if !emit(&entry) {
                break;
            }
            at = next;
        }
        Ok(at)
    }

    fn create(&self, name: &[u8], node: &NewNode) -> Result<Arc<dyn Inode>> {
        if node.kind != FileKind::Directory {
            return Err(Errno::EPERM);
        }
        // `/proc/PID/cgroup` has one to a line.
        if name.contains(&b'\n') {
            return Err(Errno::EINVAL);
        }
        if CONTROLS
            .iter()
            .any(|control| control.name.as_bytes() == name)
        {
            return Err(Errno::EEXIST);
        }
        let origin = Origin {
            uid: node.uid,
            gid: node.gid,
            mode: node.mode,
            at: self.shared.clock.now(),
            _charge: Charge::new(&self.shared.system.account(), GROUP_BYTES)?,
        };
        let made = self.shared.hierarchy.mkdir(&self.group, name, origin);
        // It was removed.
        let made = made.map_err(|error| match error {
            Errno::ENODEV => Errno::ENOENT,
            error => error,
        })?;
        Ok(DirNode::of(&self.shared, &made)?)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        match self.child(name) {
            Ok(_) => Err(Errno::EISDIR),
            Err(_) => Err(Errno::EPERM),
        }
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        let removed = self.shared.hierarchy.rmdir(&self.group, name);
        removed.map_err(|error| match error {
            Errno::ENODEV => Errno::ENOENT,
            error => error,
        })
    }
}
