//! `/proc` (proc(5)).

use super::clock::WallClock;
use super::mounts;
use alloc::sync::Arc;
use paddock_abi::Result;
use paddock_abi::stat::PROC_SUPER_MAGIC;
use paddock_vfs::FileSystem;
use paddock_vfs::proc_fs::{ProcFs, StaticDir};

/// The filesystem.
///
/// # Errors
/// `ENOMEM`.
pub fn filesystem(clock: &Arc<WallClock>) -> Result<Arc<dyn FileSystem>> {
    let root = StaticDir::new();
    let number = mounts::device_number();
    Ok(ProcFs::new("proc", PROC_SUPER_MAGIC, number, clock.clone(), Arc::new(root))?)
}
