//! Pipes.

mod fifo_opens;
mod pipe_errors;
mod pipe_packets;
mod pipe_pages;
mod pipe_poll;
mod pipe_rules;
mod pipe_sizes;

use super::contracts;

contracts! {
    fifo_opens
    pipe_errors
    pipe_packets
    pipe_pages
    pipe_poll
    pipe_rules
    pipe_sizes
}
