//! Locks of files.

mod flocks;
mod ofd_locks;
mod record_locks;

use super::contracts;

contracts! {
    flocks
    ofd_locks
    record_locks
}
