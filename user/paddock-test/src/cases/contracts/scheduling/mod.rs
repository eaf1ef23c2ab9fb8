//! Who runs, and how much.

mod affinities;
mod children_inherit;
mod limits_of_time;
mod policy_words;
mod priorities;

use super::contracts;

contracts! {
    affinities
    children_inherit
    limits_of_time
    policy_words
    priorities
}
