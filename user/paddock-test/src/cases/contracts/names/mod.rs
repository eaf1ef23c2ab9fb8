//! Names of files, and the ways to them.

mod faccessat;
mod inotify_rules;
mod links;
mod open_folder;
mod open_path;
mod open_slash;
mod open_symlinks;
mod open_tmpfile;
mod removed_folder;
mod rename_flags;
mod rename_rules;
mod rmdir_rules;

use super::contracts;

contracts! {
    faccessat
    inotify_rules
    links
    open_folder
    open_path
    open_slash
    open_symlinks
    open_tmpfile
    removed_folder
    rename_flags
    rename_rules
    rmdir_rules
}
