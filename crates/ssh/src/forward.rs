//! Connections that are forwarded: where they lead, and where they come from.

use alloc::string::String;
use alloc::vec::Vec;

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// TCP.
    Tcp {
        /// A name or an address, as the client has it; at most 255 bytes.
        host: String,
        /// The port.
        port: u16,
    },
    /// A local socket, by its path: without NUL, at most 107 bytes.
    Local(Vec<u8>),
}

/// A connection that the client wants to be made from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The name under which the client has logged in.
    pub user: String,
    /// What it leads to.
    pub to: Destination,
}

/// Where connections are awaited on the client's behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A TCP port; the address is the one that the client gave.
    Tcp {
        /// As the client has it; at most 255 bytes.
        host: String,
        /// The port; zero asks for any.
        port: u16,
    },
    /// A local socket, by its path: without NUL, at most 107 bytes.
    Local(Vec<u8>),
    /// A local socket that leads to the client's agent, at a path of this
    /// side's choice.
    Agent,
}

/// Connections that the client wants to be awaited here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenRequest {
    /// The name under which the client has logged in.
    pub user: String,
    /// Where.
    pub at: Place,
}

/// Where connections are awaited now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The port, of TCP.
    pub port: u16,
    /// The path, of an agent's socket.
    pub path: String,
}

/// Where a connection that came has come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The address of its other end; empty for a local one.
    pub address: String,
    /// The port of its other end.
    pub port: u16,
}

/// The longest path of a local socket, in bytes (unix(7)).
const MAX_PATH: usize = 107;

/// Whether bytes are a path that a local socket can have.
pub(crate) fn is_socket_path(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && path.len() <= MAX_PATH && !path.contains(&0)
}
