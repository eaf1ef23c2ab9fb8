//! The one tree of files, and paths in it.

use super::{UserThread, current};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use paddock_abi::Result;
use paddock_sync::OnceCell;
use paddock_vfs::{MountNamespace, Path};

static NAMESPACE: OnceCell<Arc<MountNamespace>> = OnceCell::new();

/// Sets the tree of files. Once, when the root is mounted.
pub fn set_namespace(namespace: Arc<MountNamespace>) {
    if NAMESPACE.set(namespace).is_err() {
        panic!("the root was mounted twice");
    }
}

/// The tree of files. After the root is mounted.
pub fn namespace() -> &'static Arc<MountNamespace> {
    match NAMESPACE.get() {
        Some(namespace) => namespace,
        None => panic!("files are asked for before the root is mounted"),
    }
}

/// The tree of files, if the root is mounted.
pub fn try_namespace() -> Option<&'static Arc<MountNamespace>> {
    NAMESPACE.get()
}

/// A place's path as the running process may call it: from its root. `ENOMEM`.
pub fn name_of(path: &Path) -> Result<Vec<u8>> {
    let own = |thread: &Arc<UserThread>| thread.process.paths.lock().root.clone();
    let root = current().map_or_else(|| namespace().root(), own);
    namespace().path_of(path, &root)
}

/// Writes a place's absolute path. May sleep.
///
/// # Errors
/// As for a writer that fails, for want of memory too.
pub fn write_path(f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
    let namespace = namespace();
    let bytes = namespace
        .path_of(path, &namespace.root())
        .map_err(|_| fmt::Error)?;
    for chunk in bytes.utf8_chunks() {
        f.write_str(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            f.write_char(char::REPLACEMENT_CHARACTER)?;
        }
    }
    Ok(())
}
