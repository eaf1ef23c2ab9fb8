//! [`Keys`]: all keys, and how they come and go.

use crate::key::{Content, Key, Kind, LINK_BYTES, Serial};
use crate::owners::Owners;
use crate::quota::{Held, Limits, Users};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_cred::Cred;
use paddock_sync::{try_box, try_copy, try_insert};

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Who it is.
    pub cred: &'a Cred,
    /// Its process.
    pub pid: u32,
    /// Its thread.
    pub tid: u32,
    /// Seconds since boot.
    pub now: u64,
}

/// A key that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub serial: Serial,
    /// Whether the finder possesses it.
    pub possessed: bool,
}

/// What a new key is made of.
pub(crate) struct NewKey<'a> {
    pub kind: Kind,
    pub description: &'a [u8],
    pub uid: u32,
    pub gid: u32,
    pub perm: u32,
    pub content: Content,
    /// Whether its owner's quota must have room.
    pub limited: bool,
}

/// All keys.
#[derive(Debug)]
pub struct Keys {
    pub(crate) all: BTreeMap<Serial, Box<Key>>,
    pub(crate) users: Users,
    pub(crate) owners: Owners,
    pub(crate) searches: u64,
    last: Serial,
    /// When the next key may leave its keyrings.
    next_to_leave: u64,
    /// The settings.
    pub limits: Limits,
}

/// Numbers below this are no key's.
const FIRST: Serial = 3;
/// What the numbers of two keys differ by at the least: nothing can be told from one.
const STEP: Serial = 0x1_6b31;

impl Keys {
    /// None.
    pub const fn new() -> Keys {
        Keys {
            all: BTreeMap::new(),
            users: Users::new(),
            owners: Owners::new(),
            searches: 0,
            last: FIRST,
            next_to_leave: u64::MAX,
            limits: Limits::new(),
        }
    }

    /// A key. `ENOKEY`.
    pub(crate) fn key(&self, serial: Serial) -> Result<&Key> {
        self.all.get(&serial).map(|key| &**key).ok_or(Errno::ENOKEY)
    }

    /// The same, to be changed.
    pub(crate) fn key_mut(&mut self, serial: Serial) -> Result<&mut Key> {
        let key = self.all.get_mut(&serial);
        key.map(|key| &mut **key).ok_or(Errno::ENOKEY)
    }

    fn free_serial(&self) -> Serial {
        let mut serial = self.last;
        loop {
            serial = serial.wrapping_add(STEP) & Serial::MAX;
            if serial >= FIRST && !self.all.contains_key(&serial) {
                return serial;
            }
        }
    }

    /// Makes a key that nothing refers to: the caller links to it, or [lets it
    /// go](Self::tidy).
    ///
    /// # Errors
    /// `EDQUOT`, `ENOMEM`.
    pub(crate) fn make(&mut self, new: NewKey<'_>) -> Result<Serial> {
        let mut key = Key {
            kind: new.kind,
            description: try_copy(new.description)?,
            uid: new.uid,
            gid: new.gid,
            perm: new.perm,
            content: new.content,
            expires: None,
            revoked: None,
            invalid: false,
            charged: 0,
            references: 0,
            visited: 0,
        };
        key.charged = key.description.len() + 1 + key.content_bytes();
        let held = Held {
            keys: 1,
            bytes: key.charged,
        };
        let limits = self.limits;
        let limits = new.limited.then_some(&limits);
        let serial = self.free_serial();
        let key = try_box(key)?;
        self.users.add(new.uid, held, limits)?;
        if let Err(error) = try_insert(&mut self.all, serial, key) {
            self.users.remove(new.uid, held);
            return Err(error);
        }
        self.last = serial;
        Ok(serial)
    }

    /// Has a key's content count as it is now.
    ///
    /// # Errors
    /// `EDQUOT` if it has grown too much, and `content` stays the caller's.
    pub(crate) fn recharge(&mut self, serial: Serial, content_bytes: usize) -> Result<()> {
        let key = self.key(serial)?;
        let (uid, old) = (key.uid, key.charged);
        let new = key.description.len() + 1 + content_bytes;
        let bytes = |bytes| Held { keys: 0, bytes };
        match new.checked_sub(old) {
            Some(more) => {
                let limits = self.limits;
                self.users.add(uid, bytes(more), Some(&limits))?;
            }
            None => self.users.remove(uid, bytes(old - new)),
        }
        self.key_mut(serial)?.charged = new;
        Ok(())
    }

    /// One more refers to a key.
    pub(crate) fn hold(&mut self, serial: Serial) {
        if let Ok(key) = self.key_mut(serial) {
            key.references += 1;
        }
    }

    /// One less does: with the last one it goes, and with a keyring its links.
    pub(crate) fn release(&mut self, serial: Serial) {
        if let Ok(key) = self.key_mut(serial) {
            key.references = key.references.saturating_sub(1);
        }
        self.tidy(serial);
    }

