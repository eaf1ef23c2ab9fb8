//! Pipes.

mod pipe_packets;
mod pipe_pages;
mod pipe_poll;
mod pipe_rules;
mod pipe_sizes;

use super::contracts;

contracts! {
    pipe_packets
    pipe_pages
    pipe_poll
    pipe_rules
    pipe_sizes
}
