//! What calls say of arguments that are wrong: each line is a call and the error
//! that its manual page names.

mod descriptors;
mod memory;
mod paths;
mod processes;
mod time;

use super::{Outcome, folder};
use crate::report::Report;

/// A raw system call.
macro_rules! raw {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        $crate::sys::call!(libc::syscall(libc::$name $(, $argument)*))
    };
}
pub(in crate::cases) use raw;

/// Calls, each with the error it must end with.
macro_rules! refused {
    ($report:expr; $($what:literal: $name:ident($($argument:expr),* $(,)?) => $errno:ident;)*) => {
        $($report.refused(
            concat!(stringify!($name), " ", $what),
            $crate::cases::errors::raw!($name, $($argument),*),
            libc::$errno,
        );)*
    };
}
pub(super) use refused;

/// An address that is nobody's.
const BAD: usize = 8;
const NONE: usize = 0;
/// A descriptor that is nobody's.
const CLOSED: i32 = 9_999;
/// The current folder, where a path may start.
const HERE: i32 = libc::AT_FDCWD;

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    // SAFETY: has no conditions. Others are refused for what they are.
    if unsafe { libc::geteuid() } != 0 {
        println!("only root's calls are looked at");
        return Ok(());
    }
    let folder = folder(words, "errors")?;
    std::env::set_current_dir(&folder).map_err(|error| error.to_string())?;
    let outcome = descriptors::run(report)
        .and_then(|()| paths::run(report))
        .and_then(|()| memory::run(report))
        .and_then(|()| processes::run(report))
        .and_then(|()| time::run(report));
    std::env::set_current_dir("/").map_err(|error| error.to_string())?;
    std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    outcome
}
