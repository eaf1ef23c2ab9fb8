//! What terminals need of the processes: job control.

/// The process that calls, as far as a terminal cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its number.
    pub pid: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// Whether its group is orphaned.
    pub orphaned: bool,
    /// Whether the calling thread blocks or ignores `SIGTTIN`.
    pub refuses_ttin: bool,
    /// Whether the calling thread blocks or ignores `SIGTTOU`.
    pub refuses_ttou: bool,
    /// Whether it is the superuser's.
    pub privileged: bool,
}

impl Caller {
    /// Whether it leads its session.
    pub fn leads_session(&self) -> bool {
        self.pid == self.session
    }
}

/// How terminals reach processes. Nothing here sleeps, and no terminal's lock
/// is held during the calls.
pub trait JobControl: Send + Sync {
    /// The calling process; `None` for a thread of the kernel.
    fn caller(&self) -> Option<Caller>;

    /// Sends a signal to a process group.
    fn signal_group(&self, group: u32, signal: u32);

    /// Sends a signal to a process.
    fn signal_process(&self, pid: u32, signal: u32);

    /// The session that a process group belongs to, if it exists.
    fn session_of_group(&self, group: u32) -> Option<u32>;

    /// The number that the caller knows a group or session by; 0 for one that it does
    /// not know.
    fn known(&self, id: u32) -> u32;

    /// The group for a number that the caller gives.
    fn find(&self, number: u32) -> Option<u32>;
}
