//! Users, groups and capabilities.

mod fsids;
mod getresuids;
mod groups;
mod hostnames;
mod ids;
mod personalities;
mod rights_lost;
mod sessions_apart;
mod setgids;
mod setuids;

use super::contracts;

contracts! {
    fsids
    getresuids
    groups
    hostnames
    ids
    personalities
    rights_lost
    sessions_apart
    setgids
    setuids
}
