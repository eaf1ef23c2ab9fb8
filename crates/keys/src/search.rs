//! Finding keys: by number, by what a number stands for, and by description in keyrings.

use crate::key::{Content, Kind, Serial};
use crate::perm::Need;
use crate::store::{Caller, Found, Keys};
use crate::{
    GROUP_KEYRING, PROCESS_KEYRING, REQKEY_AUTH_KEY, REQUESTOR_KEYRING, SESSION_KEYRING,
    THREAD_KEYRING, USER_KEYRING, USER_SESSION_KEYRING,
};
use paddock_abi::{Errno, Result};

/// How many keyrings deep a search goes.
const DEPTH: usize = 6;

/// What is searched for.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// This key, alive or not.
    Serial(Serial),
    /// One of this kind and description.
    Named(Kind, &'a [u8]),
}

/// How a key is looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Keyrings of the caller's are made now if need be.
    pub create: bool,
    /// One that has no content is good enough.
    pub partial: bool,
    /// Whether it is alive does not matter.
    pub dead_too: bool,
}

impl How {
    pub const PLAIN: How = How {
        create: false,
        partial: false,
        dead_too: false,
    };
    pub const CREATE: How = How {
        create: true,
        ..How::PLAIN
    };
    pub const PARTIAL: How = How {
        partial: true,
        ..How::PLAIN
    };
    pub const CREATE_PARTIAL: How = How {
        create: true,
        ..How::PARTIAL
    };
    pub const DEAD_TOO: How = How {
        dead_too: true,
        ..How::PARTIAL
    };
}

impl Keys {
    /// The key that a number of a call stands for, for who needs it so.
    ///
    /// # Errors
    /// `EINVAL` for what is no number of a key's, `ENOKEY`, `EKEYREVOKED`, `EKEYEXPIRED`,
    /// `EACCES`; for keyrings that are made `EDQUOT` and `ENOMEM`.
    pub(crate) fn look_up(
        &mut self,
        who: &Caller<'_>,
        id: Serial,
        how: How,
        need: Need,
    ) -> Result<Found> {
        self.sweep(who.now);
        let found = match id {
            1.. => {
                self.key(id)?;
                Found {
                    serial: id,
                    possessed: self.possesses(who, id),
                }
            }
            _ => Found {
                serial: self.special(who, id, how.create)?,
                possessed: true,
            },
        };
        let key = self.key(found.serial)?;
        if !how.dead_too {
            if !how.partial {
                key.check_positive()?;
            }
            key.check_alive(who.now)?;
        }
        match key.grants(who.cred, found.possessed, need) {
            true => Ok(found),
            false => Err(Errno::EACCES),
        }
    }

