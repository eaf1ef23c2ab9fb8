//! What keyctl(2) does to keys.

use crate::key::{Content, Key, Kind, LINK_BYTES, Serial};
use crate::perm::{ALL, Need};
use crate::quota::Held;
use crate::search::{How, Wanted};
use crate::store::{Caller, Keys};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::try_copy;

/// `KEY_REQKEY_DEFL_*`: the last that there is.
const LAST_DEFAULT: i32 = 5;

impl Keys {
    /// The number of a keyring, made now if need be (`KEYCTL_GET_KEYRING_ID`).
    ///
    /// # Errors
    /// Those of the number.
    pub fn ring_id(&mut self, who: &Caller<'_>, id: Serial, create: bool) -> Result<Serial> {
        let how = if create { How::CREATE } else { How::PLAIN };
        Ok(self.look_up(who, id, how, Need::SEARCH)?.serial)
    }

    /// Gives a key another content (`KEYCTL_UPDATE`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a keyring, `EINVAL`, `EDQUOT`, `ENOMEM`; those of the number.
    pub fn update(&mut self, who: &Caller<'_>, id: Serial, payload: &[u8]) -> Result<()> {
        let found = self.look_up(who, id, How::PLAIN, Need::WRITE)?;
        let kind = self.key(found.serial)?.kind;
        if kind == Kind::Keyring {
            return Err(Errno::EOPNOTSUPP);
        }
        kind.check_payload(payload)?;
        self.fill(found.serial, payload)
    }

    /// `KEYCTL_REVOKE`.
    ///
    /// # Errors
    /// Those of the number.
    pub fn revoke(&mut self, who: &Caller<'_>, id: Serial) -> Result<()> {
        let found = match self.look_up(who, id, How::PLAIN, Need::WRITE) {
            Err(Errno::EACCES) => self.look_up(who, id, How::PLAIN, Need::SETATTR)?,
            found => found?,
        };
        let serial = found.serial;
        self.key_mut(serial)?.revoked = Some(who.now);
        match self.key(serial)?.kind {
            Kind::Keyring => self.clear(serial)?,
            _ => {
                self.key_mut(serial)?.content = Content::Bytes(Vec::new());
                // Less always succeeds.
                let _ = self.recharge(serial, 0);
            }
        }
        self.note_leaving(serial);
        Ok(())
    }

    /// `KEYCTL_INVALIDATE`: the key leaves all keyrings at once.
    ///
    /// # Errors
    /// Those of the number.
    pub fn invalidate(&mut self, who: &Caller<'_>, id: Serial) -> Result<()> {
        let found = self.look_up(who, id, How::PLAIN, Need::SEARCH)?;
        self.key_mut(found.serial)?.invalid = true;
        self.note_leaving(found.serial);
        self.sweep(who.now);
        Ok(())
    }

    /// `KEYCTL_CHOWN`, with the kernel's ids.
    ///
    /// # Errors
    /// `EACCES`, `EDQUOT`, `ENOMEM`; those of the number.
    pub fn chown(
        &mut self,
        who: &Caller<'_>,
        id: Serial,
        (uid, gid): (Option<u32>, Option<u32>),
    ) -> Result<()> {
        let found = self.look_up(who, id, How::CREATE_PARTIAL, Need::SETATTR)?;
        let key = self.key(found.serial)?;
        let (old, charged) = (key.uid, key.charged);
        let in_group = |gid| who.cred.gid.fs == gid || who.cred.groups.has(gid);
        let other_user = uid.is_some_and(|uid| uid != old);
        let other_group = gid.is_some_and(|gid| gid != key.gid && !in_group(gid));
        if (other_user || other_group) && !who.cred.capable(Cap::CAP_SYS_ADMIN) {
            return Err(Errno::EACCES);
        }
        if let Some(uid) = uid.filter(|uid| *uid != old) {
            let held = Held {
                keys: 1,
                bytes: charged,
            };
            let limits = self.limits;
            self.users.add(uid, held, Some(&limits))?;
            self.users.remove(old, held);
            self.key_mut(found.serial)?.uid = uid;
        }
        if let Some(gid) = gid {
            self.key_mut(found.serial)?.gid = gid;
        }
        Ok(())
    }

