//! Groups that hear of files and are asked before they are used (fanotify(7)).
//!
//! Marks of inodes, mounts and filesystems are in one index. What happens looks its
//! objects up there and comes to one group after another, by their classes; each hears of
//! it at most once, whichever of its marks are for it. No lock is held while an event is
//! made, or while somebody waits for an answer.

mod deliver;
mod event;
mod flags;
mod group;
mod host;
mod index;
mod mark;
mod marking;
mod permission;
mod queue;
#[cfg(test)]
mod tests;

pub(super) use deliver::{Happening, tell};
pub use flags::{Command, InitFlags, MarkRequest, Mask, event_flags};
pub use group::Fanotify;
pub use host::{Actor, Process, Tasks, set_tasks};
pub(super) use index::is_any;
pub(super) use marking::is_nameless;
pub(crate) use marking::{filesystem_ended, mount_ended};

use core::sync::atomic::AtomicU32;

/// Events that wait at the most, of groups made from now on
/// (`fs.fanotify.max_queued_events`, fanotify(7)).
pub static MAX_EVENTS: AtomicU32 = AtomicU32::new(16_384);
/// The most groups of a user (`fs.fanotify.max_user_groups`).
pub static MAX_GROUPS: AtomicU32 = AtomicU32::new(128);
/// The most marks of a user (`fs.fanotify.max_user_marks`).
pub static MAX_MARKS: AtomicU32 = AtomicU32::new(8192);
