//! AF_UNIX sockets (unix(7)): streams, packets, datagrams and pairs, bound to
//! files or to abstract names, with passing of files and identities.
//!
//! Nothing here waits: what cannot go on is `EAGAIN`, and waiting is done
//! through [`paddock_sync::Pollable`]. Each socket has one [`Endpoint`], and
//! at most one endpoint's lock is held at a time: what concerns two of them is
//! done to one after the other, in an order that a reader of either sees as
//! one of the two having come first.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod connect;
mod deferred_close;
mod endpoint;
mod file;
mod inbox;
mod metadata;
mod name;
mod options;
mod socket;
#[cfg(test)]
mod tests;
mod transfer;

pub use endpoint::Target;
pub use file::{Listed, for_each_bound};
pub use metadata::{next_ino, socket_metadata};
pub use name::Name;
pub use options::{SocketOptions, Switch};
pub use socket::{Kind, UnixSocket};
pub use transfer::{Ancillary, Received};
