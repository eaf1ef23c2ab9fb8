//! [`Discipline`]: what a terminal does to the bytes that pass through it.

mod edit;
mod output;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use paddock_abi::signal::{SIGINT, SIGQUIT, SIGTSTP};
use paddock_abi::termios::*;
use paddock_process::{Ring, TryRead};

/// Bytes of finished input that a terminal holds.
const INPUT_MAX: usize = 16384;
/// The longest line that can be edited, as on Linux.
const LINE_MAX: usize = 4095;

/// Signals that input has caused: bit `n` for signal `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals(pub u64);

impl Signals {
    fn add(&mut self, signal: u32) {
        self.0 |= 1 << signal;
    }

    /// The signals, lowest first.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (1..64).filter(move |signal| self.0 & 1 << signal != 0)
    }
}

/// The settings that a new terminal has.
pub const fn default_termios() -> Termios {
    let mut c_cc = [0; NCCS];
    c_cc[VINTR] = 3;
    c_cc[VQUIT] = 28;
    c_cc[VERASE] = 127;
    c_cc[VKILL] = 21;
    c_cc[VEOF] = 4;
    c_cc[VMIN] = 1;
    c_cc[VSTART] = 17;
    c_cc[VSTOP] = 19;
    c_cc[VSUSP] = 26;
    c_cc[VREPRINT] = 18;
    c_cc[VDISCARD] = 15;
    c_cc[VWERASE] = 23;
    c_cc[VLNEXT] = 22;
    Termios {
        c_iflag: ICRNL | IXON,
        c_oflag: OPOST | ONLCR,
        c_cflag: B38400 | CS8 | CREAD | HUPCL,
        c_lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        c_line: 0,
        c_cc,
    }
}

/// A terminal's settings, its input under way, and where the cursor is.
#[derive(Debug)]
pub struct Discipline {
    termios: Termios,
    /// Input that can be read. In canonical mode, whole lines.
    finished: Ring,
    /// Lengths of the lines in `finished`, in canonical mode. An end-of-file
    /// character ends a line without adding to it.
    lines: VecDeque<u16>,
    /// The line that is being typed, in canonical mode.
    line: Vec<u8>,
    /// Where on the screen that line began.
    line_column: usize,
    /// Where on the screen the next byte of output appears.
    column: usize,
    /// The next byte is to be taken as it is.
    literal: bool,
    /// Output is held back.
    stopped: bool,
}

impl Default for Discipline {
    fn default() -> Self {
        Self::new()
    }
}

impl Discipline {
    /// A terminal with default settings.
    pub const fn new() -> Discipline {
        Discipline {
            termios: default_termios(),
            finished: Ring::new(INPUT_MAX),
            lines: VecDeque::new(),
            line: Vec::new(),
            line_column: 0,
            column: 0,
            literal: false,
            stopped: false,
        }
    }

    /// The settings.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the settings. Input passes from one mode to the other.
    pub fn set_termios(&mut self, termios: Termios) {
        let was = self.canonical();
        self.termios = termios;
        match (was, self.canonical()) {
            (true, false) => {
                self.lines.clear();
                let line = core::mem::take(&mut self.line);
                let _ = self.finished.push(&line);
            }
            (false, true) if !self.finished.is_empty() => self.end_line(self.finished.len()),
            _ => {}
        }
        if !self.input_flag(IXON) {
            self.stopped = false;
        }
    }

    fn canonical(&self) -> bool {
        self.local(ICANON)
    }

    fn input_flag(&self, flag: u32) -> bool {
        self.termios.c_iflag & flag != 0
    }

    fn local(&self, flag: u32) -> bool {
        self.termios.c_lflag & flag != 0
    }

    /// Whether `byte` is the control character at `index`; zero is none.
    fn is_control(&self, byte: u8, index: usize) -> bool {
        byte != 0 && self.termios.c_cc[index] == byte
    }

    /// Whether `byte` is a control character of the extended set.
    fn is_extended(&self, byte: u8, index: usize) -> bool {
        self.local(IEXTEN) && self.is_control(byte, index)
    }

    /// Whether output is held back by the stop character.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Holds output back or lets it go (tcflow(3)).
    pub fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// How many bytes of input fit for sure.
    pub fn room(&self) -> usize {
        let waiting = self.finished.len() + self.line.len();
        match self.canonical() {
            // A line that is full must still take the byte that ends it.
            true => INPUT_MAX
                .saturating_sub(waiting)
                .max(usize::from(self.lines.is_empty())),
            false => INPUT_MAX.saturating_sub(waiting),
        }
    }

