//! Waiting for several things.

mod epoll_rules;
mod eventfds;
mod poll_rules;
mod polled_ends;
mod ppoll_masks;
mod selects;

use super::contracts;

contracts! {
    epoll_rules
    eventfds
    poll_rules
    polled_ends
    ppoll_masks
    selects
}
