//! Users, groups and capabilities.

mod groups;
mod ids;

use super::contracts;

contracts! {
    groups
    ids
}
