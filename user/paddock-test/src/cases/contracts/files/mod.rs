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
mod read_rules;
mod readaheads;
mod stat_rules;
mod status_flags;
mod statx;
mod sync_ranges;
mod truncate;
mod utimens;
mod vectors;
mod vectors_at;
mod write_rights;
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
    read_rules
    readaheads
    stat_rules
    status_flags
    statx
    sync_ranges
    truncate
    utimens
    vectors
    vectors_at
    write_rights
    xattrs
}
