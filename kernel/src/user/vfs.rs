//! The one tree of files, and paths in it.

use alloc::string::String;
use alloc::sync::Arc;
use paddock_sync::OnceCell;
use paddock_vfs::{Namespace, Path};

static NAMESPACE: OnceCell<Arc<Namespace>> = OnceCell::new();

/// Sets the tree of files. Once, when the root is mounted.
pub fn set_namespace(namespace: Arc<Namespace>) {
    if NAMESPACE.set(namespace).is_err() {
        panic!("the root was mounted twice");
    }
}

/// The tree of files. After the root is mounted.
pub fn namespace() -> &'static Arc<Namespace> {
    match NAMESPACE.get() {
        Some(namespace) => namespace,
        None => panic!("files are asked for before the root is mounted"),
    }
}

/// The tree of files, if the root is mounted.
pub fn try_namespace() -> Option<&'static Arc<Namespace>> {
    NAMESPACE.get()
}

/// A place's absolute path as text. May sleep.
pub fn path_name(path: &Path) -> String {
    let namespace = namespace();
    let bytes = namespace.path_of(path, &namespace.root());
    String::from_utf8_lossy(&bytes).into_owned()
}
