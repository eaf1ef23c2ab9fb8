//! The operator's last resort: a small command interpreter that is a
//! "program" of a session without being a process. It needs no filesystem and
//! no memory but its own; what it shows and does is the machine's business,
//! behind [`Machine`].

mod command;
mod line;
#[cfg(test)]
mod tests;
mod text;

use alloc::string::String;
use core::fmt::Write;
use core::task::{Context, Poll, Waker};

pub use command::Command;
pub use text::{STEP, Text};

use crate::channel::{ExitStatus, WindowSize};
use crate::server::{IoError, ProcessIo};
use line::{Line, Typed};
use text::Queue;

const PROMPT: &[u8] = b"monitor> ";
/// The status of a line that is no command, as of a shell.
const MISTAKE: u8 = 2;

/// What has become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more of it.
    More,
    /// It is over, with this status: zero if it went well.
    Done(u8),
}

/// The machine that the commands are about.
pub trait Machine: Unpin {
    /// Takes up a command. It is never [`Command::Help`] or [`Command::Exit`].
    /// One that was taken up before is over or given up.
    fn begin(&mut self, command: Command);

    /// Goes on with the command; writes some of its output. It may neither
    /// sleep nor wait for a filesystem. `Pending` keeps the waker.
    fn step(&mut self, cx: &mut Context<'_>, out: &mut Text<'_>) -> Poll<Step>;
}

enum State {
    /// For a line of input.
    Waits,
    /// The list of commands, from this line on.
    Helps(usize),
    Runs,
    Over,
}

/// The monitor, as a session's program.
pub struct Monitor<M> {
    machine: M,
    /// Lines are edited, echoed and asked for.
    terminal: bool,
    /// It runs one command.
    once: bool,
    state: State,
    status: u8,
    line: Line,
    input_ended: bool,
    out: Queue,
    complaint: String,
    complained: usize,
    waker: Option<Waker>,
}

impl<M: Machine> Monitor<M> {
    /// A dialogue. `greeting` is the first that is seen: why one is here.
    pub fn new(machine: M, terminal: bool, greeting: &str) -> Self {
        let mut monitor = Self::idle(machine, terminal);
        if terminal || !greeting.is_empty() {
            let mut text = Text::new(&mut monitor.out, terminal);
            text.bytes(greeting.as_bytes());
            text.bytes(b"This is the machine's monitor, not a shell: `help` lists its commands.\n");
        }
        monitor.prompt();
        monitor
    }

    /// One command line.
    pub fn once(machine: M, line: &[u8]) -> Self {
        let mut monitor = Self::idle(machine, false);
        monitor.once = true;
        match core::str::from_utf8(line) {
            Ok(line) => monitor.run(line),
            Err(_) => monitor.complain("a command is ASCII text"),
        }
        monitor
    }

    /// A command that will not be run, with the reason for standard error.
    pub fn refusing(machine: M, status: u8, reason: String) -> Self {
        let mut monitor = Self::idle(machine, false);
        monitor.complaint = reason;
        monitor.status = status;
        monitor.state = State::Over;
        monitor
    }

    fn idle(machine: M, terminal: bool) -> Self {
        Self {
            machine,
            terminal,
            once: false,
            state: State::Waits,
            status: 0,
            line: Line::new(),
            input_ended: false,
            out: Queue::new(),
            complaint: String::new(),
            complained: 0,
            waker: None,
        }
    }

    fn prompt(&mut self) {
        if self.terminal {
            self.out.push(PROMPT);
        }
    }

    /// What is wrong with a line: where errors go, or on the terminal.
    fn complain(&mut self, reason: &str) {
        self.status = MISTAKE;
        if self.terminal {
            let mut text = Text::new(&mut self.out, true);
            let _ = writeln!(text, "monitor: {reason}");
        } else {
            // What nobody has read yet is replaced: it does not grow.
            self.complained = 0;
            self.complaint.clear();
            let _ = writeln!(self.complaint, "monitor: {reason}");
        }
        self.next_line();
    }

    fn run(&mut self, line: &str) {
        match command::parse(line) {
            Err(reason) => self.complain(&reason),
            Ok(None) => self.next_line(),
            Ok(Some(Command::Exit)) => self.state = State::Over,
            Ok(Some(Command::Help)) => self.state = State::Helps(0),
            Ok(Some(command)) => {
                self.machine.begin(command);
                self.state = State::Runs;
            }
        }
    }

