//! Pipes.

mod fifo_opens;
mod fifo_waits;
mod pipe_ends;
mod pipe_errors;
mod pipe_limits;
mod pipe_packets;
mod pipe_pages;
mod pipe_poll;
mod pipe_rules;
mod pipe_sizes;
mod pipes_opened;

use super::contracts;

contracts! {
    fifo_opens
    fifo_waits
    pipe_ends
    pipe_errors
    pipe_limits
    pipe_packets
    pipe_pages
    pipe_poll
    pipe_rules
    pipe_sizes
    pipes_opened
}
