//! The sockets of services. They are open for as long as a service runs or is to run,
//! whatever becomes of its instances and of herd, so that clients wait for the next
//! instance instead of being refused.

use std::collections::{BTreeSet, HashMap};
use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Daemon;
use super::events::Token;
use super::memory::KeeperNote;
use crate::config::{Service, Signal, Socket};
use crate::console::say;
use crate::machine::{Event, Generation, Machine, Phase, Time};
use crate::sys;

/// Those of one service, in their order.
struct Held {
    sockets: Vec<(Socket, OwnedFd)>,
    /// Who is told of a client, while they are waited for.
    waits: Option<(u32, Generation)>,
}

/// A process that keeps all sockets for the next herd.
struct Keeper {
    note: KeeperNote,
    pid: u32,
    since: Time,
    /// Readable as soon as it keeps them.
    report: Option<PipeReader>,
}

/// One that ends before this has failed, in milliseconds.
const FAILED_WITHIN: Time = 1_000;

#[derive(Default)]
pub(super) struct Sockets {
    held: HashMap<String, Held>,
    waiting: HashMap<u32, String>,
    next: u32,
    /// Services with sockets of which there is news.
    news: BTreeSet<String>,
    /// The last has the newest sockets; those before go as soon as it has them.
    keepers: Vec<Keeper>,
    notes: u64,
    /// No keeper has what is held now.
    changed: bool,
}

impl Sockets {
    /// Something has happened to a service.
    pub(super) fn look_at(&mut self, name: &str) {
        if self.held.contains_key(name) && !self.news.contains(name) {
            self.news.insert(name.to_owned());
        }
    }

    /// The same of all.
    pub(super) fn look_at_all(&mut self) {
        self.news.extend(self.held.keys().cloned());
    }

    /// Those of a service, and their names.
    pub(super) fn of(&self, name: &str) -> Vec<(BorrowedFd<'_>, String)> {
        let held = self.held.get(name).into_iter();
        let all = held.flat_map(|held| held.sockets.iter());
        all.map(|(socket, file)| {
            let called = socket.name.clone().unwrap_or_else(|| name.to_owned());
            (file.as_fd(), called)
        })
        .collect()
    }

    /// Makes them what `service` says. One that stays as it was stays open.
    fn open(&mut self, name: &str, service: &Service) -> Result<(), String> {
        let have = self.held.get(name).map(|held| held.sockets.iter());
        let have = have.into_iter().flatten().map(|(socket, _)| socket);
        if have.eq(service.sockets.iter()) {
            return Ok(());
        }
        let old = self
            .held
            .remove(name)
            .map_or(Vec::new(), |held| held.sockets);
        // What is not wanted any more may be in the way of what is.
        let (mut old, others): (Vec<_>, Vec<_>) = old
            .into_iter()
            .partition(|(socket, _)| service.sockets.contains(socket));
        close_all(others);
        self.changed = true;
        let mut sockets = Vec::new();
        let mut opened = Ok(());
        for socket in &service.sockets {
            let kept = old.iter().position(|(other, _)| other == socket);
            let file = match kept {
                Some(place) => Ok(old.swap_remove(place).1),
                None => sys::open_socket(socket),
            };
            match file {
                Ok(file) => sockets.push((socket.clone(), file)),
                Err(error) => opened = Err(error),
            }
        }
        let waits = None;
        if !sockets.is_empty() {
            self.held.insert(name.to_owned(), Held { sockets, waits });
        }
        opened
    }

    /// Whether no keeper is about to begin.
    pub(super) fn are_settled(&self) -> bool {
        self.keepers.iter().all(|keeper| keeper.report.is_none())
    }

    /// Whether a keeper has all that is held, if there can be one.
    pub(super) fn are_kept(&self) -> bool {
        !self.changed && self.are_settled()
    }

    /// The keepers there are, as the next herd is to know them.
    pub(super) fn notes(&self) -> Vec<KeeperNote> {
        let all = self.keepers.iter().map(|keeper| keeper.note.clone());
        all.collect()
    }

