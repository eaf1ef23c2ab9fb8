//! Extended attributes.

mod attribute_errors;
mod attribute_kinds;

use super::contracts;

contracts! {
    attribute_errors
    attribute_kinds
}
