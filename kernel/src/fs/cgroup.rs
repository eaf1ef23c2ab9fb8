//! The filesystem of control groups, at `/sys/fs/cgroup` and wherever else it is
//! mounted.

use super::clock::WallClock;
use super::mounts;
use crate::process::cgroup::{Processes, hierarchy};
use crate::process::namespaces;
use alloc::sync::Arc;
use paddock_abi::Result;
use paddock_cgroup::CgroupFs;
use paddock_sync::{OnceCell, try_arc};
use paddock_vfs::FileSystem;

static FILESYSTEM: OnceCell<Arc<CgroupFs>> = OnceCell::new();

/// The one there is. `ENOMEM`.
pub fn the_filesystem() -> Result<Arc<CgroupFs>> {
    if let Some(fs) = FILESYSTEM.get() {
        return Ok(fs.clone());
    }
    let clock = try_arc(WallClock)?;
    let device = mounts::device_number();
    let fs = CgroupFs::new(hierarchy(), try_arc(Processes)?, clock, device)?;
    // Another one may have come first.
    let _ = FILESYSTEM.set(fs.clone());
    Ok(FILESYSTEM.get().cloned().unwrap_or(fs))
}

/// The same as the running process sees it, to be mounted. `ENOMEM`.
pub fn filesystem() -> Result<Arc<dyn FileSystem>> {
    let (fs, own) = (the_filesystem()?, namespaces::of_running());
    let root = own.cgroup.root();
    match root.is_root() {
        true => Ok(fs),
        false => Ok(fs.seen_from(root)?),
    }
}
