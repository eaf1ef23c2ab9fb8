//! What a user may have of keys (`/proc/sys/kernel/keys`, `/proc/key-users`).

use alloc::collections::BTreeMap;
use paddock_abi::{Errno, Result};
use paddock_sync::try_insert;

/// The settings of `/proc/sys/kernel/keys`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Keys of a user but the superuser.
    pub maxkeys: u32,
    /// Bytes of their descriptions and contents.
    pub maxbytes: u32,
    /// Keys of the superuser.
    pub root_maxkeys: u32,
    /// Their bytes.
    pub root_maxbytes: u32,
    /// Seconds that a key stays in its keyrings after its end.
    pub gc_delay: u32,
}

impl Limits {
    /// Linux's.
    pub const fn new() -> Limits {
        Limits {
            maxkeys: 200,
            maxbytes: 20_000,
            root_maxkeys: 1_000_000,
            root_maxbytes: 25_000_000,
            gc_delay: 300,
        }
    }

    /// The most keys and bytes of a user.
    pub fn of(&self, uid: u32) -> (u32, u32) {
        match uid {
            0 => (self.root_maxkeys, self.root_maxbytes),
            _ => (self.maxkeys, self.maxbytes),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::new()
    }
}

/// What a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Keys.
    pub keys: u32,
    /// Their bytes.
    pub bytes: usize,
}

/// What each user has who has anything.
#[derive(Debug)]
pub struct Users(BTreeMap<u32, Held>);

impl Users {
    pub const fn new() -> Users {
        Users(BTreeMap::new())
    }

    /// They, by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Held)> {
        self.0.iter().map(|(uid, held)| (*uid, *held))
    }

    fn get(&self, uid: u32) -> Held {
        self.0.get(&uid).copied().unwrap_or_default()
    }

    /// Counts keys and bytes of a user more, whatever the limits say if there are none.
    ///
    /// # Errors
    /// `EDQUOT`, `ENOMEM`.
    pub fn add(&mut self, uid: u32, more: Held, limits: Option<&Limits>) -> Result<()> {
        let now = self.get(uid);
        let new = Held {
            keys: now.keys.saturating_add(more.keys),
            bytes: now.bytes.saturating_add(more.bytes),
        };
        if let Some(limits) = limits {
            let (keys, bytes) = limits.of(uid);
            if new.keys > keys || new.bytes > bytes as usize {
                return Err(Errno::EDQUOT);
            }
        }
        try_insert(&mut self.0, uid, new).map(drop)
    }

    /// Counts them less.
    pub fn remove(&mut self, uid: u32, less: Held) {
        let now = self.get(uid);
        let new = Held {
            keys: now.keys.saturating_sub(less.keys),
            bytes: now.bytes.saturating_sub(less.bytes),
        };
        match new == Held::default() {
            true => drop(self.0.remove(&uid)),
            // It is there: what it has was more.
            false => drop(self.0.get_mut(&uid).map(|held| *held = new)),
        }
    }
}
