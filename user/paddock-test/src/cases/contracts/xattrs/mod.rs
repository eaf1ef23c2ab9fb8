//! Extended attributes.

mod attribute_errors;
mod attribute_kinds;
mod xattr_fds;
mod xattr_kinds;
mod xattr_sizes;

use super::contracts;

contracts! {
    attribute_errors
    attribute_kinds
    xattr_fds
    xattr_kinds
    xattr_sizes
}
