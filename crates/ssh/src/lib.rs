//! An SSH-2 server.
//!
//! [`Engine`] is the protocol without I/O: bytes go in, bytes and events come
//! out. [`serve`] drives one over a byte stream and a [`Backend`] that starts
//! programs, as one future that needs no particular runtime.
//!
//! Public keys are the only way in. Sessions with a command, a shell or a
//! subsystem, with or without a terminal, connections from here to elsewhere, and
//! connections from here to the client and its agent are served.
//!
//! Where floating-point registers may not be touched, the cryptography's
//! portable code is chosen by `--cfg aes_backend="soft"`, and so for `polyval`,
//! `sha2`, `keccak` and `poly1305`. A key exchange takes up to 48 KiB of stack.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod accounts;
mod admission;
mod auth;
mod channel;
mod cipher;
mod config;
mod connection;
mod engine;
mod error;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod kex;
mod keys;
mod message;
pub mod monitor;
mod near;
mod negotiate;
mod once;
mod pattern;
mod rate;
mod reports;
mod server;
pub mod settings;
mod transport;
mod wire;

pub use admission::{Admission, AdmissionLimits, Admitted, Offence, Stage, Ticket, TurnedAway};
pub use auth::{AuthRequest, Refusal, RefusedAttempt};
pub use channel::{ChannelId, ExitStatus, PtyRequest, SpawnRequest, WindowSize};
pub use config::Config;
pub use engine::{Engine, Event, Output};
pub use error::{Code, Ended, Fault};
pub use forward::{Arrival, Bound, ConnectRequest, Destination, ListenRequest, Place};
pub use keys::{
    AuthorizedKeys, BadLine, Certificate, HostKey, HostKeyError, KeyOptions, KeyRefusal, Origin,
    Variable, fingerprint,
};
pub use once::Once;
pub use rate::RateLimit;
pub use server::{Backend, ByteStream, IoError, Listener, Notice, ProcessIo, SpawnError, serve};
pub use ssh_key::public::KeyData;