    /// Ready for the next line, if there may be one.
    fn next_line(&mut self) {
        self.state = match self.once || self.input_ended {
            true => State::Over,
            false => State::Waits,
        };
        if !matches!(self.state, State::Over) {
            self.prompt();
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn echo(&mut self, bytes: &[u8]) {
        if self.terminal {
            self.out.push(bytes);
        }
    }

    /// Takes a byte of input; whether it was taken.
    fn take(&mut self, byte: u8) -> bool {
        match self.state {
            State::Over => return true,
            State::Waits => {}
            // What is typed ahead on a terminal is lost, but for Ctrl-C.
            _ if self.terminal => {
                if byte == 0x03 {
                    self.echo(b"^C\r\n");
                    self.next_line();
                }
                return true;
            }
            _ => return false,
        }
        if !self.out.has_room() {
            return false;
        }
        match self.line.take(byte, self.terminal) {
            Typed::Nothing => {}
            Typed::Character(byte) => self.echo(&[byte]),
            Typed::Erased(count) => (0..count).for_each(|_| self.echo(b"\x08 \x08")),
            Typed::Complete => self.enter(),
            Typed::Abandoned => {
                self.line.clear();
                self.echo(b"^C\r\n");
                self.prompt();
            }
            Typed::End => {
                self.echo(b"\r\n");
                self.state = State::Over;
            }
        }
        true
    }

    fn enter(&mut self) {
        self.echo(b"\r\n");
        let line = core::mem::replace(&mut self.line, Line::new());
        self.run(line.text());
    }

    /// Goes on with whatever writes; `Pending` once nothing does.
    fn proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut text = Text::new(&mut self.out, self.terminal);
        let step = match &mut self.state {
            State::Waits | State::Over => return Poll::Pending,
            State::Helps(line) => match command::help().nth(*line) {
                Some(help) => {
                    *line += 1;
                    text.bytes(help.as_bytes());
                    Step::More
                }
                None => Step::Done(0),
            },
            State::Runs => match self.machine.step(cx, &mut text) {
                Poll::Ready(step) => step,
                Poll::Pending => return Poll::Pending,
            },
        };
        if let Step::Done(status) = step {
            self.status = status;
            self.next_line();
        }
        Poll::Ready(())
    }
}

type Transfer = Poll<Result<usize, IoError>>;

impl<M: Machine> ProcessIo for Monitor<M> {
    fn poll_stdout(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Transfer {
        loop {
            if !self.out.is_empty() {
                let count = self.out.pop(buffer);
                // Input that found no room for its echo, or a command running.
                self.wake();
                return Poll::Ready(Ok(count));
            }
            if matches!(self.state, State::Over) {
                return Poll::Ready(Ok(0));
            }
            if self.proceed(cx).is_pending() && self.out.is_empty() {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }

    fn poll_stderr(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Transfer {
        let rest = self.complaint.as_bytes().get(self.complained..);
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.complained += count;
        match (count, &self.state) {
            (0, State::Over) => Poll::Ready(Ok(0)),
            (0, _) => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            (count, _) => Poll::Ready(Ok(count)),
        }
    }

    fn poll_stdin(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Transfer {
        let mut taken = 0;
        while taken < bytes.len() && self.take(bytes[taken]) {
            taken += 1;
        }
        self.wake();
        match taken {
            0 => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn close_stdin(&mut self) {
        self.input_ended = true;
        if matches!(self.state, State::Waits) {
            // A last line need not have an end.
            self.enter();
        }
        self.wake();
    }

    fn close_stdout(&mut self) {
        self.state = State::Over;
        self.wake();
    }

    fn close_stderr(&mut self) {}

    fn resize(&mut self, _size: WindowSize) {}

    fn signal(&mut self, name: &str) {
        if matches!(name, "INT" | "HUP" | "TERM" | "KILL") {
            self.state = State::Over;
            self.wake();
        }
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<ExitStatus> {
        match self.state {
            State::Over => Poll::Ready(ExitStatus::Code(self.status.into())),
            _ => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
