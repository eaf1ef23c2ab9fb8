//! The machine and its devices.

mod ioctls;
mod ptys;
mod randoms;
mod swaps;

use super::contracts;

contracts! {
    ioctls
    ptys
    randoms
    swaps
}
