//! [`Tty`]: one terminal.

use crate::discipline::{Discipline, Signals};
use crate::job::{Caller, JobControl};
use alloc::sync::Arc;
use paddock_abi::signal::{SIGCONT, SIGHUP, SIGTTIN, SIGTTOU, SIGWINCH};
use paddock_abi::termios::{TOSTOP, Termios, Winsize};
use paddock_abi::{Errno, Result};
use paddock_process::{Ring, TryRead};
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, WaitQueue};

/// Bytes of output under way.
const OUTPUT_SIZE: usize = 65536;
/// Bytes that pass between a program and a terminal at once.
pub(crate) const PIECE: usize = 4096;

/// Where a terminal's output goes, if not to a pseudo-terminal's master.
pub trait Sink: Send + Sync {
    /// Takes what it has room for, at once; how many bytes. Never sleeps. When
    /// there is room again, somebody calls [`Tty::push_output`].
    fn write(&self, bytes: &[u8]) -> usize;
}

pub(crate) struct State {
    pub discipline: Discipline,
    pub out: Ring,
    pub winsize: Winsize,
    pub session: u32,
    pub foreground: u32,
    /// Openings of the terminal itself.
    pub openings: usize,
    pub ever_opened: bool,
    pub master_open: bool,
    pub locked: bool,
    pub exclusive: bool,
}

/// A terminal: what lies between the programs on it and the user.
pub struct Tty {
    pub(crate) state: SpinLock<State, PreemptOff>,
    pub(crate) changed: WaitQueue,
    pub(crate) job: Arc<dyn JobControl>,
    sink: Option<Arc<dyn Sink>>,
    /// The number under `/dev/pts`.
    pub(crate) number: u32,
}

impl Tty {
    pub(crate) fn new(job: Arc<dyn JobControl>, sink: Option<Arc<dyn Sink>>, number: u32) -> Tty {
        let state = State {
            discipline: Discipline::new(),
            out: Ring::new(OUTPUT_SIZE),
            winsize: Winsize::default(),
            session: 0,
            foreground: 0,
            openings: 0,
            ever_opened: false,
            master_open: true,
            locked: sink.is_none(),
            exclusive: false,
        };
        Tty {
            state: SpinLock::new(Rank::Tty, state),
            changed: WaitQueue::new(),
            job,
            sink,
            number,
        }
    }

    /// A console: a terminal whose output goes to `sink` and whose input
    /// somebody feeds in with [`Self::receive`].
    pub fn console(job: Arc<dyn JobControl>, sink: Arc<dyn Sink>) -> Tty {
        Tty::new(job, Some(sink), 0)
    }

    /// The number under `/dev/pts`, of a pseudo-terminal.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is a pseudo-terminal.
    pub fn is_pty(&self) -> bool {
        self.sink.is_none()
    }

    /// Takes what the user typed; how many bytes there was room for. Never
    /// sleeps; not from interrupts.
    pub fn receive(&self, bytes: &[u8]) -> usize {
        let mut signals = Signals::default();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let taken = state.discipline.input(bytes, &mut state.out, &mut signals);
        let foreground = state.foreground;
        self.drain(state);
        drop(guard);
        for signal in signals.iter().filter(|_| foreground != 0) {
            self.job.signal_group(foreground, signal);
        }
        self.changed.wake_all();
        taken
    }

    /// Hands output on to the sink as far as it takes it. Never sleeps.
    pub fn push_output(&self) {
        self.drain(&mut self.state.lock());
        self.changed.wake_all();
    }

    fn drain(&self, state: &mut State) {
        let Some(sink) = &self.sink else {
            return;
        };
        let mut chunk = [0; 256];
        while !state.discipline.stopped() {
            let count = state.out.peek(&mut chunk);
            let taken = sink.write(&chunk[..count]);
            state.out.pop(&mut chunk[..taken]);
            if taken == 0 {
                return;
            }
        }
    }

    /// Reads what a program gets; `Eof` once the terminal has hung up.
    /// `EIO`; `ERESTARTSYS` after having been sent `SIGTTIN`.
    pub(crate) fn read(&self, buf: &mut [u8]) -> Result<TryRead> {
        self.check_read()?;
        if buf.is_empty() {
            return Ok(TryRead::Data(0));
        }
        let mut state = self.state.lock();
        let read = state.discipline.read(buf);
        let hung_up = !state.master_open;
        drop(state);
        match read {
            TryRead::Pending if hung_up => Ok(TryRead::Eof),
            TryRead::Data(_) => {
                self.changed.wake_all();
                Ok(read)
            }
            _ => Ok(read),
        }
    }