    /// Takes what was typed, and echoes to `out`; how many bytes were taken.
    pub fn input(&mut self, bytes: &[u8], out: &mut Ring, signals: &mut Signals) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.room() > 0 {
            if let Some(run) = self.plain_run(&bytes[taken..]) {
                // Raw, silent input needs no look at every byte.
                taken += self.finished.push(run).unwrap_or(run.len());
            } else {
                self.input_byte(bytes[taken], out, signals);
                taken += 1;
            }
        }
        taken
    }

    /// The bytes that pass through as they are, when all do.
    fn plain_run<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let raw = self.termios.c_iflag & (ICRNL | INLCR | IGNCR | ISTRIP | IUCLC | IXON) == 0
            && self.termios.c_lflag & (ISIG | ICANON | ECHO | ECHONL) == 0
            && !self.literal
            && !self.is_extended_mode();
        raw.then(|| &bytes[..bytes.len().min(self.room())])
    }

    fn is_extended_mode(&self) -> bool {
        self.local(IEXTEN) && self.termios.c_cc[VLNEXT] != 0 && self.canonical()
    }

    fn input_byte(&mut self, byte: u8, out: &mut Ring, signals: &mut Signals) {
        if core::mem::take(&mut self.literal) {
            return self.ordinary(byte, out);
        }
        let Some(byte) = self.translate(byte) else {
            return;
        };
        if self.flow_control(byte) || self.signal(byte, out, signals) {
            return;
        }
        match self.canonical() {
            true => self.canonical_byte(byte, out),
            false => self.ordinary(byte, out),
        }
    }

    fn translate(&self, byte: u8) -> Option<u8> {
        let byte = if self.input_flag(ISTRIP) {
            byte & 0x7f
        } else {
            byte
        };
        Some(match byte {
            b'\r' if self.input_flag(IGNCR) => return None,
            b'\r' if self.input_flag(ICRNL) => b'\n',
            b'\n' if self.input_flag(INLCR) => b'\r',
            b'A'..=b'Z' if self.input_flag(IUCLC) => byte.to_ascii_lowercase(),
            _ => byte,
        })
    }

    fn flow_control(&mut self, byte: u8) -> bool {
        if !self.input_flag(IXON) {
            return false;
        }
        let start = self.is_control(byte, VSTART);
        let stop = self.is_control(byte, VSTOP);
        if start || stop {
            self.stopped = stop && !start;
        } else if self.stopped && self.input_flag(IXANY) {
            self.stopped = false;
        }
        start || stop
    }

    fn signal(&mut self, byte: u8, out: &mut Ring, signals: &mut Signals) -> bool {
        if !self.local(ISIG) {
            return false;
        }
        let table = [(VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP)];
        let Some((_, signal)) = table
            .into_iter()
            .find(|(index, _)| self.is_control(byte, *index))
        else {
            return false;
        };
        if !self.local(NOFLSH) {
            self.flush_input();
            if signal != SIGTSTP {
                out.clear();
            }
        }
        self.stopped = false;
        self.echo(byte, out);
        signals.add(signal);
        true
    }

    /// Throws unread input away.
    pub fn flush_input(&mut self) {
        self.finished.clear();
        self.lines.clear();
        self.line.clear();
    }

    /// Bytes that a read would find (`FIONREAD`).
    pub fn readable(&self) -> usize {
        match self.canonical() {
            true => self.lines.iter().map(|&length| usize::from(length)).sum(),
            false => self.finished.len(),
        }
    }

    /// Whether a read would find something, be it an end of file.
    pub fn can_read(&self) -> bool {
        match self.canonical() {
            true => !self.lines.is_empty(),
            false => self.finished.len() >= self.least(),
        }
    }

    /// How many bytes make a raw read worth while.
    fn least(&self) -> usize {
        match (self.termios.c_cc[VTIME], self.termios.c_cc[VMIN]) {
            (0, min) => usize::from(min).max(1),
            _ => 1,
        }
    }

    /// How long a raw read waits for a first byte, in nanoseconds: `None` for
    /// ever.
    pub fn read_timeout(&self) -> Option<u64> {
        let (min, time) = (self.termios.c_cc[VMIN], self.termios.c_cc[VTIME]);
        (!self.canonical() && min == 0).then_some(u64::from(time) * 100_000_000)
    }

    /// Reads: no more than a line in canonical mode. An end-of-file character
    /// alone on its line gives `Data(0)`.
    pub fn read(&mut self, buf: &mut [u8]) -> TryRead {
        if self.canonical() {
            return self.read_line(buf);
        }
        let enough = self.finished.len() >= self.least().min(buf.len());
        match (enough && !self.finished.is_empty(), self.read_timeout()) {
            (true, _) => TryRead::Data(self.finished.pop(buf)),
            (false, Some(0)) => TryRead::Data(0),
            (false, _) => TryRead::Pending,
        }
    }

    fn read_line(&mut self, buf: &mut [u8]) -> TryRead {
        let Some(length) = self.lines.front_mut() else {
            return TryRead::Pending;
        };
        let count = usize::from(*length).min(buf.len());
        *length -= count as u16;
        if *length == 0 {
            self.lines.pop_front();
        }
        TryRead::Data(self.finished.pop(&mut buf[..count]))
    }
}

#[cfg(test)]
mod tests;
