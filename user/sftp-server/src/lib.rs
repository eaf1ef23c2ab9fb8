//! The server's side of the SFTP protocol, version 3
//! (draft-ietf-secsh-filexfer-02), with the extensions of OpenSSH (its PROTOCOL
//! file, section 4) that its clients use.
//!
//! It acts with the rights of the user who runs it, and ends with its input.
#![forbid(unsafe_code)]

mod attributes;
mod copy;
mod extensions;
mod files;
mod handles;
mod names;
mod open;
mod paths;
mod server;
mod status;
mod wire;

pub use server::{Options, Server, serve};
