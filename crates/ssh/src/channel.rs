//! One session channel (RFC 4254, sections 5 and 6) and what is asked for on it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::keys::Variable;
use crate::wire::{Malformed, Reader};

/// The largest payload of data taken or sent in one message, in bytes.
pub(crate) const MAX_DATA: u32 = 32 * 1024;
/// Environment variables taken for one program, and their bytes in all.
const MAX_VARIABLES: usize = 64;
const MAX_VARIABLE_BYTES: usize = 16 * 1024;
/// Terminal modes taken; opcodes are bytes, so that more repeat some.
const MAX_MODES: usize = 256;
/// The longest name of a terminal type, in bytes.
const MAX_TERM: usize = 64;

/// Names a channel of one connection. Numbers are used again after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(crate) u32);

impl ChannelId {
    /// The number, as the client sees it.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// The size of a terminal: in characters, and in pixels or zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Characters in a line.
    pub columns: u32,
    /// Lines.
    pub rows: u32,
    /// Width in pixels, zero if unknown.
    pub x_pixels: u32,
    /// Height in pixels, zero if unknown.
    pub y_pixels: u32,
}

/// A terminal that the client wants its program to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PtyRequest {
    /// The value for `TERM`.
    pub term: String,
    /// The size to begin with.
    pub size: WindowSize,
    /// Opcodes and values of RFC 4254, section 8, in the client's order.
    pub modes: Vec<(u8, u32)>,
}

/// A program that the client wants to be started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpawnRequest {
    /// The name under which the client has logged in.
    pub user: String,
    /// A command line for the shell; `None` asks for a login shell.
    pub command: Option<Vec<u8>>,
    /// What the client asked for, if its key has it run `command` instead.
    pub original_command: Option<Vec<u8>>,
    /// Names and values, without NUL; names without `=`.
    pub environment: Vec<Variable>,
    /// The key's own, if the server's owner allows that.
    pub key_environment: Vec<Variable>,
    /// The terminal, if one is wanted.
    pub pty: Option<PtyRequest>,
    /// The path of the socket that leads to the client's agent, if it is
    /// wanted.
    pub agent_socket: Option<String>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this status.
    Code(u32),
    /// It was a connection: it has ended both ways, and nothing is reported.
    Closed,
    /// A signal killed it.
    Signal {
        /// The name without `SIG`.
        name: String,
        /// Whether it left a core dump.
        core_dumped: bool,
    },
}

/// What has become of the request for a program.
pub(crate) enum Stage {
    /// Not asked for yet; what is to apply to it is gathered.
    Setup {
        environment: Vec<Variable>,
        pty: Option<PtyRequest>,
    },
    /// A connection, whose confirmation waits for the owner's answer. The
    /// client does not know the channel yet.
    Connecting,
    /// A connection that has come here; the client's answer is awaited.
    Opening,
    /// Asked for; the owner's answer is awaited.
    Starting { reply: bool },
    /// It runs, or has run.
    Started,
}

/// One channel, from its confirmation to the second SSH_MSG_CHANNEL_CLOSE.
pub(crate) struct Channel {
    /// The client's number for it.
    pub(crate) peer: u32,
    /// Bytes that may still be sent.
    pub(crate) peer_window: u32,
    /// The most bytes the client takes in one message.
    pub(crate) peer_max: u32,
    /// Bytes that the client may still send.
    pub(crate) window: u32,
    /// Bytes that the client may send at most before they are consumed.
    pub(crate) limit: u32,
    /// Bytes consumed that the client has not been told of.
    pub(crate) consumed: u32,
    pub(crate) stage: Stage,
    /// Its program is to find the client's agent.
    pub(crate) has_agent: bool,
    pub(crate) eof_sent: bool,
    pub(crate) eof_received: bool,
    pub(crate) close_sent: bool,
    /// The client sends nothing more, and waits for the close from here.
    pub(crate) close_received: bool,
}

