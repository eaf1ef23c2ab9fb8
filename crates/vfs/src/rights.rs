//! What decides about a file, as its metadata tell it.

use crate::{FileKind, Metadata};
use paddock_cred::FileRights;

impl Metadata {
    /// Its owner, group and mode.
    pub fn rights(&self) -> FileRights {
        FileRights {
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            directory: self.kind == FileKind::Directory,
            decided_there: false,
        }
    }
}
