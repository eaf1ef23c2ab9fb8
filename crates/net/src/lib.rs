//! The network: two embassy-net stacks behind their doors, and the sockets
//! of TCP and UDP with Linux's behaviour.
//!
//! embassy-net keeps its state in `RefCell`s. Everything that touches it, the
//! runner's poll included, goes through one door, a section (see
//! `stack`): preemption off, the stack's spin lock held, a plain value out.
//!
//! Sockets never wait: what cannot go on is `EAGAIN`, and waiting is done
//! through [`paddock_sync::Pollable`].

#![cfg_attr(all(target_os = "none", not(test)), no_std)]

extern crate alloc;

mod address;
mod buffer;
mod listening;
mod loopback;
mod net;
mod notifier;
mod ports;
mod runner_wake;
mod segment_size;
mod slab;
mod sockets;
mod stack;
mod status;
mod tcp;
mod tcp_file;
mod udp;

#[cfg(test)]
mod tests;

pub use embassy_net::{IpAddress, IpEndpoint, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
pub use embassy_net_driver as driver;
pub use net::{Interface, Limits, Net, NetConfig};
pub use status::{InterfaceStatus, SocketStatus, TcpState};
pub use tcp::{KeepAlive, TcpSocket};
pub use udp::{Arrived, MAX_DATAGRAM, UdpSocket};
