//! Waiting for several things.

mod epoll_closes;
mod epoll_events;
mod epoll_exclusive;
mod epoll_nests;
mod epoll_rules;
mod epoll_waits;
mod eventfd_waits;
mod eventfds;
mod poll_rules;
mod polled_ends;
mod ppoll_masks;
mod select_hang_ups;
mod selects;

use super::contracts;

contracts! {
    epoll_closes
    epoll_events
    epoll_exclusive
    epoll_nests
    epoll_rules
    epoll_waits
    eventfd_waits
    eventfds
    poll_rules
    polled_ends
    ppoll_masks
    select_hang_ups
    selects
}
