//! Mounts.

mod mount_binds;
mod mount_errors;
mod mount_flags;
mod mount_restrictions;
mod pivots;
mod umount_rules;

use super::contracts;

contracts! {
    mount_binds
    mount_errors
    mount_flags
    mount_restrictions
    pivots
    umount_rules
}