    /// `KEYCTL_SETPERM`.
    ///
    /// # Errors
    /// `EINVAL` for rights that there are not, `EACCES` for others than the owner; those of
    /// the number.
    pub fn set_perm(&mut self, who: &Caller<'_>, id: Serial, perm: u32) -> Result<()> {
        if perm & !ALL != 0 {
            return Err(Errno::EINVAL);
        }
        let found = self.look_up(who, id, How::CREATE_PARTIAL, Need::SETATTR)?;
        let key = self.key_mut(found.serial)?;
        if key.uid != who.cred.uid.fs && !who.cred.capable(Cap::CAP_SYS_ADMIN) {
            return Err(Errno::EACCES);
        }
        key.perm = perm;
        Ok(())
    }

    /// A key's kind, owner, group, rights and description (`KEYCTL_DESCRIBE`).
    ///
    /// # Errors
    /// `ENOMEM`; those of the number.
    pub fn describe(&mut self, who: &Caller<'_>, id: Serial) -> Result<Vec<u8>> {
        let found = self.look_up(who, id, How::PARTIAL, Need::VIEW)?;
        let key = self.key(found.serial)?;
        let namespace = &who.cred.user_namespace;
        let mut text = crate::list::Line::new(key.description.len() + 64)?;
        let (uid, gid) = (namespace.shown_uid(key.uid), shown_gid(who, key));
        let (name, perm) = (key.kind.name(), key.perm);
        text.put(format_args!("{name};{uid};{gid};{perm:08x};"));
        text.bytes(&key.description);
        text.bytes(b"\0");
        Ok(text.into_bytes())
    }

    /// `KEYCTL_CLEAR`.
    ///
    /// # Errors
    /// `ENOTDIR`; those of the number.
    pub fn clear_ring(&mut self, who: &Caller<'_>, id: Serial) -> Result<()> {
        let found = self.look_up(who, id, How::CREATE, Need::WRITE)?;
        self.clear(found.serial)
    }

    /// `KEYCTL_LINK`.
    ///
    /// # Errors
    /// `ENOTDIR`, `EDEADLK`, `ELOOP`, `EDQUOT`, `ENOMEM`; those of the numbers.
    pub fn link_to(&mut self, who: &Caller<'_>, id: Serial, ring: Serial) -> Result<()> {
        let ring = self.look_up(who, ring, How::CREATE, Need::WRITE)?;
        let found = self.look_up(who, id, How::CREATE, Need::LINK)?;
        self.link(ring.serial, found.serial)
    }

    /// `KEYCTL_UNLINK`.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOENT`; those of the numbers.
    pub fn unlink_from(&mut self, who: &Caller<'_>, id: Serial, ring: Serial) -> Result<()> {
        let ring = self.look_up(who, ring, How::PLAIN, Need::WRITE)?;
        let found = self.look_up(who, id, How::DEAD_TOO, Need::empty())?;
        self.unlink(ring.serial, found.serial)
    }

    /// `KEYCTL_MOVE`: a link goes from one keyring to another; with `exclusive` only where
    /// there is no key of that kind and description.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, as of [`Self::link_to`].
    pub fn move_link(
        &mut self,
        who: &Caller<'_>,
        id: Serial,
        (from, to): (Serial, Serial),
        exclusive: bool,
    ) -> Result<()> {
        let found = self.look_up(who, id, How::CREATE, Need::LINK)?;
        let from = self.look_up(who, from, How::PLAIN, Need::WRITE)?;
        let to = self.look_up(who, to, How::CREATE, Need::WRITE)?;
        if !self.key(from.serial)?.links()?.contains(&found.serial) {
            return Err(Errno::ENOENT);
        }
        if from.serial == to.serial {
            return Ok(());
        }
        let key = self.key(found.serial)?;
        let is_there = |link: &Serial| {
            let other = self.key(*link);
            other.is_ok_and(|other| other.is(key.kind, &key.description))
        };
        if exclusive && self.key(to.serial)?.links()?.iter().any(is_there) {
            return Err(Errno::EEXIST);
        }
        self.link(to.serial, found.serial)?;
        self.unlink(from.serial, found.serial)
    }

    /// `KEYCTL_SEARCH`: a key in a keyring, linked to from `dest` if that is not 0.
    ///
    /// # Errors
    /// `ENOKEY`, `ENOTDIR`, `EACCES`, as of [`Self::link_to`].
    pub fn search_in(
        &mut self,
        who: &Caller<'_>,
        ring: Serial,
        (kind, description): (Kind, &[u8]),
        dest: Serial,
    ) -> Result<Serial> {
        let ring = self.look_up(who, ring, How::PLAIN, Need::SEARCH)?;
        let dest = match dest {
            0 => None,
            dest => Some(self.look_up(who, dest, How::CREATE, Need::WRITE)?),
        };
        let found = self.search(who, ring, Wanted::Named(kind, description));
        let found = found.map_err(|error| match error {
            Errno::EAGAIN => Errno::ENOKEY,
            error => error,
        })?;
        if let Some(dest) = dest {
            let key = self.key(found.serial)?;
            if !key.grants(who.cred, found.possessed, Need::LINK) {
                return Err(Errno::EACCES);
            }
            self.link(dest.serial, found.serial)?;
        }
        Ok(found.serial)
    }

