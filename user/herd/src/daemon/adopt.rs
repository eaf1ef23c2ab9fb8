//! Taking over from a herd that ended without its services.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Daemon;
use super::events::Token;
use super::good::Good;
use super::memory::{Left, Noted};
use super::starts::Instance;
use crate::config::{Loaded, Ready, Service};
use crate::console::say;
use crate::machine::{Found, Generation, Kept, Time};
use crate::sys::{self, TICK, Teller};

/// Processes of others' children, which herd is told of when they end.
#[derive(Default)]
pub(super) struct Strangers(HashMap<u32, OwnedFd>);

impl Daemon {
    /// Takes over what the herd before left, of the services in `loaded`.
    pub(super) fn adopt(&mut self, left: Left, loaded: &[Loaded], good: &Good) {
        let Left {
            mut kept,
            noted,
            keepers,
        } = left;
        self.take_sockets(keepers);
        self.end_unborn();
        for (name, noted) in noted {
            let kept = kept.remove(&name);
            let kept = kept.unwrap_or_else(|| Kept::only(noted.generation));
            let service = definition(&name, loaded, good);
            self.adopt_noted(&name, kept, noted, service);
        }
        for (name, kept) in kept {
            let service = definition(&name, loaded, good);
            let now = self.now();
            let actions = self.machine.adopt(now, &name, kept, service, None);
            self.actions.extend(actions);
        }
    }

    fn adopt_noted(
        &mut self,
        name: &str,
        mut kept: Kept,
        noted: Noted,
        service: Option<Arc<Service>>,
    ) {
        let lives = is_the_noted(noted);
        // It ended and nobody knows: otherwise that would have been kept.
        let was_live = kept.live || noted.generation > kept.generation;
        kept.generation = kept.generation.max(noted.generation);
        let is_ready = kept.ready;
        let now = self.now();
        let found = (lives || was_live).then_some(Found {
            pid: noted.pid,
            since: noted.at,
            lives,
        });
        let actions = self.machine.adopt(now, name, kept, service.clone(), found);
        self.actions.extend(actions);
        if found.is_none() {
            return;
        }
        let outputs = self
            .paths
            .outlets(name)
            .map(|path| sys::outlet_reader(&path).ok());
        let shared = self.machine.shared_name(name);
        let outputs = self.outputs.add(&shared, outputs, &self.pollers.outputs);
        let instance = Instance::adopted(&shared, noted.generation, outputs);
        if !lives {
            return self.first_ended(instance, noted.pid, None);
        }
        self.instances.insert(noted.pid, instance);
        self.watch(name, noted.pid);
        if let Some(service) = service {
            self.watch_again(name, noted.generation, &service, is_ready);
        }
    }

    /// Listens where the herd before did.
    fn watch_again(
        &mut self,
        name: &str,
        generation: Generation,
        service: &Arc<Service>,
        is_ready: bool,
    ) {
        let by_message = matches!(service.ready.as_deref(), Some(Ready::Notify));
        let is_ready = is_ready || matches!(service.ready.as_deref(), Some(Ready::Fd(_)));
        let mut teller = None;
        if by_message || service.watchdog.is_some() {
            let path = self.paths.notify(name);
            let owner = fs::metadata(&path).map(|data| (data.uid(), data.gid()));
            match sys::notify_socket(&path, owner.ok()) {
                Ok(socket) => teller = Some(Teller::Socket(socket)),
                Err(error) => self.note(name, &format!("{}: {error}", path.display())),
            }
        }
        self.watch_instance(name, generation, service, teller, is_ready);
    }

    /// A child tells of its end by itself.
    fn watch(&mut self, name: &str, pid: u32) {
        let own = i32::try_from(std::process::id());
        if sys::stat(pid).is_some_and(|stat| own == Ok(stat.parent)) {
            return;
        }
        let opened = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let opened = opened.ok_or(rustix::io::Errno::SRCH);
        let opened = opened.and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK));
        let watched = opened.map_err(std::io::Error::from).and_then(|file| {
            self.pollers
                .add(file.as_fd(), Token::Stranger(pid))
                .map(|()| file)
        });
        match watched {
            Ok(file) => {
                self.strangers.0.insert(pid, file);
            }
            Err(error) if sys::stat(pid).is_none() => {
                say(&format!("{name}: pid {pid}: {error}"));
                self.stranger_ended(pid);
            }
            Err(error) => say(&format!(
                "warning: {name}: the end of pid {pid} will not be noticed: {error}"
            )),
        }
    }

    pub(super) fn stranger_ended(&mut self, pid: u32) {
        if let Some(file) = self.strangers.0.remove(&pid) {
            self.pollers.remove(file.as_fd());
        }
        if let Some(instance) = self.instances.remove(pid) {
            let _ = sys::signal_group(pid, crate::config::Signal::KILL);
            self.first_ended(instance, pid, None);
        }
    }

    /// Writes down what is new for the next herd.
    pub(super) fn remember(&mut self) {
        for name in self.memory.tell(&self.machine) {
            self.note_timer(&name);
        }
        self.keep_timers();
        if self.memory.is_long() && self.instances.are_settled() && self.sockets.are_settled() {
            self.begin_memory();
        }
    }

    /// Ends processes that were about to become a service when the herd before
    /// ended. Only those of process 1 outlive it so far.
    fn end_unborn(&self) {
        for pid in sys::children().unwrap_or_default() {
            if sys::is_this_program(pid) && !self.is_keeper(pid) {
                sys::kill(pid);
            }
        }
    }

    /// Begins to write down what the next herd is to know.
    pub(super) fn begin_memory(&mut self) {
        let processes: Vec<_> = self.instances.noted().collect();
        let processes = processes.into_iter();
        let keepers = self.sockets.notes();
        let written = self.memory.write_anew(&self.machine, processes, &keepers);
        if let Err(error) = written {
            say(&format!(
                "warning: {}: {error}; should herd end, the next does not know its services",
                self.paths.memory().display()
            ));
        }
    }
}

/// Whether the process is still there, running or to be collected, and not
/// another of the same number.
fn is_the_noted(noted: Noted) -> bool {
    let own = i32::try_from(std::process::id());
    sys::stat(noted.pid).is_some_and(|stat| {
        let counts = !stat.has_ended || own == Ok(stat.parent);
        counts && stat.since <= noted.at.saturating_add(TICK)
    })
}

/// Whether process `pid`, which was there at a time, lives.
pub(super) fn is_there(pid: u32, at: Time) -> bool {
    sys::stat(pid).is_some_and(|stat| !stat.has_ended && stat.since <= at.saturating_add(TICK))
}

/// The definition that is there now, or the last that was good; that with which it was
/// started is not kept.
fn definition(name: &str, loaded: &[Loaded], good: &Good) -> Option<Arc<Service>> {
    // By name, as they are read.
    let found = loaded.binary_search_by(|found| found.name.as_str().cmp(name));
    let found = found.ok().and_then(|place| loaded.get(place));
    let found = found.and_then(|found| found.definition.as_ref().ok());
    found.or_else(|| good.get(name)).cloned()
}
