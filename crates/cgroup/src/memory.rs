//! The memory controller: what a group and those below it have of the machine's
//! frames.
//!
//! The counting itself is a [`paddock_frames::Ledger`] under the lock of the frames;
//! here is what a group keeps of it, and what has happened for want of memory.

use crate::group::Group;
use crate::news::News;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_frames::{AccountId, FRAME_SIZE, Frameful};

/// Where the accounts of groups are. Any context.
pub trait Accounts: Send + Sync {
    /// One without limit below another. `ENOMEM`.
    fn open(&self, parent: AccountId) -> Result<AccountId>;

    /// Nothing more is charged to it.
    fn close(&self, account: AccountId);

    /// What it has.
    fn of(&self, account: AccountId) -> Frameful;

    /// Sets the most that it may have, in frames.
    fn set_max(&self, account: AccountId, frames: u64);
}

/// What happens for want of memory, as `memory.events` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryEvent {
    /// The group was at its limit, and more was wanted.
    Max,
    /// Something had to be killed for that.
    Oom,
    /// A process was.
    OomKill,
    /// The whole group was (`memory.oom.group`).
    OomGroupKill,
}

/// Their names, in the order of the enum.
const NAMES: [&str; 4] = ["max", "oom", "oom_kill", "oom_group_kill"];

/// How often each has happened.
#[derive(Debug)]
pub(crate) struct Events {
    counts: [AtomicU64; NAMES.len()],
    pub(crate) news: News,
}

impl Events {
    fn new() -> Events {
        Events {
            counts: [const { AtomicU64::new(0) }; NAMES.len()],
            news: News::new(),
        }
    }

    fn note(&self, event: MemoryEvent) {
        self.counts[event as usize].fetch_add(1, Relaxed);
        self.news.note();
    }

    /// Each with its name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        NAMES.into_iter().zip(counts)
    }
}

/// What a group keeps. Its account is closed with it.
pub(crate) struct Memory {
    accounts: Arc<dyn Accounts>,
    account: AccountId,
    /// Whether all of it goes if one has to.
    pub(crate) oom_group: AtomicBool,
    /// Here and below.
    pub(crate) events: Events,
    /// Here.
    pub(crate) own_events: Events,
}

impl Memory {
    /// Of the root, which is not counted.
    pub(crate) fn of_root(accounts: Arc<dyn Accounts>) -> Memory {
        Memory::with(accounts, AccountId::NOBODY)
    }

    fn with(accounts: Arc<dyn Accounts>, account: AccountId) -> Memory {
        Memory {
            accounts,
            account,
            oom_group: AtomicBool::new(false),
            events: Events::new(),
            own_events: Events::new(),
        }
    }

    /// Of a group below. `ENOMEM`.
    pub(crate) fn below(parent: &Memory) -> Result<Memory> {
        let account = parent.accounts.open(parent.account)?;
        Ok(Memory::with(parent.accounts.clone(), account))
    }

    /// What it has.
    pub(crate) fn has(&self) -> Frameful {
        self.accounts.of(self.account)
    }

    pub(crate) fn set_max(&self, frames: u64) {
        self.accounts.set_max(self.account, frames);
    }

    /// The controller is no longer there for the group: it limits nothing.
    pub(crate) fn reset(&self) {
        self.set_max(u64::MAX);
        self.oom_group.store(false, Relaxed);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.accounts.close(self.account);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({:?})", self.account)
    }
}

impl Group {
    /// Who pays for the memory of its processes.
    pub fn account(&self) -> AccountId {
        self.memory.account
    }

    /// What it has of the machine's frames, with those below.
    pub fn memory(&self) -> Frameful {
        self.memory.has()
    }

    /// The one of it and its ancestors whose account that is.
    pub fn holder_of(self: &Arc<Self>, account: AccountId) -> Option<&Arc<Group>> {
        self.lineage().find(|level| level.account() == account)
    }

    /// Of it and its ancestors up to `top`, the highest that is to go as a whole.
    pub fn oom_group<'a>(self: &'a Arc<Self>, top: &Group) -> Option<&'a Arc<Group>> {
        let below = self
            .lineage()
            .take_while(|level| level.depth() >= top.depth());
        below
            .filter(|level| level.memory.oom_group.load(Relaxed))
            .last()
    }

    /// Counts what has happened in it; [`Group::tell`] comes later. Any context.
    pub fn note_memory(self: &Arc<Self>, event: MemoryEvent) {
        self.memory.own_events.note(event);
        self.lineage()
            .for_each(|level| level.memory.events.note(event));
    }
}

/// Reads a limit: `max`, or bytes with a suffix of `K` to `E`; in frames, rounded
/// down. `EINVAL`.
pub(crate) fn parse_frames(text: &str) -> Result<u64> {
    if text == "max" {
        return Ok(u64::MAX);
    }
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let shift = match suffix.as_bytes() {
        [] => 0,
        [letter] => {
            let place = b"KMGTPE"
                .iter()
                .position(|own| *own == letter.to_ascii_uppercase());
            10 * (place.ok_or(Errno::EINVAL)? as u32 + 1)
        }
        _ => return Err(Errno::EINVAL),
    };
    let bytes = number.parse::<u64>().map_err(|_| Errno::EINVAL)?;
    let bytes = bytes.saturating_mul(1 << shift);
    Ok(bytes / FRAME_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_on_linux() {
        for (text, frames) in [
            ("max", Ok(u64::MAX)),
            ("0", Ok(0)),
            ("4095", Ok(0)),
            ("8192", Ok(2)),
            ("8k", Ok(2)),
            ("1G", Ok(1 << 18)),
            ("99999999E", Ok(u64::MAX / FRAME_SIZE)),
            ("", Err(Errno::EINVAL)),
            ("-1", Err(Errno::EINVAL)),
            ("1x", Err(Errno::EINVAL)),
            ("1KB", Err(Errno::EINVAL)),
        ] {
            assert_eq!(parse_frames(text), frames, "{text}");
        }
    }
}
