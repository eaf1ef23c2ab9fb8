//! Linux AArch64 numbers and structures: the binary interface that Paddock's
//! user programs see. Nothing here does anything; it only names.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod aio;
pub mod dirent;
pub mod errno;
pub mod fcntl;
pub mod hwcap;
pub mod ipc;
pub mod mman;
pub mod nr;
pub mod process;
#[allow(missing_docs, reason = "the names are those of ptrace(2)")]
pub mod ptrace;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod termios;
pub mod time;
pub mod timex;
pub mod uio;

pub use errno::{Errno, Result};
