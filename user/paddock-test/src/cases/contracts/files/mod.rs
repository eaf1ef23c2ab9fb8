//! What a file holds, and its attributes.

mod close_ranges;
mod copy_range;
mod dups;
mod fallocates;
mod getdents;
mod lseek;
mod memfds;
mod modes;
mod nowait_reads;
mod open_append;
mod pread;
mod read_rules;
mod readaheads;
mod size_limits;
mod stat_rules;
mod statfs_flags;
mod statfs_rules;
mod status_flags;
mod statx;
mod statx_more;
mod sync_ranges;
mod truncate;
mod truncate_rights;
mod utimens;
mod vectors;
mod vectors_at;
mod write_rights;
mod write_rules;
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
    nowait_reads
    open_append
    pread
    read_rules
    readaheads
    size_limits
    stat_rules
    statfs_flags
    statfs_rules
    status_flags
    statx
    statx_more
    sync_ranges
    truncate
    truncate_rights
    utimens
    vectors
    vectors_at
    write_rights
    write_rules
    xattrs
}
