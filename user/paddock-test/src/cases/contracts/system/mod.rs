//! The machine and its devices.

mod ioctls;
mod ptys;
mod randoms;

use super::contracts;

contracts! {
    ioctls
    ptys
    randoms
}
