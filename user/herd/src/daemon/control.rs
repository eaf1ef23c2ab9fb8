//! The connections of those who give commands.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::commands::Pending;
use super::events::{Pollers, Token};
use super::reserve::{CLIENTS, Reserve};
use super::transport::{self, Listener, Stream};
use crate::machine::Time;
use crate::proto::{Answer, Fault, MAX_REQUEST};
use crate::sys::{self, Interest, OpenFiles};

/// Connections at once, if there are descriptors for many; more wait until
/// one is closed.
const MOST: usize = 64;

/// A connection for so many descriptors that herd may have, and at least as
/// many as there is a reserve for.
const SHARE: usize = 16;

/// How long a connection may take to ask, and to read its answer, in
/// milliseconds: usually, and when there is no room for another.
const IDLE: Time = 10_000;
const IDLE_WHEN_FULL: Time = 1_000;

/// How long nothing is accepted after there was no descriptor for it, unless
/// a connection is closed before, in milliseconds.
const PAUSE: Time = 250;

/// What a follower may leave unread before it is given up.
const BEHIND: usize = 1 << 20;

/// What is followed by who follows all services; no service has this name.
pub(super) const ALL: &str = "";

/// What a connection is at.
pub(super) enum Stage {
    /// The request has not come in full.
    Asking,
    /// The answer waits for something to happen.
    Pending(Pending),
    /// It gets everything that is written to this log from now on, after it
    /// was told where that is.
    Joining { name: String, text: Vec<u8> },
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
    /// What it is waited for.
    interest: Interest,
}

pub(super) struct Control {
    listener: Option<Box<dyn Listener>>,
    /// By number, in the order of their coming.
    clients: BTreeMap<u64, Client>,
    next: u64,
    most: usize,
    /// Until when nothing is accepted.
    paused: Option<Time>,
    /// Whether the listener is waited for.
    listens: bool,
}

impl Control {
    pub(super) fn open(path: &Path) -> io::Result<Control> {
        let mut control = Control::closed();
        control.listener = Some(transport::listen(path)?);
        Ok(control)
    }

    /// Without a socket: nobody ever connects.
    pub(super) fn closed() -> Control {
        Control {
            listener: None,
            clients: BTreeMap::new(),
            next: 0,
            most: (OpenFiles::now() / SHARE).clamp(CLIENTS, MOST),
            paused: None,
            listens: true,
        }
    }

    /// Begins to wait for connections.
    pub(super) fn listen(&self, pollers: &Pollers) -> io::Result<()> {
        match &self.listener {
            Some(listener) => pollers.add(listener.fd(), Token::Listener),
            None => Ok(()),
        }
    }

    /// Forgets those that are closed, and waits for what the others and the
    /// listener are waited for now.
    pub(super) fn update_interest(&mut self, pollers: &Pollers) {
        let before = self.clients.len();
        self.clients.retain(|_, client| {
            if client.closed {
                pollers.remove(client.stream.fd());
            }
            !client.closed
        });
        if self.clients.len() < before {
            self.paused = None;
        }
        for (id, client) in &mut self.clients {
            let interest = client.wants();
            if interest != client.interest {
                client.interest = interest;
                pollers.change(client.stream.fd(), Token::Client(*id), interest);
            }
        }
        let listens = self.clients.len() < self.most && self.paused.is_none();
        if let Some(listener) = &self.listener
            && listens != self.listens
        {
            let interest = Interest {
                read: listens,
                write: false,
            };
            pollers.change(listener.fd(), Token::Listener, interest);
        }
        self.listens = listens;
    }

    /// Takes the next connection, if there is a descriptor for it. If not,
    /// nothing is accepted for a while, so that herd does not spin.
    pub(super) fn accept(&mut self, now: Time, reserve: &mut Reserve, pollers: &Pollers) {
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
            Ok(Some(stream)) => self.take(stream, now, pollers),
            Ok(None) => {}
            Err(error) => {
                self.paused = Some(now.saturating_add(PAUSE));
                if !sys::is_out_of_files(&error) {
                    super::say(&format!("a connection could not be taken: {error}"));
                }
            }
        }
    }

    fn take(&mut self, stream: Box<dyn Stream>, now: Time, pollers: &Pollers) {
        let id = self.next;
        self.next += 1;
        match pollers.add(stream.fd(), Token::Client(id)) {
            Ok(()) => {
                self.clients.insert(id, Client::new(stream, now));
            }
            Err(error) => super::say(&format!("a connection could not be taken: {error}")),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.clients.len()
    }

    /// When [`Control::tick`] has something to do, if ever.
    pub(super) fn deadline(&self) -> Option<Time> {
        let idle = self.idle();
        let clients = self.clients.values().filter_map(|c| c.deadline(idle));
        clients.chain(self.paused).min()
    }

    /// Closes connections that were idle for too long.
    pub(super) fn tick(&mut self, now: Time) {
        let idle = self.idle();
        for client in self.clients.values_mut() {
            if client.gives_up_at(idle).is_some_and(|at| at <= now) {
                client.closed = true;
            }
        }
        self.paused = self.paused.filter(|until| *until > now);
    }

    fn idle(&self) -> Time {
        match self.clients.len() < self.most && self.paused.is_none() {
            true => IDLE,
            false => IDLE_WHEN_FULL,
        }
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Client> {
        self.clients.values_mut()
    }

    pub(super) fn feed_followers(&mut self, name: &str, text: &[u8]) {
        for client in self.clients.values_mut() {
            match &mut client.stage {
                Stage::Following(followed) if followed == name => client.feed(text),
                // One that waits so long for the disk misses the rest.
                Stage::Joining {
                    name: joined,
                    text: held,
                } if joined == name && held.len() + text.len() <= BEHIND => {
                    held.extend_from_slice(text);
                }
                _ => {}
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
            interest: Interest::READ,
        }
    }

    /// What it is to be waited for.
    fn wants(&self) -> Interest {
        Interest {
            read: !matches!(self.stage, Stage::Leaving),
            write: !self.output.is_empty(),
        }
    }

    /// The log that it is to follow was at this place when it asked.
    pub(super) fn join(&mut self, inode: u64, position: u64) {
        match std::mem::replace(&mut self.stage, Stage::Leaving) {
            Stage::Joining { name, text } => {
                self.stage = Stage::Following(name);
                self.send(&Answer::Following { inode, position }.to_line());
                self.send(&text);
            }
            other => self.stage = other,
        }
    }

    /// It did something.
    pub(super) fn touch(&mut self, now: Time) {
        self.active = now;
    }

    /// When there is something to do for it.
    fn deadline(&self, idle: Time) -> Option<Time> {
        match &self.stage {
            Stage::Pending(pending) => pending.look_at,
            _ => self.gives_up_at(idle),
        }
    }

    /// When it has been idle for too long: those that follow a log or wait for
    /// an answer may be so for ever.
    fn gives_up_at(&self, idle: Time) -> Option<Time> {
        let may_be = match self.stage {
            Stage::Asking | Stage::Leaving => false,
            Stage::Pending(_) | Stage::Joining { .. } => true,
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
