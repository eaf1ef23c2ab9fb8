//! Names of files, and the ways to them.

mod access_errors;
mod access_modes;
mod at_folders;
mod chdir_rules;
mod chroot_rules;
mod creat_rules;
mod faccessat;
mod folder_signals;
mod getcwd_sizes;
mod handles;
mod inotify_events;
mod inotify_flags;
mod inotify_gone;
mod inotify_info;
mod inotify_limits;
mod inotify_rules;
mod inotify_unlinked;
mod link_loops;
mod link_rules;
mod links;
mod long_names;
mod mkdir_rules;
mod mknod_rules;
mod names_long;
mod open_creates;
mod open_devices;
mod open_folder;
mod open_limits;
mod open_modes;
mod open_path;
mod open_rights;
mod open_slash;
mod open_symlinks;
mod open_tmpfile;
mod openat2_resolve;
mod openat2_rules;
mod openat_folders;
mod readlinks;
mod removed_folder;
mod rename_flags;
mod rename_folders;
mod rename_rules;
mod rename_same;
mod rename_sticky;
mod renameat_folders;
mod rmdir_errors;
mod rmdir_rules;
mod sticky_folders;
mod symlink_loops;
mod symlink_rules;
mod unlink_rules;
mod watched_open;

use super::contracts;

contracts! {
    access_errors
    access_modes
    at_folders
    chdir_rules
    chroot_rules
    creat_rules
    faccessat
    folder_signals
    getcwd_sizes
    handles
    inotify_events
    inotify_flags
    inotify_gone
    inotify_info
    inotify_limits
    inotify_rules
    inotify_unlinked
    link_loops
    link_rules
    links
    long_names
    mkdir_rules
    mknod_rules
    names_long
    open_creates
    open_devices
    open_folder
    open_limits
    open_modes
    open_path
    open_rights
    open_slash
    open_symlinks
    open_tmpfile
    openat2_resolve
    openat2_rules
    openat_folders
    readlinks
    removed_folder
    rename_flags
    rename_folders
    rename_rules
    rename_same
    rename_sticky
    renameat_folders
    rmdir_errors
    rmdir_rules
    sticky_folders
    symlink_loops
    symlink_rules
    unlink_rules
    watched_open
}
