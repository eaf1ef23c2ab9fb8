//! An Internet stack for the sockets of programs, without I/O and without
//! hardware: frames, calls and time go in; frames and news for owners come
//! out.
//!
//! A [`Stack`] is not shared: who uses it from several threads puts a lock
//! around it. Connections are found by a hash of both ends, listeners by their
//! port; what is due is a list, and deadlines are a heap: nothing looks at all
//! connections. Segments and datagrams between two sockets of this machine never
//! become packets: the receiver copies what the sender has.
//!
//! Times are nanoseconds of a clock that never goes back.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod autoconfiguration;
mod checksum;
mod cookies;
mod failures;
mod fragments;
mod icmp;
mod ip;
mod keys;
mod listener;
mod local;
mod loopback;
mod neighbours;
mod offload;
mod options;
mod ports;
mod raw;
mod ring;
mod segment;
mod seq;
mod settings;
mod shrink;
mod slab;
mod stack;
mod tcp;
mod time_wait;
mod udp;

pub use autoconfiguration::Plan;
pub use failures::Failure;
pub use fragments::is_fragment;
pub use ip::Packet;
pub use keys::mapped_octets;
pub use listener::{Accepted, Backlog};
pub use local::Local;
pub use loopback::Loopback;
pub use offload::{Cut, Offloads, Unfinished, finish_checksum};
pub use ports::{Claim, EPHEMERAL};
pub use raw::{Carries, Coverage, Echoes, Packets};
pub use settings::{Algorithm, BUFFER, MAX_BUFFER, PathMtu, Settings};
pub use slab::Id;
pub use stack::{Arrived, Burst, Datagrams, Delivery};
pub use stack::{Host, Interface, Ipv4, LISTEN, Listed, Observer, Stack, Traffic};
pub use tcp::{Figures, State};
pub use udp::{Arrival, MAX_DATAGRAM};

/// One second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// A time that does not come.
pub const NEVER: u64 = u64::MAX;
