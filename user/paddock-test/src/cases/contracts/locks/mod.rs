//! Locks of files.

mod flock_copies;
mod flocks;
mod lock_deadlocks;
mod lock_files;
mod lock_owners;
mod lock_splits;
mod locks_listed;
mod ofd_locks;
mod record_locks;

use super::contracts;

contracts! {
    flock_copies
    flocks
    lock_deadlocks
    lock_files
    lock_owners
    lock_splits
    locks_listed
    ofd_locks
    record_locks
}
