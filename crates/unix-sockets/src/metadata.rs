//! What fstat(2) tells of a socket.

use core::sync::atomic::{AtomicU64, Ordering};
use paddock_vfs::{FileKind, Metadata, SOCKET_DEVICE};

static NEXT_INO: AtomicU64 = AtomicU64::new(1);

/// An inode number for a new socket, of any family.
pub fn next_ino() -> u64 {
    NEXT_INO.fetch_add(1, Ordering::Relaxed)
}

/// What fstat(2) tells of the socket with this inode number.
pub fn socket_metadata(ino: u64) -> Metadata {
    Metadata::nameless(SOCKET_DEVICE, ino, FileKind::Socket, 0o777)
}
