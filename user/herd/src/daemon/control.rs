//! The connections of those who give commands.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::commands::Pending;
use super::reserve::Reserve;
use super::transport::{self, Listener, Stream};
use crate::machine::Time;
use crate::proto::{Answer, Fault, MAX_REQUEST};
use crate::sys::{self, Interest};

/// Connections at once; more wait until one is closed.
const MOST: usize = 64;

/// How long a connection may take to ask, and to read its answer, in
/// milliseconds: usually, and when there is no room for another.
const IDLE: Time = 10_000;
const IDLE_WHEN_FULL: Time = 1_000;

/// How long nothing is accepted after there was no descriptor for it, unless
/// a connection is closed before, in milliseconds.
const PAUSE: Time = 250;

/// What a follower may leave unread before it is given up.
const BEHIND: usize = 1 << 20;

/// What a connection is at.
pub(super) enum Stage {
    /// The request has not come in full.
    Asking,
    /// The answer waits for something to happen.
    Pending(Pending),
    /// It gets everything that is written to this log.
    Following(String),
    /// It is closed as soon as everything is written.
    Leaving,
}

pub(super) struct Client {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
    output: Vec<u8>,
    pub(super) stage: Stage,
    closed: bool,
    /// When it came, or last read or wrote something.
    active: Time,
}

pub(super) struct Control {
    listener: Option<Box<dyn Listener>>,
    clients: Vec<Client>,
    /// Until when nothing is accepted.
    paused: Option<Time>,
}

impl Control {
    pub(super) fn open(path: &Path) -> io::Result<Control> {
        Ok(Control {
            listener: Some(transport::listen(path)?),
            clients: Vec::new(),
            paused: None,
        })
    }

    /// Without a socket: nobody ever connects.
    pub(super) fn closed() -> Control {
        Control {
            listener: None,
            clients: Vec::new(),
            paused: None,
        }
    }

    pub(super) fn listener(&self) -> Option<Interest<'_>> {
        let room = self.clients.len() < MOST && self.paused.is_none();
        self.listener.as_ref().filter(|_| room).map(|l| Interest {
            fd: l.fd(),
            read: true,
            write: false,
        })
    }

    pub(super) fn clients(&self) -> impl Iterator<Item = (usize, Interest<'_>)> {
        self.clients.iter().enumerate().map(|(index, client)| {
            let interest = Interest {
                fd: client.stream.fd(),
                read: !matches!(client.stage, Stage::Leaving),
                write: !client.output.is_empty(),
            };
            (index, interest)
        })
    }

    /// Takes the next connection, if there is a descriptor for it. If not,
    /// nothing is accepted for a while, so that herd does not spin.
    pub(super) fn accept(&mut self, now: Time, reserve: &mut Reserve) {
        let Some(listener) = &self.listener else {
            return;
        };
        let accepted = match listener.accept() {
            Err(error) if sys::is_out_of_files(&error) && reserve.lend_to_client() => {
                listener.accept()
            }
            accepted => accepted,
        };
        match accepted {
            Ok(Some(stream)) => self.clients.push(Client::new(stream, now)),
            Ok(None) => {}
            Err(error) => {
                self.paused = Some(now.saturating_add(PAUSE));
                if !sys::is_out_of_files(&error) {
                    super::say(&format!("a connection could not be taken: {error}"));
                }
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.clients.len()
    }

    /// When [`Control::tick`] has something to do, if ever.
    pub(super) fn deadline(&self) -> Option<Time> {
        let idle = self.idle();
        let clients = self.clients.iter().filter_map(|c| c.gives_up_at(idle));
        clients.chain(self.paused).min()
    }

    /// Closes connections that were idle for too long.
    pub(super) fn tick(&mut self, now: Time) {
        let idle = self.idle();
        for client in &mut self.clients {
            if client.gives_up_at(idle).is_some_and(|at| at <= now) {
                client.closed = true;
            }
        }
        self.paused = self.paused.filter(|until| *until > now);
    }

    fn idle(&self) -> Time {
        match self.clients.len() < MOST && self.paused.is_none() {
            true => IDLE,
            false => IDLE_WHEN_FULL,
        }
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Client> {
        self.clients.get_mut(index)
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Client> {
        self.clients.iter_mut()
    }

    pub(super) fn forget_closed(&mut self) {
        let before = self.clients.len();
        self.clients.retain(|client| !client.closed);
        if self.clients.len() < before {
            self.paused = None;
        }
    }

    pub(super) fn feed_followers(&mut self, name: &str, text: &[u8]) {
        for client in &mut self.clients {
            if matches!(&client.stage, Stage::Following(followed) if followed == name) {
                client.feed(text);
            }
        }
    }
}

impl Client {
    fn new(stream: Box<dyn Stream>, now: Time) -> Self {
        Client {
            stream,
            input: Vec::new(),
            output: Vec::new(),
            stage: Stage::Asking,
            closed: false,
            active: now,
        }
    }

    /// It did something.
    pub(super) fn touch(&mut self, now: Time) {
        self.active = now;
    }

    /// When it has been idle for too long: those that follow a log or wait for
    /// an answer may be so for ever.
    fn gives_up_at(&self, idle: Time) -> Option<Time> {
        let may_be = match self.stage {
            Stage::Asking | Stage::Leaving => false,
            Stage::Pending(_) => true,
            Stage::Following(_) => self.output.is_empty(),
        };
        (!may_be).then(|| self.active.saturating_add(idle))
    }

    /// Gives the last answer.
    pub(super) fn answer(&mut self, answer: &Answer) {
        self.stage = Stage::Leaving;
        self.send(&answer.to_line());
    }

    /// Queues bytes and writes what can be written now.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
        self.write();
    }

    fn feed(&mut self, text: &[u8]) {
        if self.output.len() + text.len() > BEHIND {
            self.stage = Stage::Leaving;
            self.send(b"\nherd: this reader is too slow; the log goes on without it\n");
        } else {
            self.send(text);
        }
    }

    pub(super) fn write(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => self.closed = true,
                Ok(count) => {
                    self.output.drain(..count);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.closed = true,
            }
            return;
        }
        if matches!(self.stage, Stage::Leaving) {
            self.closed = true;
        }
    }

    /// Reads what is there; the request's line once it is complete.
    pub(super) fn read(&mut self) -> Option<Vec<u8>> {
        let mut bytes = [0; 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.closed = true,
            Ok(count) if matches!(self.stage, Stage::Asking) => {
                self.input.extend(bytes.iter().take(count));
            }
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(_) => self.closed = true,
        }
        if !matches!(self.stage, Stage::Asking) {
            return None;
        }
        if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            self.input.truncate(end);
            return Some(std::mem::take(&mut self.input));
        }
        if self.input.len() > MAX_REQUEST {
            self.answer(&Answer::refused(Fault::Failed, "the request is too long"));
        }
        None
    }
}
