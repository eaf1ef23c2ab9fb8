//! Handles of files in memory (name_to_handle_at(2)): numbers are never given twice, and
//! the filesystem's own stands where others have a generation.

use super::Shared;
use super::node::Node;
use crate::{Errno, FileHandle, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_sync::try_insert;

impl Shared {
    /// What stands for the generation of all nodes.
    fn generation(&self) -> u32 {
        self.device as u32
    }

    /// A handle by which the node is found from now on. `ENOMEM`.
    pub fn handle(&self, node: &Node) -> Result<FileHandle> {
        if !node.has_handle.swap(true, Ordering::AcqRel) {
            let mut all = self.with_handles.lock();
            if let Err(error) = try_insert(&mut all, node.ino, node.me()) {
                node.has_handle.store(false, Ordering::Release);
                return Err(error);
            }
        }
        let words = [self.generation(), node.ino as u32, (node.ino >> 32) as u32];
        Ok(FileHandle::new(FileHandle::INO_AND_GENERATION, words))
    }

    /// The node of a handle, whose form nobody looks at, as on Linux. `ESTALE`.
    pub fn by_handle(&self, bytes: &[u8]) -> Result<Arc<Node>> {
        let words = FileHandle::words::<3>(bytes);
        let [generation, low, high] = words.ok_or(Errno::ESTALE)?;
        if generation != self.generation() {
            return Err(Errno::ESTALE);
        }
        let ino = u64::from(high) << 32 | u64::from(low);
        let all = self.with_handles.lock();
        let found = all.get(&ino).and_then(|node| node.upgrade());
        drop(all);
        found.ok_or(Errno::ESTALE)
    }

    /// The node is going.
    pub fn forget_handle(&self, ino: u64) {
        let gone = self.with_handles.lock().remove(&ino);
        drop(gone);
    }
}
