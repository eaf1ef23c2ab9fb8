//! What a file holds, and its attributes.

mod close_ranges;
mod copy_range;
mod dups;
mod fallocates;
mod getdents;
mod lseek;
mod memfds;
mod modes;
mod open_append;
mod pread;
mod status_flags;
mod statx;
mod truncate;
mod utimens;
mod vectors;
mod xattrs;

use super::contracts;

contracts! {
    close_ranges
    copy_range
    dups
    fallocates
    getdents
    lseek
    memfds
    modes
    open_append
    pread
    status_flags
    statx
    truncate
    utimens
    vectors
    xattrs
}
