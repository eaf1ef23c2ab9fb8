//! The server on the host: real sockets, programs and terminals.
#![allow(dead_code)]

pub mod client;
pub mod listener;
pub mod process;
pub mod reactor;
pub mod server;