    /// What is in a key, or the numbers of those in a keyring (`KEYCTL_READ`).
    ///
    /// # Errors
    /// `EACCES` without the right to read it or possession of it, `EOPNOTSUPP` for what
    /// nobody reads, `ENOMEM`; those of the number.
    pub fn read(&mut self, who: &Caller<'_>, id: Serial) -> Result<Vec<u8>> {
        let found = self.look_up(who, id, How::DEAD_TOO, Need::empty())?;
        let key = self.key(found.serial)?;
        key.check_positive()?;
        if !key.grants(who.cred, found.possessed, Need::READ) && !found.possessed {
            return Err(Errno::EACCES);
        }
        key.check_alive(who.now)?;
        match &key.content {
            _ if key.kind == Kind::Logon => Err(Errno::EOPNOTSUPP),
            Content::Bytes(bytes) => try_copy(bytes),
            Content::Negative(error) => Err(*error),
            Content::Links(links) => {
                let mut bytes = Vec::new();
                let room = links.len() * LINK_BYTES;
                bytes.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
                for link in links {
                    bytes.extend_from_slice(&link.to_ne_bytes());
                }
                Ok(bytes)
            }
        }
    }

    /// Where request_key(2) links to unless it is told (`KEYCTL_SET_REQKEY_KEYRING`); where
    /// it did. -1 changes nothing.
    ///
    /// # Errors
    /// `EINVAL`, `EDQUOT`, `ENOMEM`.
    pub fn set_default(&mut self, who: &Caller<'_>, default: i32) -> Result<i32> {
        match default {
            -1..=LAST_DEFAULT => {}
            _ => return Err(Errno::EINVAL),
        }
        match default {
            1 => drop(self.make_thread_ring(who)?),
            2 => drop(self.make_process_ring(who)?),
            _ => {}
        }
        let own = self.owners.process_mut(who.pid)?;
        Ok(match default {
            -1 => own.default,
            default => core::mem::replace(&mut own.default, default),
        })
    }

    /// A key expires in so many seconds (`KEYCTL_SET_TIMEOUT`); never for 0.
    ///
    /// # Errors
    /// Those of the number.
    pub fn set_timeout(&mut self, who: &Caller<'_>, id: Serial, seconds: u32) -> Result<()> {
        let found = self.look_up(who, id, How::CREATE_PARTIAL, Need::SETATTR)?;
        let expires = who.now.saturating_add(seconds.into());
        self.key_mut(found.serial)?.expires = (seconds > 0).then_some(expires);
        self.note_leaving(found.serial);
        Ok(())
    }

    /// `EACCES` unless the caller sees the key (`KEYCTL_GET_SECURITY`).
    ///
    /// # Errors
    /// Those of the number.
    pub fn check_view(&mut self, who: &Caller<'_>, id: Serial) -> Result<()> {
        let how = How::PARTIAL;
        self.look_up(who, id, how, Need::VIEW).map(drop)
    }

    /// Links a keyring to a user's persistent one, which it gives
    /// (`KEYCTL_GET_PERSISTENT`).
    ///
    /// # Errors
    /// `EPERM` for another user's without CAP_SETUID, as of [`Self::link_to`].
    pub fn persistent(&mut self, who: &Caller<'_>, uid: u32, ring: Serial) -> Result<Serial> {
        let own = [who.cred.uid.real, who.cred.uid.effective];
        if !own.contains(&uid) && !who.cred.capable(Cap::CAP_SETUID) {
            return Err(Errno::EPERM);
        }
        let ring = self.look_up(who, ring, How::CREATE, Need::WRITE)?;
        self.key(ring.serial)?.links()?;
        let serial = self.persistent_ring(who, uid)?;
        self.link(ring.serial, serial)?;
        Ok(serial)
    }
}

/// A key's group as the caller knows it; -1 for none.
fn shown_gid(who: &Caller<'_>, key: &Key) -> i64 {
    match key.gid {
        u32::MAX => -1,
        gid => who.cred.user_namespace.shown_gid(gid).into(),
    }
}
