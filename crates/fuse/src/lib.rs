//! Filesystems that are programs (fuse(4)): the protocol that is spoken by way of
//! `/dev/fuse`, and the filesystem whose files are asked for there.
//!
//! Nothing that the program says is believed: each answer is looked at before it is used
//! (`answers`), and whoever waits for one ends its waiting when its process ends, or when
//! the program does ([`Connection`]). No lock is held while somebody waits.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod answers;
mod attributes;
mod connection;
mod device;
mod directory;
mod dirents;
mod extended;
mod file;
mod fs;
mod handle;
mod host;
mod inode;
mod message;
mod names;
mod notices;
mod opcode;
mod options;
mod pages;
mod queue;
mod request;
mod shared;
mod terms;
#[cfg(test)]
mod tests;
mod turn;

pub use connection::Connection;
pub use device::Device;
pub use fs::FuseFs;
pub use host::{Caller, Host, Woken};
pub use options::Options;
