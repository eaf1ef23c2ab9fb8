//! [`Terminals`]: all terminals, and which session each controls.

use crate::file::TtyFile;
use crate::job::JobControl;
use crate::pty::PtyMaster;
use crate::tty::Tty;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use paddock_abi::signal::{SIGCONT, SIGHUP};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};
use paddock_vfs::{Inode, OpenFlags};

/// The most pseudo-terminals at once.
const MAX_PTYS: usize = 256;

/// All terminals of the system.
pub struct Terminals {
    job: Arc<dyn JobControl>,
    ptys: SpinLock<Vec<Option<Weak<Tty>>>, PreemptOff>,
    /// Which session has which controlling terminal.
    sessions: SpinLock<Vec<(u32, Weak<Tty>)>, PreemptOff>,
    this: Weak<Terminals>,
}

impl Terminals {
    /// No terminals.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn new(job: Arc<dyn JobControl>) -> Arc<Terminals> {
        Arc::new_cyclic(|this| Terminals {
            job,
            ptys: SpinLock::new(Rank::Leaf, Vec::new()),
            sessions: SpinLock::new(Rank::Leaf, Vec::new()),
            this: this.clone(),
        })
    }

    /// A new pseudo-terminal, locked until [`PtyMaster::unlock`]. `inode` is
    /// what was opened, for fstat(2). `ENOSPC` if there are too many;
    /// `ENOMEM`. Never sleeps.
    pub fn open_master(&self, inode: Option<Arc<dyn Inode>>) -> Result<Arc<PtyMaster>> {
        let number = self.reserve_number()?;
        let tty = try_arc(Tty::new(self.job.clone(), None, number as u32));
        let tty = tty.inspect_err(|_| self.give_back(number))?;
        let old = self.ptys.lock()[number].replace(Arc::downgrade(&tty));
        drop(old);
        try_arc(PtyMaster::new(tty, self.this.clone(), inode))
    }

    fn reserve_number(&self) -> Result<usize> {
        let mut ptys = self.ptys.lock();
        if let Some(free) = ptys.iter().position(Option::is_none) {
            ptys[free] = Some(Weak::new());
            return Ok(free);
        }
        if ptys.len() == MAX_PTYS {
            return Err(Errno::ENOSPC);
        }
        ptys.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        ptys.push(Some(Weak::new()));
        Ok(ptys.len() - 1)
    }

    pub(crate) fn forget_pty(&self, tty: &Tty) {
        self.give_back(tty.number as usize);
    }

    fn give_back(&self, number: usize) {
        let old = self.ptys.lock().get_mut(number).and_then(Option::take);
        drop(old);
    }

    /// The pseudo-terminal of that number. `ENOENT`.
    pub fn pty(&self, number: u32) -> Result<Arc<Tty>> {
        let ptys = self.ptys.lock();
        let slot = ptys.get(number as usize).and_then(Option::as_ref);
        slot.and_then(Weak::upgrade).ok_or(Errno::ENOENT)
    }

    /// The numbers of all pseudo-terminals at or above `from`.
    pub fn next_pty(&self, from: u32) -> Option<u32> {
        let ptys = self.ptys.lock();
        let exists = |number: &usize| {
            ptys[*number]
                .as_ref()
                .is_some_and(|tty| tty.strong_count() > 0)
        };
        (from as usize..ptys.len())
            .find(exists)
            .map(|number| number as u32)
    }

    /// Opens a terminal for the calling process. A session leader without a
    /// terminal gets it as its controlling one, unless `flags` forbid it.
    /// `EIO` if it has hung up or is locked, `EBUSY`, `ENOMEM`.
    pub fn open(
        &self,
        tty: Arc<Tty>,
        inode: &Arc<dyn Inode>,
        flags: OpenFlags,
    ) -> Result<Arc<TtyFile>> {
        let caller = self.job.caller();
        let privileged = caller.is_none_or(|caller| caller.privileged);
        let state = tty.state.lock();
        let (gone, busy) = (
            !state.master_open || state.locked,
            state.exclusive && !privileged,
        );
        drop(state);
        if gone || busy {
            return Err(if gone { Errno::EIO } else { Errno::EBUSY });
        }
        let leads = caller.is_some_and(|caller| caller.leads_session());
        if leads && !flags.contains(OpenFlags::NOCTTY) {
            // Not getting it is no reason not to open it.
            let _ = self.take_control(&tty, false);
        }
        try_arc(TtyFile::new(tty, self.this.clone(), inode.clone()))
    }

    /// Opens the calling process's controlling terminal (`/dev/tty`).
    /// `ENXIO` if it has none.
    pub fn open_own(&self, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<TtyFile>> {
        let caller = self.job.caller().ok_or(Errno::ENXIO)?;
        let tty = self.controlling(caller.session).ok_or(Errno::ENXIO)?;
        self.open(tty, inode, flags | OpenFlags::NOCTTY)
    }

    /// A session's controlling terminal.
    pub fn controlling(&self, session: u32) -> Option<Arc<Tty>> {
        let sessions = self.sessions.lock();
        let mut matching = sessions.iter().filter(|(other, _)| *other == session);
        matching.find_map(|(_, tty)| tty.upgrade())
    }

    /// Makes `tty` the controlling terminal of the caller's session
    /// (`TIOCSCTTY`); with `steal`, the superuser takes it from another.
    /// `EPERM`, `EIO` if it has hung up, `ENOMEM`.
    pub(crate) fn take_control(&self, tty: &Arc<Tty>, steal: bool) -> Result<()> {
        let caller = self.job.caller().ok_or(Errno::EPERM)?;
        if tty.session().0 == caller.session {
            return Ok(());
        }
        if !caller.leads_session() {
            return Err(Errno::EPERM);
        }
        let steal = steal && caller.privileged;
        self.connect(caller.session, caller.group, tty, steal)
    }

    /// Makes `tty` the controlling terminal of a session that has just been
    /// made, with its leader in the foreground, whosever it was. Never sleeps.
    /// `EIO` if it has hung up, `ENOMEM`.
    pub fn assign(&self, session: u32, tty: &Arc<Tty>) -> Result<()> {
        self.connect(session, session, tty, true)
    }

    /// All at once: of two sessions that want one terminal, one gets it.
    /// `EPERM` if `session` has a terminal, or, without `steal`, if the
    /// terminal has a session.
    fn connect(&self, session: u32, group: u32, tty: &Arc<Tty>, steal: bool) -> Result<()> {
        let mut state = tty.state.lock();
        let mut sessions = self.sessions.lock();
        let has_one = |(other, tty): &(u32, Weak<Tty>)| *other == session && tty.strong_count() > 0;
        if state.session != 0 && !steal || sessions.iter().any(has_one) {
            return Err(Errno::EPERM);
        }
        if !state.master_open {
            return Err(Errno::EIO);
        }
        sessions.retain(|(other, tty)| *other != state.session && tty.strong_count() > 0);
        sessions.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        sessions.push((session, Arc::downgrade(tty)));
        (state.session, state.foreground) = (session, group);
        Ok(())
    }

    /// Takes a session's terminal away; its foreground group, if the session
    /// had a terminal.
    fn disconnect(&self, session: u32) -> Option<u32> {
        let tty = self.controlling(session)?;
        let mut state = tty.state.lock();
        self.sessions.lock().retain(|(other, _)| *other != session);
        if state.session != session {
            // Somebody else was faster.
            return None;
        }
        let foreground = state.foreground;
        (state.session, state.foreground) = (0, 0);
        Some(foreground)
    }

    /// `TIOCNOTTY`: the caller's session has no terminal any more, if its
    /// leader says so. `ENOTTY`.
    pub(crate) fn give_up_control(&self, tty: &Arc<Tty>) -> Result<()> {
        let caller = self.job.caller().ok_or(Errno::ENOTTY)?;
        if tty.session().0 != caller.session {
            return Err(Errno::ENOTTY);
        }
        if caller.leads_session() {
            self.session_ended(caller.session);
        }
        Ok(())
    }

    /// A session's leader has ended: the session loses its terminal, and the
    /// foreground group gets `SIGHUP` and `SIGCONT`. Never sleeps.
    pub fn session_ended(&self, session: u32) {
        if let Some(foreground) = self.disconnect(session)
            && foreground != 0
        {
            self.job.signal_group(foreground, SIGHUP);
            self.job.signal_group(foreground, SIGCONT);
        }
    }
}
