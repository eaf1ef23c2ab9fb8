//! Mounts.

mod mount_binds;
mod mount_errors;
mod mount_flags;
mod mount_restrictions;
mod no_execs;
mod pivots;
mod umount_rules;

use super::contracts;

contracts! {
    mount_binds
    mount_errors
    mount_flags
    mount_restrictions
    no_execs
    pivots
    umount_rules
}
