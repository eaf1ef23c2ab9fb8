//! Users, groups and capabilities.

mod cap_gets;
mod cap_sets;
mod chmod_rules;
mod chown_set_ids;
mod chown_users;
mod fsids;
mod getresuids;
mod groups;
mod hostnames;
mod ids;
mod personalities;
mod rights_lost;
mod saved_ids;
mod sessions_apart;
mod set_group_folders;
mod setgids;
mod setuids;

use super::contracts;

contracts! {
    cap_gets
    cap_sets
    chmod_rules
    chown_set_ids
    chown_users
    fsids
    getresuids
    groups
    hostnames
    ids
    personalities
    rights_lost
    saved_ids
    sessions_apart
    set_group_folders
    setgids
    setuids
}
