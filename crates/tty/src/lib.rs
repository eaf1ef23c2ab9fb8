//! Terminals: the line discipline (termios(3)), pseudo-terminals (pty(7)),
//! the console, and job control (credentials(7), ioctl_tty(2)).
//!
//! [`Discipline`] is pure: bytes in, bytes and signals out. A [`Tty`] is one
//! terminal with its lock; files stand in front of it, and either a
//! pseudo-terminal's master or a [`Sink`] behind it.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod devpts;
mod discipline;
mod file;
mod ioctl;
mod job;
mod pty;
mod ssh_modes;
mod terminals;
mod tty;

pub use devpts::DevPts;
pub use discipline::{Discipline, Signals, default_termios};
pub use file::TtyFile;
pub use job::{Caller, JobControl};
pub use pty::PtyMaster;
pub use ssh_modes::apply_ssh_modes;
pub use terminals::Terminals;
pub use tty::{Sink, Tty};

#[cfg(test)]
mod tests;
