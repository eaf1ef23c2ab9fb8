//! Mounts.

mod fsconfig_rules;
mod fsmounts;
mod fsopen_rules;
mod fspicks;
mod mount_binds;
mod mount_errors;
mod mount_flags;
mod mount_info_roots;
mod mount_nosymfollow;
mod mount_remounts;
mod mount_restrictions;
mod move_mounts;
mod no_execs;
mod open_trees;
mod pivots;
mod process_mounts;
mod process_mounts_shown;
mod umount_rules;
mod user_mounts;

use super::contracts;

contracts! {
    fsconfig_rules
    fsmounts
    fsopen_rules
    fspicks
    mount_binds
    mount_errors
    mount_flags
    mount_info_roots
    mount_nosymfollow
    mount_remounts
    mount_restrictions
    move_mounts
    open_trees
    no_execs
    pivots
    process_mounts
    process_mounts_shown
    umount_rules
    user_mounts
}
