//! herd keeps a set of services running and keeps their logs.
//!
//! The rooms, from the inside out: [`machine`] decides (no I/O, no clock of
//! its own), [`config`] reads definitions, `log` writes what services say,
//! `sys` makes the system calls, `daemon` ties these together in one
//! `epoll` loop, and `cli` is what an operator types. See `docs/HERD.md`.
#![deny(unsafe_code)]

mod cli;
pub mod config;
mod console;
mod daemon;
mod files;
mod log;
pub mod machine;
mod near;
mod paths;
mod proto;
mod sys;

/// The whole program: reads the command line, acts, and returns the exit
/// status that `docs/HERD.md` documents.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
