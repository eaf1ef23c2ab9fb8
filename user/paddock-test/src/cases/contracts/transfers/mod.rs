//! Bytes that go from one file to another.

mod splice_rules;
mod tee_rules;

use super::contracts;

contracts! {
    splice_rules
    tee_rules
}
