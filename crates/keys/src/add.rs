//! add_key(2) and request_key(2).

use crate::key::{Content, Kind, Serial};
use crate::perm::Need;
use crate::search::{How, Wanted};
use crate::store::{Caller, Keys, NewKey};
use crate::{PROCESS_KEYRING, SESSION_KEYRING, THREAD_KEYRING, USER_KEYRING, USER_SESSION_KEYRING};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::try_copy;

/// The rights of a new key: its possessor's, and that its owner sees it.
const NEW: u32 = 0x3d01_0000;
/// The possessor's to read it.
const TO_READ: u32 = 0x0200_0000;
/// How long it is remembered that there is no key, in seconds.
const NEGATIVE_SECONDS: u64 = 60;

fn rights(kind: Kind) -> u32 {
    match kind {
        Kind::Logon => NEW,
        Kind::User | Kind::Keyring => NEW | TO_READ,
    }
}

impl Keys {
    /// add_key(2): a new key in a keyring, or another content for the one that is there.
    ///
    /// # Errors
    /// `EINVAL`, `ENOTDIR`, `EACCES`, `EDQUOT`, `ENOMEM`, those of the keyring's number.
    pub fn add(
        &mut self,
        who: &Caller<'_>,
        kind: Kind,
        description: &[u8],
        payload: &[u8],
        ring: Serial,
    ) -> Result<Serial> {
        let ring = self.look_up(who, ring, How::CREATE, Need::WRITE)?;
        self.key(ring.serial)?.links()?;
        kind.check_payload(payload)?;
        kind.check_description(description)?;
        if kind != Kind::Keyring
            && let Some(old) = self.in_ring(ring.serial, kind, description, who.now)
        {
            let key = self.key(old)?;
            if !key.grants(who.cred, ring.possessed, Need::WRITE) {
                return Err(Errno::EACCES);
            }
            self.fill(old, payload)?;
            return Ok(old);
        }
        let content = match kind {
            Kind::Keyring => Content::Links(Vec::new()),
            _ => Content::Bytes(try_copy(payload)?),
        };
        self.make_in(who, kind, description, content, ring.serial)
    }

    /// A new key of the caller's in a keyring.
    fn make_in(
        &mut self,
        who: &Caller<'_>,
        kind: Kind,
        description: &[u8],
        content: Content,
        ring: Serial,
    ) -> Result<Serial> {
        let serial = self.make(NewKey {
            kind,
            description,
            uid: who.cred.uid.fs,
            gid: who.cred.gid.fs,
            perm: rights(kind),
            content,
            limited: true,
        })?;
        let linked = self.link(ring, serial);
        self.tidy(serial);
        linked.map(|()| serial)
    }

    /// The key of that kind and description in a keyring itself, if it is of use.
    fn in_ring(&self, ring: Serial, kind: Kind, description: &[u8], now: u64) -> Option<Serial> {
        let links = self.key(ring).ok()?.links().ok()?;
        let is_it = |serial: &&Serial| {
            self.key(**serial)
                .is_ok_and(|key| key.is(kind, description) && key.revoked.is_none() && !key.invalid)
        };
        let _ = now;
        links.iter().find(is_it).copied()
    }

    /// Gives a key another content; it does not expire any more.
    pub(crate) fn fill(&mut self, serial: Serial, payload: &[u8]) -> Result<()> {
        let bytes = try_copy(payload)?;
        self.recharge(serial, bytes.len())?;
        let key = self.key_mut(serial)?;
        key.content = Content::Bytes(bytes);
        key.expires = None;
        Ok(())
    }

    /// request_key(2): a key that the caller has, linked to from `dest` if that is not 0.
    /// With `asks`, that there is none is remembered for a while: nobody makes keys here.
    ///
    /// # Errors
    /// `ENOKEY`, `EKEYREVOKED`, `EKEYEXPIRED`, `EACCES`, `EDQUOT`, `ENOMEM`; those of the
    /// keyring's number.
    pub fn request(
        &mut self,
        who: &Caller<'_>,
        kind: Kind,
        description: &[u8],
        asks: bool,
        dest: Serial,
    ) -> Result<Serial> {
        let dest = match dest {
            0 => None,
            dest => Some(self.look_up(who, dest, How::CREATE, Need::WRITE)?.serial),
        };
        self.sweep(who.now);
        match self.search_own(who, Wanted::Named(kind, description)) {
            Ok(found) => {
                if let Some(dest) = dest {
                    let key = self.key(found.serial)?;
                    if !key.grants(who.cred, found.possessed, Need::LINK) {
                        return Err(Errno::EACCES);
                    }
                    self.link(dest, found.serial)?;
                }
                Ok(found.serial)
            }
            Err(Errno::EAGAIN) if asks => {
                self.remember_none(who, kind, description, dest)?;
                Err(Errno::ENOKEY)
            }
            Err(Errno::EAGAIN) => Err(Errno::ENOKEY),
            Err(error) => Err(error),
        }
    }

    fn remember_none(
        &mut self,
        who: &Caller<'_>,
        kind: Kind,
        description: &[u8],
        dest: Option<Serial>,
    ) -> Result<()> {
        kind.check_description(description)?;
        let dest = match dest {
            Some(dest) => dest,
            None => self.default_ring(who)?,
        };
        let none = Content::Negative(Errno::ENOKEY);
        let serial = self.make_in(who, kind, description, none, dest)?;
        let key = self.key_mut(serial)?;
        key.expires = Some(who.now.saturating_add(NEGATIVE_SECONDS));
        self.note_leaving(serial);
        Ok(())
    }

    /// Where a key goes that was asked for without saying where.
    fn default_ring(&mut self, who: &Caller<'_>) -> Result<Serial> {
        let own = self.owners.process(who.pid);
        let has_thread = own.is_some_and(|own| own.thread(who.tid).is_some());
        let has_process = own.is_some_and(|own| own.process.is_some());
        let id = match own.map_or(0, |own| own.default) {
            1 => THREAD_KEYRING,
            2 => PROCESS_KEYRING,
            3 => SESSION_KEYRING,
            4 => USER_KEYRING,
            5 => USER_SESSION_KEYRING,
            _ if has_thread => THREAD_KEYRING,
            _ if has_process => PROCESS_KEYRING,
            _ => SESSION_KEYRING,
        };
        Ok(self.look_up(who, id, How::PLAIN, Need::WRITE)?.serial)
    }
}
