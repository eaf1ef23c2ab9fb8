//! The logs of the services: one file each, every line with its time and
//! origin, turned over when it is full.
#![forbid(unsafe_code)]

mod file;
mod files;
mod rate;
mod render;
mod stamp;
mod writer;

pub(crate) use file::numbered;
pub(crate) use rate::Rate;
pub(crate) use render::{Lines, Origin};
pub(crate) use stamp::{moment, stamp};
pub(crate) use writer::Writer;