impl Channel {
    pub(crate) fn new(peer: u32, peer_window: u32, peer_max: u32, window: u32) -> Self {
        Self {
            peer,
            peer_window,
            peer_max,
            window,
            limit: window,
            consumed: 0,
            stage: Stage::Setup {
                environment: Vec::new(),
                pty: None,
            },
            has_agent: false,
            eof_sent: false,
            eof_received: false,
            close_sent: false,
            close_received: false,
        }
    }

    /// Bytes that one message may carry to the client now.
    pub(crate) fn room(&self) -> usize {
        match self.eof_sent || self.is_closing() || !self.is_open() {
            true => 0,
            false => self.peer_window.min(self.peer_max).min(MAX_DATA) as usize,
        }
    }

    /// Whether either side has closed it.
    pub(crate) fn is_closing(&self) -> bool {
        self.close_sent || self.close_received
    }

    /// Whether the client has been told of it.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Connecting | Stage::Opening)
    }

    /// Whether a program has been asked for and may have an end to report.
    pub(crate) fn has_program(&self) -> bool {
        !matches!(self.stage, Stage::Setup { .. })
    }

    /// Takes an environment variable; whether it was taken.
    pub(crate) fn variable(&mut self, name: &[u8], value: &[u8]) -> bool {
        let Stage::Setup { environment, .. } = &mut self.stage else {
            return false;
        };
        let sizes = environment
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let bytes = sizes.sum::<usize>() + name.len() + value.len();
        let fine = !name.is_empty()
            && !name.iter().any(|byte| matches!(byte, 0 | b'='))
            && !value.contains(&0)
            && environment.len() < MAX_VARIABLES
            && bytes <= MAX_VARIABLE_BYTES;
        if fine {
            environment.push((name.to_vec(), value.to_vec()));
        }
        fine
    }

    /// Takes the wish for a terminal; whether it was taken.
    pub(crate) fn terminal(&mut self, wanted: PtyRequest) -> bool {
        match &mut self.stage {
            Stage::Setup { pty, .. }
                if pty.is_none()
                    && wanted.term.len() <= MAX_TERM
                    && !wanted.term.contains('\0') =>
            {
                *pty = Some(wanted);
                true
            }
            _ => false,
        }
    }

    /// Turns what has been gathered into a request; `None` if there was one.
    pub(crate) fn start(&mut self, command: Option<Vec<u8>>, reply: bool) -> Option<SpawnRequest> {
        match core::mem::replace(&mut self.stage, Stage::Starting { reply }) {
            Stage::Setup { environment, pty } => Some(SpawnRequest {
                command,
                environment,
                pty,
                ..SpawnRequest::default()
            }),
            other => {
                self.stage = other;
                None
            }
        }
    }
}

/// The body of a "pty-req" (RFC 4254, section 6.2).
pub(crate) fn pty_request(reader: &mut Reader<'_>) -> Result<PtyRequest, Malformed> {
    let term = reader.text()?.into();
    let size = window_size(reader)?;
    let modes = terminal_modes(reader.string()?);
    Ok(PtyRequest { term, size, modes })
}

/// The four numbers of "pty-req" and "window-change".
pub(crate) fn window_size(reader: &mut Reader<'_>) -> Result<WindowSize, Malformed> {
    Ok(WindowSize {
        columns: reader.u32()?,
        rows: reader.u32()?,
        x_pixels: reader.u32()?,
        y_pixels: reader.u32()?,
    })
}

/// Modes up to the end mark, or to an opcode whose form is not defined.
fn terminal_modes(bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut reader = Reader::new(bytes);
    let mut modes = Vec::new();
    while let Ok(opcode @ 1..160) = reader.u8() {
        let Ok(value) = reader.u32() else {
            break;
        };
        modes.push((opcode, value));
        if modes.len() == MAX_MODES {
            break;
        }
    }
    modes
}