    /// A key to which nothing refers goes, and so on.
    pub(crate) fn tidy(&mut self, serial: Serial) {
        let mut at = Some(serial);
        // A keyring that goes gives its links to the one that went before, so that this
        // needs no memory.
        let mut left: Vec<Serial> = Vec::new();
        while let Some(serial) = at.or_else(|| left.pop()) {
            at = None;
            if self.key(serial).is_ok_and(|key| key.references > 0) {
                continue;
            }
            let Some(key) = self.all.remove(&serial) else {
                continue;
            };
            let held = Held {
                keys: 1,
                bytes: key.charged,
            };
            self.users.remove(key.uid, held);
            if let Content::Links(links) = key.content {
                for &link in &links {
                    if let Ok(key) = self.key_mut(link) {
                        key.references = key.references.saturating_sub(1);
                    }
                }
                left = merged(left, links);
            }
        }
    }

    /// Links a keyring to a key; a link to another key of that kind and description goes.
    ///
    /// # Errors
    /// `ENOTDIR`, `EKEYREVOKED`, `EDEADLK` for a circle, `ELOOP` for too many keyrings in
    /// each other, `EDQUOT`, `ENOMEM`.
    pub(crate) fn link(&mut self, ring: Serial, serial: Serial) -> Result<()> {
        let links = self.key(ring)?.links()?;
        if self.key(ring)?.revoked.is_some() {
            return Err(Errno::EKEYREVOKED);
        }
        let key = self.key(serial)?;
        if links.contains(&serial) {
            return Ok(());
        }
        let same = |other: &&Serial| {
            self.key(**other)
                .is_ok_and(|other| other.is(key.kind, &key.description))
        };
        let replaced = links.iter().find(same).copied();
        let count = links.len();
        if key.kind == Kind::Keyring {
            self.check_no_circle(serial, ring)?;
        }
        if let Some(old) = replaced {
            for link in self.links_mut(ring)? {
                if *link == old {
                    *link = serial;
                }
            }
            self.hold(serial);
            self.release(old);
            return Ok(());
        }
        let links = self.links_mut(ring)?;
        links.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.recharge(ring, (count + 1) * LINK_BYTES)?;
        self.links_mut(ring)?.push(serial);
        self.hold(serial);
        Ok(())
    }

    fn links_mut(&mut self, ring: Serial) -> Result<&mut Vec<Serial>> {
        match &mut self.key_mut(ring)?.content {
            Content::Links(links) => Ok(links),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Takes a link out of a keyring. `ENOENT`, `ENOTDIR`.
    pub(crate) fn unlink(&mut self, ring: Serial, serial: Serial) -> Result<()> {
        let links = self.links_mut(ring)?;
        let at = links.iter().position(|&link| link == serial);
        links.remove(at.ok_or(Errno::ENOENT)?);
        let count = links.len();
        // Less always succeeds.
        let _ = self.recharge(ring, count * LINK_BYTES);
        self.release(serial);
        Ok(())
    }

    /// Takes all links out of a keyring. `ENOTDIR`.
    pub(crate) fn clear(&mut self, ring: Serial) -> Result<()> {
        let links = core::mem::take(self.links_mut(ring)?);
        let _ = self.recharge(ring, 0);
        for link in links {
            self.release(link);
        }
        Ok(())
    }

    /// A key ends, or will: it leaves its keyrings later.
    pub(crate) fn note_leaving(&mut self, serial: Serial) {
        let delay = u64::from(self.limits.gc_delay);
        let leaves = self.key(serial).ok().and_then(|key| key.leaves(delay));
        if let Some(leaves) = leaves {
            self.next_to_leave = self.next_to_leave.min(leaves);
        }
    }

    /// Changes the settings.
    pub fn change_limits(&mut self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.limits);
        // Keys may leave sooner now.
        self.next_to_leave = 0;
    }

    /// Keys whose time has come leave their keyrings. Mostly nothing is to be done.
    pub fn sweep(&mut self, now: u64) {
        if now < self.next_to_leave {
            return;
        }
        let delay = u64::from(self.limits.gc_delay);
        let mut next = u64::MAX;
        let mut behind = Serial::MIN;
        while let Some(serial) = self.all.range(behind..).next().map(|(serial, _)| *serial) {
            behind = serial.saturating_add(1);
            let leaves = |keys: &Keys, link| keys.key(link).ok().and_then(|key| key.leaves(delay));
            if let Some(at) = leaves(self, serial).filter(|at| *at > now) {
                next = next.min(at);
            }
            let mut place = 0;
            while let Some(link) = self.link_at(serial, place) {
                match leaves(self, link).is_some_and(|at| at <= now) {
                    true => drop(self.unlink(serial, link)),
                    false => place += 1,
                }
            }
        }
        self.next_to_leave = next;
    }

    fn link_at(&self, ring: Serial, place: usize) -> Option<Serial> {
        self.key(ring).ok()?.links().ok()?.get(place).copied()
    }
}

impl Default for Keys {
    fn default() -> Self {
        Keys::new()
    }
}

/// Both lists in one of them; what does not fit for want of memory is left out, and its
/// keys stay until a sweep.
fn merged(mut left: Vec<Serial>, mut links: Vec<Serial>) -> Vec<Serial> {
    if left.is_empty() {
        return links;
    }
    if left.try_reserve(links.len()).is_ok() {
        left.append(&mut links);
    }
    left
}
