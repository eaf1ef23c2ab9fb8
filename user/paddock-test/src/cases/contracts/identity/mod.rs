//! Users, groups and capabilities.

mod fsids;
mod groups;
mod ids;
mod rights_lost;
mod sessions_apart;
mod setgids;
mod setuids;

use super::contracts;

contracts! {
    fsids
    groups
    ids
    rights_lost
    sessions_apart
    setgids
    setuids
}
