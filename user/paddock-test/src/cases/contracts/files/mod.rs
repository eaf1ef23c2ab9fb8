//! What a file holds, and its attributes.

mod births;
mod close_ranges;
mod copy_range;
mod descriptor_flags;
mod descriptor_limits;
mod dup_limits;
mod dups;
mod exec_closes;
mod fallocate_kinds;
mod fallocates;
mod file_limits;
mod fsync_kinds;
mod getdents;
mod hole_reads;
mod leases;
mod lseek;
mod lseek_kinds;
mod memfds;
mod modes;
mod nowait_reads;
mod open_append;
mod pread;
mod read_rules;
mod readaheads;
mod size_limits;
mod stat_fields;
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
    births
    close_ranges
    copy_range
    descriptor_flags
    descriptor_limits
    dup_limits
    dups
    exec_closes
    fallocate_kinds
    fallocates
    file_limits
    fsync_kinds
    getdents
    hole_reads
    leases
    lseek
    lseek_kinds
    memfds
    modes
    nowait_reads
    open_append
    pread
    read_rules
    readaheads
    size_limits
    stat_fields
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
