//! Mounts.

mod mount_flags;
mod pivots;
mod umount_rules;

use super::contracts;

contracts! {
    mount_flags
    pivots
    umount_rules
}
