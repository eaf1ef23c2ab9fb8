//! Memory of processes.

mod mmaps;
mod mprotects;
mod mremaps;
mod policies;

use super::contracts;

contracts! {
    mmaps
    mprotects
    mremaps
    policies
}
