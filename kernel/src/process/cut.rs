//! A file is cut while programs map it: its pages go from their memory.

use super::memory::Memory;
use super::object::Process;
use super::tree;
use alloc::sync::Arc;
use paddock_mem::PAGE_SIZE;
use paddock_vfs::Inode;

/// Has files that are cut lose what is mapped of them. Once, at boot.
pub(super) fn init() {
    assert!(paddock_vfs::on_cut(unmap), "set up twice");
}

/// The process with the next higher number.
fn next_after(pid: &mut u32) -> Option<Arc<Process>> {
    let tree = tree().lock();
    *pid = tree.next_pid(*pid + 1)?;
    tree.get(*pid)
}

/// Takes what is behind `size` bytes of the inode out of all memory. Goes through all
/// processes, but only for a file that became shorter and is mapped by one.
fn unmap(inode: &Arc<dyn Inode>, size: u64) {
    let Ok(metadata) = inode.metadata() else {
        return;
    };
    let identity = (metadata.device, metadata.ino);
    let pages = size.div_ceil(PAGE_SIZE);
    let mut pid = 0;
    // Threads of a family share their memory: the last one is not asked again.
    let mut last: Option<Arc<Memory>> = None;
    while let Some(process) = next_after(&mut pid) {
        let Ok(memory) = process.memory() else {
            continue;
        };
        if last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &memory)) {
            continue;
        }
        memory.space.lock().cut(identity, pages);
        last = Some(memory);
    }
}