    /// Ends every keeper but the last `spared`.
    fn end_keepers(&mut self, spared: usize) {
        let count = self.keepers.len().saturating_sub(spared);
        for keeper in self.keepers.drain(..count) {
            let _ = sys::signal_group(keeper.pid, Signal::KILL);
        }
    }
}

fn close_all(sockets: Vec<(Socket, OwnedFd)>) {
    for (_, file) in sockets {
        sys::close_socket(file);
    }
}

/// Whether a service in this phase has its sockets.
fn has_sockets(machine: &Machine, name: &str) -> bool {
    let view = machine.view(name);
    view.is_some_and(|view| !view.phase.is_final())
}

impl Daemon {
    /// Opens what an instance of `service` is to get.
    pub(super) fn open_sockets(&mut self, name: &str, service: &Service) -> Result<(), String> {
        self.stop_waiting(name);
        self.sockets.open(name, service)
    }

    /// Waits for the clients of a service.
    pub(super) fn listen(&mut self, name: &str, generation: Generation, service: &Service) {
        self.make_room(0);
        self.reserve.lend_to_start();
        let opened = self.open_sockets(name, service);
        let event = match opened.and_then(|()| self.wait_for_clients(name, generation)) {
            Ok(()) => Event::Ready,
            Err(error) => Event::NotStarted {
                error,
                lasting: false,
            },
        };
        self.happened(name, generation, event);
    }

    fn wait_for_clients(&mut self, name: &str, generation: Generation) -> Result<(), String> {
        let Some(held) = self.sockets.held.get_mut(name) else {
            return Err("it has no sockets".to_owned());
        };
        let id = self.sockets.next;
        self.sockets.next = id.wrapping_add(1);
        held.waits = Some((id, generation));
        self.sockets.waiting.insert(id, name.to_owned());
        for (socket, file) in &held.sockets {
            let added = self.pollers.add(file.as_fd(), Token::Socket(id));
            if let Err(error) = added {
                let error = format!("{}: {error}", socket.listen);
                self.stop_waiting(name);
                return Err(error);
            }
        }
        Ok(())
    }

    fn stop_waiting(&mut self, name: &str) -> Option<Generation> {
        let held = self.sockets.held.get_mut(name)?;
        let (id, generation) = held.waits.take()?;
        for (_, file) in &held.sockets {
            self.pollers.remove(file.as_fd());
        }
        self.sockets.waiting.remove(&id);
        Some(generation)
    }

    /// A client has come. From now on it is the service's: nobody looks here until the
    /// service is waited for again.
    pub(super) fn called(&mut self, id: u32) {
        let Some(name) = self.sockets.waiting.get(&id).cloned() else {
            return;
        };
        if let Some(generation) = self.stop_waiting(&name) {
            self.happened(&name, generation, Event::Called);
        }
    }

    /// Closes the sockets of those that are not to run, and has the rest kept.
    pub(super) fn tidy_sockets(&mut self) {
        for name in std::mem::take(&mut self.sockets.news) {
            let phase = self.machine.view(&name).map(|view| view.phase);
            if !matches!(phase, Some(Phase::Listening | Phase::Starting)) {
                self.stop_waiting(&name);
            }
            if !has_sockets(&self.machine, &name) {
                self.stop_waiting(&name);
                if let Some(held) = self.sockets.held.remove(&name) {
                    close_all(held.sockets);
                    self.sockets.changed = true;
                }
            }
        }
        if self.sockets.changed && self.sockets.are_settled() {
            self.sockets.changed = false;
            self.keep_sockets();
        }
    }

