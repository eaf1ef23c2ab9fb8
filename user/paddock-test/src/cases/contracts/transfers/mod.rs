//! Bytes that go from one file to another.

mod aio_contexts;
mod aio_polls;
mod aio_transfers;
mod sendfile_rules;
mod splice_rules;
mod tee_rules;

use super::contracts;

contracts! {
    aio_contexts
    aio_polls
    aio_transfers
    sendfile_rules
    splice_rules
    tee_rules
}
