//! Who runs, and how much.

mod limits_of_time;

use super::contracts;

contracts! {
    limits_of_time
}
