//! The machine and its devices.

mod ioctls;
mod kernel_log;
mod proc_numbers;
mod ptys;
mod randoms;
mod swaps;
mod sysinfos;

use super::contracts;

contracts! {
    ioctls
    kernel_log
    proc_numbers
    ptys
    randoms
    swaps
    sysinfos
}