    /// Has everything that is held kept by a new process, or by none if that is nothing.
    fn keep_sockets(&mut self) {
        if self.sockets.held.is_empty() {
            return self.sockets.end_keepers(0);
        }
        self.make_room(0);
        self.reserve.lend_to_start();
        self.sockets.notes += 1;
        let number = self.sockets.notes;
        let names = self.sockets.held.iter();
        let all = names.flat_map(|(name, held)| held.sockets.iter().map(move |one| (name, one)));
        let (list, files): (Vec<_>, Vec<_>) = all
            .map(|(name, (socket, file))| ((name.clone(), socket.clone()), file.as_fd()))
            .unzip();
        let note = KeeperNote::new(number, list);
        self.memory.note_list(&note);
        let (program, record) = (&self.program, self.memory.file());
        match sys::spawn_keeper(program, &files, record, note.prefix()) {
            Ok((pid, report)) => {
                let since = sys::now();
                if let Err(error) = self.pollers.add(report.as_fd(), Token::Keeper) {
                    say(&format!("warning: the keeper of sockets: {error}"));
                }
                let note = note.by(pid, since);
                let report = Some(report);
                self.sockets.keepers.push(Keeper {
                    note,
                    pid,
                    since,
                    report,
                });
            }
            Err(error) => say(&format!(
                "warning: should herd end, sockets close with it: {error}"
            )),
        }
    }

    /// A keeper has its sockets, or could not begin.
    pub(super) fn keeper_reported(&mut self) {
        let mut keeps = false;
        for keeper in &mut self.sockets.keepers {
            let Some(report) = &mut keeper.report else {
                continue;
            };
            match report.read(&mut [0; 8]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Ok(0) => keeps = true,
                // Its end says the rest.
                _ => {}
            }
            self.pollers.remove(report.as_fd());
            keeper.report = None;
        }
        if keeps {
            self.sockets.end_keepers(1);
        }
    }

    /// Whether the child that ended was a keeper.
    pub(super) fn keeper_ended(&mut self, pid: u32) -> bool {
        self.keeper_reported();
        let keepers = &mut self.sockets.keepers;
        let Some(place) = keepers.iter().position(|keeper| keeper.pid == pid) else {
            return false;
        };
        let is_last = place + 1 == keepers.len();
        let keeper = keepers.remove(place);
        if let Some(report) = &keeper.report {
            self.pollers.remove(report.as_fd());
        }
        if is_last {
            // One that cannot live is not tried again until something changes.
            let failed = sys::now() < keeper.since.saturating_add(FAILED_WITHIN);
            self.sockets.changed |= !failed;
            say("warning: the keeper of sockets has ended");
        }
        true
    }

    /// Takes the sockets that the herd before had, from the last keeper that lives.
    pub(super) fn take_sockets(&mut self, keepers: Vec<KeeperNote>) {
        for note in keepers {
            self.sockets.notes = self.sockets.notes.max(note.number());
            let (pid, since) = note.process();
            if super::adopt::is_there(pid, since) {
                let report = None;
                self.sockets.keepers.push(Keeper {
                    note,
                    pid,
                    since,
                    report,
                });
            }
        }
        let Some(last) = self.sockets.keepers.last() else {
            return;
        };
        for (place, (name, socket)) in last.note.list().iter().enumerate() {
            match sys::take_kept(last.pid, place, &socket.listen) {
                Ok(file) => {
                    let waits = None;
                    let sockets = Vec::new();
                    let held = self.sockets.held.entry(name.clone());
                    let held = held.or_insert(Held { sockets, waits });
                    held.sockets.push((socket.clone(), file));
                }
                Err(error) => say(&format!(
                    "warning: {name}: {} closes for a moment: {error}",
                    socket.listen
                )),
            }
        }
        self.sockets.changed = true;
        self.sockets.look_at_all();
    }

    /// Whether it is a keeper.
    pub(super) fn is_keeper(&self, pid: u32) -> bool {
        self.sockets.keepers.iter().any(|keeper| keeper.pid == pid)
    }

    /// herd stops everything, and nothing is to be kept.
    pub(super) fn end_keepers(&mut self) {
        self.sockets.changed = false;
        self.sockets.end_keepers(0);
    }
}
