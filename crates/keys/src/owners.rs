//! Which keyrings processes, threads and users have.

use crate::key::{Content, Key, Kind, Serial};
use crate::perm::Need;
use crate::store::{Caller, Keys, NewKey};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::Write;
use paddock_abi::{Errno, Result};
use paddock_sync::{try_box, try_insert};

/// A process's keyrings.
#[derive(Debug, Default)]
pub(crate) struct OfProcess {
    pub session: Option<Serial>,
    pub process: Option<Serial>,
    threads: Vec<(u32, Serial)>,
    /// Where request_key(2) links to unless it is told (`KEYCTL_SET_REQKEY_KEYRING`).
    pub default: i32,
}

impl OfProcess {
    pub fn thread(&self, tid: u32) -> Option<Serial> {
        let own = self.threads.iter().find(|(thread, _)| *thread == tid);
        own.map(|(_, serial)| *serial)
    }
}

/// A user's keyrings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfUser {
    pub user: Serial,
    pub session: Serial,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Owners {
    processes: BTreeMap<u32, Box<OfProcess>>,
    users: BTreeMap<u32, OfUser>,
    persistent: BTreeMap<u32, Serial>,
}

impl Owners {
    pub const fn new() -> Owners {
        Owners {
            processes: BTreeMap::new(),
            users: BTreeMap::new(),
            persistent: BTreeMap::new(),
        }
    }

    /// A process's, if it ever had any.
    pub fn process(&self, pid: u32) -> Option<&OfProcess> {
        self.processes.get(&pid).map(|process| &**process)
    }

    /// The same, made now if need be. `ENOMEM`.
    pub fn process_mut(&mut self, pid: u32) -> Result<&mut OfProcess> {
        if !self.processes.contains_key(&pid) {
            try_insert(&mut self.processes, pid, try_box(OfProcess::default())?)?;
        }
        let process = self.processes.get_mut(&pid).ok_or(Errno::ENOMEM)?;
        Ok(process)
    }
}

/// The rights of keyrings that the kernel makes.
const OF_THREAD: u32 = 0x3f01_0000;
const OF_SESSION: u32 = 0x3f03_0000;
const OF_NAMED_SESSION: u32 = 0x3f13_0000;
const OF_USER: u32 = 0x1f3f_0000;
const OF_PERSISTENT: u32 = 0x1f03_0000;
/// How long a user's persistent keyring lasts that nobody asks for, in seconds.
const PERSISTENT_SECONDS: u64 = 3 * 24 * 3600;

