//! Bytes that go from one file to another.

mod sendfile_rules;
mod splice_rules;
mod tee_rules;

use super::contracts;

contracts! {
    sendfile_rules
    splice_rules
    tee_rules
}
