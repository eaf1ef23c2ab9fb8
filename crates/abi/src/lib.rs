//! Linux AArch64 numbers and structures: the binary interface that Paddock's
//! user programs see. Nothing here does anything; it only names.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod errno;

pub use errno::{Errno, Result};
