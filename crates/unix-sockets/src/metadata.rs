//! What fstat(2) tells of a socket.

use core::sync::atomic::{AtomicU64, Ordering};
use paddock_vfs::{FileKind, Metadata, Timestamp};

static NEXT_INO: AtomicU64 = AtomicU64::new(1);

/// An inode number for a new socket, of any family.
pub fn next_ino() -> u64 {
    NEXT_INO.fetch_add(1, Ordering::Relaxed)
}

/// What fstat(2) tells of the socket with this inode number.
pub fn socket_metadata(ino: u64) -> Metadata {
    let never = Timestamp::default();
    Metadata {
        device: 8,
        ino,
        kind: FileKind::Socket,
        mode: 0o777,
        links: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        size: 0,
        blocks: 0,
        block_size: 4096,
        atime: never,
        mtime: never,
        ctime: never,
    }
}
