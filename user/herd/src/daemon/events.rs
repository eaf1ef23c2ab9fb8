//! What herd waits for, and who is told of it.
//!
//! There are two pollers: one for signals, operators and starts, and in it one
//! for the services' outputs, of which a few are read at a time. So what the
//! services write never stands before an operator.

use std::io;
use std::os::fd::BorrowedFd;

use super::Daemon;
use crate::log::Writer;
use crate::machine::Time;
use crate::sys::{Interest, Poller, Signals};

/// What a file that is waited for belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Signals,
    /// The thread that writes the logs.
    Writer,
    Listener,
    /// The poller of the outputs.
    Outputs,
    /// What happens in control groups.
    Groups,
    Client(u64),
    /// What the start of this process reports.
    Report(u32),
    /// The end of a process that is another's child.
    Stranger(u32),
    /// The sockets of one that waits for clients.
    Socket(u32),
    /// What the keepers of sockets report.
    Keeper,
    /// What the instance of this watch tells.
    Teller(u32),
    /// What the instance of this watch is asked.
    Asked(u32),
}

impl Token {
    /// Kinds in the upper half, numbers in the lower.
    pub(super) fn to_number(self) -> u64 {
        match self {
            Token::Signals => 0,
            Token::Writer => 1,
            Token::Listener => 2,
            Token::Outputs => 3,
            Token::Groups => 4,
            Token::Keeper => 5,
            Token::Client(id) => 1 << 32 | id & 0xffff_ffff,
            Token::Report(pid) => 2 << 32 | u64::from(pid),
            Token::Stranger(pid) => 3 << 32 | u64::from(pid),
            Token::Teller(id) => 4 << 32 | u64::from(id),
            Token::Asked(id) => 5 << 32 | u64::from(id),
            Token::Socket(id) => 6 << 32 | u64::from(id),
        }
    }

    fn of(number: u64) -> Option<Token> {
        let low = number & 0xffff_ffff;
        Some(match (number >> 32, low) {
            (0, 0) => Token::Signals,
            (0, 1) => Token::Writer,
            (0, 2) => Token::Listener,
            (0, 3) => Token::Outputs,
            (0, 4) => Token::Groups,
            (0, 5) => Token::Keeper,
            (1, id) => Token::Client(id),
            (2, pid) => Token::Report(u32::try_from(pid).ok()?),
            (3, pid) => Token::Stranger(u32::try_from(pid).ok()?),
            (4, id) => Token::Teller(u32::try_from(id).ok()?),
            (5, id) => Token::Asked(u32::try_from(id).ok()?),
            (6, id) => Token::Socket(u32::try_from(id).ok()?),
            _ => return None,
        })
    }
}

/// Events that are taken at once.
const EVENTS: usize = 128;

/// Outputs that are read between two looks at everything else.
const OUTPUTS: usize = 16;

pub(super) struct Pollers {
    all: Poller,
    pub(super) outputs: Poller,
    reads_outputs: bool,
}

impl Pollers {
    pub(super) fn new(signals: &Signals, writer: &Writer) -> io::Result<Pollers> {
        let pollers = Pollers {
            all: Poller::new(EVENTS)?,
            outputs: Poller::new(OUTPUTS)?,
            reads_outputs: true,
        };
        pollers.add(signals.fd(), Token::Signals)?;
        pollers.add(writer.fd(), Token::Writer)?;
        pollers.add(pollers.outputs.fd(), Token::Outputs)?;
        Ok(pollers)
    }

    pub(super) fn add(&self, file: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        self.all.add(file, token.to_number(), Interest::READ)
    }

    pub(super) fn change(&self, file: BorrowedFd<'_>, token: Token, interest: Interest) {
        // It was added before, and changing takes no memory.
        let _ = self.all.change(file, token.to_number(), interest);
    }

    pub(super) fn remove(&self, file: BorrowedFd<'_>) {
        self.all.remove(file);
    }

    fn read_outputs(&mut self, yes: bool) {
        if self.reads_outputs != yes {
            self.reads_outputs = yes;
            let interest = Interest {
                read: yes,
                write: false,
            };
            self.change(self.outputs.fd(), Token::Outputs, interest);
        }
    }
}

/// Waits for signals alone, at most `limit` milliseconds, and forgets them.
pub(super) fn sleep_until_signal(signals: &mut Signals, limit: u64) -> io::Result<()> {
    let mut poller = Poller::new(1)?;
    poller.add(signals.fd(), 0, Interest::READ)?;
    poller.wait(Some(limit))?;
    signals.take();
    Ok(())
}

impl Daemon {
    /// Sleeps until something is to be done, if `idle`, and does it.
    pub(super) fn wait(&mut self, idle: bool) -> io::Result<()> {
        let now = self.now();
        let reads = self.may_read_outputs(now);
        self.pollers.read_outputs(reads);
        let timeout = match idle {
            true => self.deadline().map(|at| at.saturating_sub(now)),
            false => Some(0),
        };
        let mut outputs = false;
        for token in self.pollers.all.wait(timeout)? {
            match Token::of(token) {
                Some(Token::Signals) => self.take_signals(),
                Some(Token::Writer) => self.take_positions(),
                Some(Token::Listener) => self.accept(),
                Some(Token::Outputs) => outputs = true,
                Some(Token::Groups) => self.groups_changed(),
                Some(Token::Client(id)) => self.serve(id),
                Some(Token::Report(pid)) => self.reported(pid),
                Some(Token::Stranger(pid)) => self.stranger_ended(pid),
                Some(Token::Teller(id)) => self.told(id),
                Some(Token::Asked(id)) => self.asked(id),
                Some(Token::Socket(id)) => self.called(id),
                Some(Token::Keeper) => self.keeper_reported(),
                None => {}
            }
        }
        if outputs {
            for id in self.pollers.outputs.wait(Some(0))? {
                self.read_output(id);
            }
        }
        let now = self.now();
        self.control.tick(now);
        self.end_late_starts(now);
        self.end_late_sides(now);
        self.tick_watches(now);
        self.look_again(now);
        self.tell_left_out_in_time(now);
        self.forget_ended();
        Ok(())
    }

    /// Whether what the services write can be taken, or must be.
    fn may_read_outputs(&mut self, now: Time) -> bool {
        if self.writer.has_room() {
            self.outputs.has_room();
            return true;
        }
        self.outputs.may_lose(now, self.writer.done())
    }

    fn accept(&mut self) {
        let now = self.now();
        self.control.accept(now, &mut self.reserve, &self.pollers);
    }

    fn deadline(&self) -> Option<Time> {
        let all = [
            self.machine.deadline(),
            self.control.deadline(),
            self.outputs.deadline(),
            self.instances.deadline(),
            self.sides.deadline(),
            self.watches.deadline(),
            self.rests.deadline(),
            self.rates.deadline(),
        ];
        all.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back() {
        for token in [
            Token::Signals,
            Token::Writer,
            Token::Listener,
            Token::Outputs,
            Token::Groups,
            Token::Client(7),
            Token::Report(1 << 22),
            Token::Stranger(9),
            Token::Teller(1),
            Token::Asked(2),
            Token::Socket(3),
            Token::Keeper,
        ] {
            assert_eq!(Token::of(token.to_number()), Some(token));
        }
        assert_eq!(Token::of(6), None);
        assert_eq!(Token::of(7 << 32), None);
    }
}
