//! Memory of processes.

mod mmaps;
mod mprotects;
mod mremaps;

use super::contracts;

contracts! {
    mmaps
    mprotects
    mremaps
}