/// A description that fits.
#[derive(Default)]
struct Name {
    bytes: [u8; 32],
    length: usize,
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end);
        place
            .ok_or(core::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

fn named(prefix: &str, uid: u32) -> Name {
    let mut name = Name::default();
    // Ten digits at the most fit behind each prefix here.
    let _ = write!(name, "{prefix}{uid}");
    name
}

impl Keys {
    /// A new keyring that the kernel makes, which one refers to from now on. `EDQUOT`,
    /// `ENOMEM`.
    fn make_ring(
        &mut self,
        who: &Caller<'_>,
        description: &[u8],
        perm: u32,
        limited: bool,
    ) -> Result<Serial> {
        let ids = (who.cred.uid.fs, who.cred.gid.fs);
        self.make_ring_of(ids, description, perm, limited)
    }

    /// The same of a user, known by a prefix and the user's number. `EDQUOT`, `ENOMEM`.
    fn make_user_ring(
        &mut self,
        prefix: &str,
        uid: u32,
        perm: u32,
        limited: bool,
    ) -> Result<Serial> {
        let name = named(prefix, uid);
        let description = name.bytes.get(..name.length).unwrap_or_default();
        self.make_ring_of((uid, u32::MAX), description, perm, limited)
    }

    fn make_ring_of(
        &mut self,
        (uid, gid): (u32, u32),
        description: &[u8],
        perm: u32,
        limited: bool,
    ) -> Result<Serial> {
        let serial = self.make(NewKey {
            kind: Kind::Keyring,
            description,
            uid,
            gid,
            perm,
            content: Content::Links(Vec::new()),
            limited,
        })?;
        self.hold(serial);
        Ok(serial)
    }

    /// The caller's thread's, made now if need be.
    pub(crate) fn make_thread_ring(&mut self, who: &Caller<'_>) -> Result<Serial> {
        let process = self.owners.process_mut(who.pid)?;
        if let Some(serial) = process.thread(who.tid) {
            return Ok(serial);
        }
        process.threads.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let serial = self.make_ring(who, b"_tid", OF_THREAD, false)?;
        let process = self.owners.process_mut(who.pid)?;
        process.threads.push((who.tid, serial));
        Ok(serial)
    }

    /// Its process's, likewise.
    pub(crate) fn make_process_ring(&mut self, who: &Caller<'_>) -> Result<Serial> {
        if let Some(serial) = self.owners.process_mut(who.pid)?.process {
            return Ok(serial);
        }
        let serial = self.make_ring(who, b"_pid", OF_THREAD, false)?;
        self.owners.process_mut(who.pid)?.process = Some(serial);
        Ok(serial)
    }

    /// Puts a process into the session of a keyring, which one refers to for that.
    fn enter_session(&mut self, pid: u32, serial: Serial) -> Result<()> {
        let process = self.owners.process_mut(pid)?;
        if let Some(old) = process.session.replace(serial) {
            self.release(old);
        }
        Ok(())
    }

    /// Puts the caller into a new session without a name.
    pub(crate) fn join_new_session(&mut self, who: &Caller<'_>) -> Result<Serial> {
        self.owners.process_mut(who.pid)?;
        let serial = self.make_ring(who, b"_ses", OF_SESSION, false)?;
        self.enter_session(who.pid, serial)?;
        Ok(serial)
    }

    /// The caller's session's; one that its user has if it is in none.
    pub(crate) fn session_ring(&mut self, who: &Caller<'_>, create: bool) -> Result<Serial> {
        let of_user = self.user_rings(who)?.session;
        let own = self.owners.process_mut(who.pid)?.session;
        match own {
            None if create => self.join_new_session(who),
            Some(own) if create && own == of_user => self.join_new_session(who),
            Some(own) => Ok(own),
            None => {
                self.hold(of_user);
                self.enter_session(who.pid, of_user)?;
                Ok(of_user)
            }
        }
    }

    /// Those of the caller's user, made now if need be: they stay.
    pub(crate) fn user_rings(&mut self, who: &Caller<'_>) -> Result<OfUser> {
        let uid = who.cred.uid.real;
        if let Some(rings) = self.owners.users.get(&uid) {
            return Ok(*rings);
        }
        let user = self.make_user_ring("_uid.", uid, OF_USER, true)?;
        let session = self.make_user_ring("_uid_ses.", uid, OF_USER, true);
        let made = session.and_then(|session| {
            let rings = OfUser { user, session };
            let linked = self.link(session, user);
            let kept = linked.and_then(|()| try_insert(&mut self.owners.users, uid, rings));
            kept.map(|_| rings).inspect_err(|_| self.release(session))
        });
        made.inspect_err(|_| self.release(user))
    }

    /// Joins a session by its keyring's name, or makes one (`KEYCTL_JOIN_SESSION_KEYRING`).
    ///
    /// # Errors
    /// `EPERM` for a name of the kernel's, `EDQUOT`, `ENOMEM`.
    pub fn join_session(&mut self, who: &Caller<'_>, name: Option<&[u8]>) -> Result<Serial> {
        self.sweep(who.now);
        let Some(name) = name else {
            return self.join_new_session(who);
        };
        if name.first() == Some(&b'.') {
            return Err(Errno::EPERM);
        }
        self.owners.process_mut(who.pid)?;
        let is_it = |key: &Key| {
            key.is(Kind::Keyring, name)
                && key.check_alive(who.now).is_ok()
                && key.grants(who.cred, false, Need::SEARCH)
        };
        let found = self.all.iter().find(|(_, key)| is_it(key));
        let found = found.map(|(serial, _)| *serial);
        let serial = match found {
            Some(serial) => {
                self.hold(serial);
                serial
            }
            None => {
                Kind::Keyring.check_description(name)?;
                self.make_ring(who, name, OF_NAMED_SESSION, true)?
            }
        };
        self.enter_session(who.pid, serial)?;
        Ok(serial)
    }

    /// A user's keyring that outlives its sessions (`KEYCTL_GET_PERSISTENT`).
    pub(crate) fn persistent_ring(&mut self, who: &Caller<'_>, uid: u32) -> Result<Serial> {
        let known = self.owners.persistent.get(&uid).copied();
        let alive = known.filter(|serial| {
            let key = self.key(*serial);
            key.is_ok_and(|key| key.check_alive(who.now).is_ok())
        });
        let serial = match alive {
            Some(serial) => serial,
            None => {
                let serial = self.make_user_ring("_persistent.", uid, OF_PERSISTENT, false)?;
                match try_insert(&mut self.owners.persistent, uid, serial) {
                    Ok(old) => old.into_iter().for_each(|old| self.release(old)),
                    Err(error) => {
                        self.release(serial);
                        return Err(error);
                    }
                }
                serial
            }
        };
        self.key_mut(serial)?.expires = Some(who.now.saturating_add(PERSISTENT_SECONDS));
        self.note_leaving(serial);
        Ok(serial)
    }

    /// A process has a child, which is in its session. `ENOMEM`.
    ///
    /// # Errors
    /// That.
    pub fn forked(&mut self, parent: u32, child: u32) -> Result<()> {
        let Some(own) = self.owners.process(parent) else {
            return Ok(());
        };
        let (session, default) = (own.session, own.default);
        let new = self.owners.process_mut(child)?;
        (new.session, new.default) = (session, default);
        if let Some(session) = session {
            self.hold(session);
        }
        Ok(())
    }

    /// A process runs another program: what is not its session's goes.
    pub fn execed(&mut self, pid: u32) {
        let Some(process) = self.owners.processes.get_mut(&pid) else {
            return;
        };
        let threads = core::mem::take(&mut process.threads);
        let own = process.process.take();
        for serial in threads.into_iter().map(|(_, serial)| serial).chain(own) {
            self.release(serial);
        }
    }

    /// A thread has ended.
    pub fn thread_ended(&mut self, pid: u32, tid: u32) {
        let Some(process) = self.owners.processes.get_mut(&pid) else {
            return;
        };
        let at = process.threads.iter().position(|(own, _)| *own == tid);
        if let Some(at) = at {
            let (_, serial) = process.threads.swap_remove(at);
            self.release(serial);
        }
    }

    /// A process has ended.
    pub fn ended(&mut self, pid: u32) {
        self.execed(pid);
        if let Some(process) = self.owners.processes.remove(&pid)
            && let Some(session) = process.session
        {
            self.release(session);
        }
    }
}