    /// Writes what a program prints; how much of it. `EIO` after a hang-up,
    /// `EAGAIN`; `ERESTARTSYS` after having been sent `SIGTTOU`.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize> {
        self.check_write()?;
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if !state.master_open {
            return Err(Errno::EIO);
        }
        if state.discipline.stopped() && !bytes.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let mut taken = 0;
        loop {
            let some = state.discipline.output(&bytes[taken..], &mut state.out);
            taken += some;
            self.drain(state);
            if some == 0 || taken == bytes.len() || self.is_pty() {
                break;
            }
        }
        drop(guard);
        if taken == 0 && !bytes.is_empty() {
            return Err(Errno::EAGAIN);
        }
        self.changed.wake_all();
        Ok(taken)
    }

    /// What the terminal's own side is ready for.
    pub(crate) fn ready(&self) -> Ready {
        let state = self.state.lock();
        if !state.master_open {
            return Ready::IN | Ready::OUT | Ready::HUP | Ready::ERR;
        }
        let mut ready = Ready::empty();
        ready.set(Ready::IN, state.discipline.can_read());
        let room = state.out.room() > OUTPUT_SIZE / 2 && !state.discipline.stopped();
        ready.set(Ready::OUT, room);
        ready
    }

    /// How long a raw read waits for a first byte, in nanoseconds: `None` for
    /// ever.
    pub fn read_timeout(&self) -> Option<u64> {
        self.state.lock().discipline.read_timeout()
    }

    /// The settings.
    pub fn termios(&self) -> Termios {
        *self.state.lock().discipline.termios()
    }

    /// Changes the settings.
    pub fn set_termios(&self, termios: Termios) {
        let mut state = self.state.lock();
        state.discipline.set_termios(termios);
        self.drain(&mut state);
        drop(state);
        self.changed.wake_all();
    }

    /// The size of the window.
    pub fn winsize(&self) -> Winsize {
        self.state.lock().winsize
    }

    /// Changes the size of the window; the foreground learns of it. Never
    /// sleeps.
    pub fn set_winsize(&self, winsize: Winsize) {
        let mut state = self.state.lock();
        let changed = state.winsize != winsize;
        state.winsize = winsize;
        let foreground = state.foreground;
        drop(state);
        if changed && foreground != 0 {
            self.job.signal_group(foreground, SIGWINCH);
        }
    }

    /// The session that it controls, and its foreground group; zeroes for
    /// none.
    pub fn session(&self) -> (u32, u32) {
        let state = self.state.lock();
        (state.session, state.foreground)
    }

    /// Puts a group of `session` into the foreground. `ENOTTY` if the terminal
    /// is not that session's any more.
    pub(crate) fn set_foreground(&self, session: u32, group: u32) -> Result<()> {
        let mut state = self.state.lock();
        if state.session != session {
            return Err(Errno::ENOTTY);
        }
        state.foreground = group;
        Ok(())
    }

    /// The caller, if this is its controlling terminal and it is in the
    /// background.
    fn background_caller(&self) -> Option<Caller> {
        let (session, foreground) = self.session();
        if foreground == 0 {
            return None;
        }
        let caller = self.job.caller()?;
        (caller.session == session && caller.group != foreground).then_some(caller)
    }

    fn check_read(&self) -> Result<()> {
        let Some(caller) = self.background_caller() else {
            return Ok(());
        };
        if caller.refuses_ttin || caller.orphaned {
            return Err(Errno::EIO);
        }
        self.job.signal_group(caller.group, SIGTTIN);
        Err(Errno::ERESTARTSYS)
    }

    fn check_write(&self) -> Result<()> {
        let stops = self.termios().c_lflag & TOSTOP != 0;
        if stops { self.check_change() } else { Ok(()) }
    }

    /// Changing a terminal from the background stops the caller, unless it
    /// refuses to.
    pub(crate) fn check_change(&self) -> Result<()> {
        let Some(caller) = self.background_caller() else {
            return Ok(());
        };
        if caller.refuses_ttou {
            return Ok(());
        }
        if caller.orphaned {
            return Err(Errno::EIO);
        }
        self.job.signal_group(caller.group, SIGTTOU);
        Err(Errno::ERESTARTSYS)
    }

    /// The user is gone: readers find the end, writers `EIO`, and the
    /// session's leader and the foreground get `SIGHUP`. Never sleeps.
    pub fn hang_up(&self) {
        let mut state = self.state.lock();
        state.master_open = false;
        state.discipline.flush_input();
        state.out.clear();
        let (session, foreground) = (state.session, state.foreground);
        drop(state);
        self.changed.wake_all();
        if session != 0 {
            self.job.signal_process(session, SIGHUP);
            self.job.signal_process(session, SIGCONT);
        }
        if foreground != 0 && foreground != session {
            self.job.signal_group(foreground, SIGHUP);
            self.job.signal_group(foreground, SIGCONT);
        }
    }

    pub(crate) fn opened(&self) {
        let mut state = self.state.lock();
        state.openings += 1;
        state.ever_opened = true;
    }

    pub(crate) fn closed(&self) {
        self.state.lock().openings -= 1;
        self.changed.wake_all();
    }
}