    fn special(&mut self, who: &Caller<'_>, id: Serial, create: bool) -> Result<Serial> {
        match id {
            THREAD_KEYRING if create => self.make_thread_ring(who),
            PROCESS_KEYRING if create => self.make_process_ring(who),
            THREAD_KEYRING => {
                let own = self.owners.process(who.pid);
                own.and_then(|own| own.thread(who.tid)).ok_or(Errno::ENOKEY)
            }
            PROCESS_KEYRING => {
                let own = self.owners.process(who.pid);
                own.and_then(|own| own.process).ok_or(Errno::ENOKEY)
            }
            SESSION_KEYRING => self.session_ring(who, create),
            USER_KEYRING => Ok(self.user_rings(who)?.user),
            USER_SESSION_KEYRING => Ok(self.user_rings(who)?.session),
            REQKEY_AUTH_KEY | REQUESTOR_KEYRING => Err(Errno::ENOKEY),
            GROUP_KEYRING => Err(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether the caller finds the key in its own keyrings.
    fn possesses(&mut self, who: &Caller<'_>, serial: Serial) -> bool {
        self.search_own(who, Wanted::Serial(serial)).is_ok()
    }

    /// Searches the caller's keyrings: its thread's, its process's, its session's.
    ///
    /// # Errors
    /// `EAGAIN` if there is none such; else what was wrong with the one that was there.
    pub(crate) fn search_own(&mut self, who: &Caller<'_>, wanted: Wanted<'_>) -> Result<Found> {
        let own = self.owners.process(who.pid);
        let session = own.and_then(|own| own.session);
        let rings = [
            own.and_then(|own| own.thread(who.tid)),
            own.and_then(|own| own.process),
            match session {
                Some(session) => Some(session),
                None => self.user_rings(who).ok().map(|rings| rings.session),
            },
        ];
        let (mut none, mut error) = (None, Errno::EAGAIN);
        for ring in rings.into_iter().flatten() {
            let found = Found {
                serial: ring,
                possessed: true,
            };
            match self.search(who, found, wanted) {
                Ok(found) => return Ok(found),
                Err(Errno::EAGAIN) if none.is_some() => {}
                Err(absent @ (Errno::EAGAIN | Errno::ENOKEY)) => none = Some(absent),
                Err(other) => error = other,
            }
        }
        Err(none.unwrap_or(error))
    }

    /// Searches a keyring and those in it.
    ///
    /// # Errors
    /// `ENOTDIR`, `EACCES`, `EAGAIN` if there is none such; else what was wrong with the
    /// one that was there.
    pub(crate) fn search(
        &mut self,
        who: &Caller<'_>,
        ring: Found,
        wanted: Wanted<'_>,
    ) -> Result<Found> {
        let key = self.key(ring.serial)?;
        key.links()?;
        if !key.grants(who.cred, ring.possessed, Need::SEARCH) {
            return Err(Errno::EACCES);
        }
        self.searches += 1;
        let mut search = Search {
            who,
            wanted,
            possessed: ring.possessed,
            error: Errno::EAGAIN,
        };
        match self.search_ring(&mut search, ring.serial, DEPTH) {
            Some(serial) => Ok(Found {
                serial,
                possessed: ring.possessed,
            }),
            None => Err(search.error),
        }
    }

    fn search_ring(
        &mut self,
        search: &mut Search<'_>,
        ring: Serial,
        depth: usize,
    ) -> Option<Serial> {
        let number = self.searches;
        if self.accepts(search, ring) {
            return Some(ring);
        }
        let key = self.key_mut(ring).ok()?;
        // Each once, however many ways there are to it.
        if core::mem::replace(&mut key.visited, number) == number {
            return None;
        }
        let count = key.links().ok()?.len();
        for rings in [false, true] {
            for place in 0..count {
                let link = *self.key(ring).ok()?.links().ok()?.get(place)?;
                let Ok(key) = self.key(link) else { continue };
                let is_ring = key.kind == Kind::Keyring;
                let enters = key.grants(search.who.cred, search.possessed, Need::SEARCH)
                    && key.check_alive(search.who.now).is_ok();
                let found = match (rings, is_ring) {
                    (false, _) => self.accepts(search, link).then_some(link),
                    (true, true) if enters && depth > 0 => {
                        self.search_ring(search, link, depth - 1)
                    }
                    (true, _) => None,
                };
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Whether a key is what is searched for, and to be had; what is wrong is noted.
    fn accepts(&self, search: &mut Search<'_>, serial: Serial) -> bool {
        let Ok(key) = self.key(serial) else {
            return false;
        };
        let is_it = match search.wanted {
            Wanted::Serial(wanted) => serial == wanted,
            Wanted::Named(kind, description) => key.is(kind, description),
        };
        if !is_it {
            return false;
        }
        let checks_state = matches!(search.wanted, Wanted::Named(..));
        let state = match key.check_alive(search.who.now) {
            // One that is to go at once is as good as revoked.
            Err(Errno::ENOKEY) => Err(Errno::EKEYREVOKED),
            state => state,
        };
        let allowed = match key.grants(search.who.cred, search.possessed, Need::SEARCH) {
            true => Ok(()),
            false => Err(Errno::EACCES),
        };
        let checked = match checks_state {
            true => state.and(allowed).and_then(|()| key.check_positive()),
            false => allowed,
        };
        match checked {
            Ok(()) => true,
            Err(error) => {
                search.error = error;
                false
            }
        }
    }

    /// `EDEADLK` if a keyring is in the one that is to be linked to from it, or is that;
    /// `ELOOP` for too many in each other.
    pub(crate) fn check_no_circle(&mut self, inner: Serial, ring: Serial) -> Result<()> {
        self.searches += 1;
        self.look_for_circle(inner, ring, DEPTH)
    }

    fn look_for_circle(&mut self, at: Serial, ring: Serial, depth: usize) -> Result<()> {
        if at == ring {
            return Err(Errno::EDEADLK);
        }
        let number = self.searches;
        let Ok(key) = self.key_mut(at) else {
            return Ok(());
        };
        if core::mem::replace(&mut key.visited, number) == number {
            return Ok(());
        }
        let count = match &key.content {
            Content::Links(links) => links.len(),
            _ => return Ok(()),
        };
        for place in 0..count {
            let link = self.key(at)?.links()?.get(place).copied();
            let Some(link) = link.filter(|link| self.is_ring(*link)) else {
                continue;
            };
            match depth {
                0 => return Err(Errno::ELOOP),
                _ => self.look_for_circle(link, ring, depth - 1)?,
            }
        }
        Ok(())
    }

    fn is_ring(&self, serial: Serial) -> bool {
        self.key(serial).is_ok_and(|key| key.kind == Kind::Keyring)
    }
}

struct Search<'a> {
    who: &'a Caller<'a>,
    wanted: Wanted<'a>,
    possessed: bool,
    error: Errno,
}
