//! Sockets between processes of this machine (unix(7)).

mod datagram;
mod link;
mod registry;
mod socket;

pub use registry::{Name, Registry};
pub use socket::{Kind, Received, UnixSocket};

#[cfg(test)]
mod tests;
