//! The logs of the services: one file each, every line with its time and
//! origin, turned over when it is full.
#![forbid(unsafe_code)]

mod file;
mod stamp;

pub(crate) use file::{Origin, ServiceLog, numbered, position};
pub(crate) use stamp::stamp;
