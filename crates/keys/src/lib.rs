//! The kernel's key management (keyrings(7)): keys, keyrings, which of them a process
//! has, and what it may do with them.
//!
//! All keys are in one [`Keys`], plain data that its owner keeps in a lock; nothing here
//! sleeps. What a user's keys take is bounded by quotas ([`Limits`]). A key goes when no
//! keyring links to it and no process has it; one that has expired or was revoked leaves
//! its keyrings some time after that, which whoever comes by sees to.
//!
//! *Kept by:* the tests here; `paddock-test contracts`, folder `keys`.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod add;
mod control;
mod key;
mod list;
mod owners;
mod perm;
mod quota;
mod search;
mod store;
#[cfg(test)]
mod tests;

pub use key::{Kind, Serial};
pub use perm::Need;
pub use quota::Limits;
pub use store::{Caller, Found, Keys};

/// The caller's thread's keyring (keyctl(2)).
pub const THREAD_KEYRING: Serial = -1;
/// Its process's.
pub const PROCESS_KEYRING: Serial = -2;
/// Its session's.
pub const SESSION_KEYRING: Serial = -3;
/// Its user's.
pub const USER_KEYRING: Serial = -4;
/// The one that stands for a session of its user's.
pub const USER_SESSION_KEYRING: Serial = -5;
/// Its group's, of which there is none.
pub const GROUP_KEYRING: Serial = -6;
/// What it has the right to make a key by, which nobody has here.
pub const REQKEY_AUTH_KEY: Serial = -7;
/// The keyring of who asked for that key.
pub const REQUESTOR_KEYRING: Serial = -8;
