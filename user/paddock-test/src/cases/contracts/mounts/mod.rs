//! Mounts.

mod pivots;
mod umount_rules;

use super::contracts;

contracts! {
    pivots
    umount_rules
}
