//! What is done for each request, and when it is answered: `start`, `stop`
//! and `restart` are answered when they have come true, or cannot.

use super::control::{ALL, Stage};
use super::sides::Purpose;
use super::{Daemon, Ending};
use crate::config::{Millis, Reload};
use crate::machine::{Command, Generation, Machine, Phase, Refusal, Time, View};
use crate::near::did_you_mean;
use crate::proto::{Answer, Fault, Request, Status};
use crate::sys::{self, Groups, Power};

/// A request whose answer waits.
pub(super) struct Pending {
    name: String,
    command: Command,
    /// The instance there was when it was asked.
    before: Generation,
    /// When to look again, should nothing happen before.
    pub(super) look_at: Option<Time>,
}

/// One that has lived for so long is told to be running: many a program with
/// a mistake in its configuration ends at once. In milliseconds.
const SETTLED: Time = 200;

impl Daemon {
    /// Reads and writes for the connection `id`.
    pub(super) fn serve(&mut self, id: u64) {
        let now = self.now();
        let Some(client) = self.control.get(id) else {
            return;
        };
        client.touch(now);
        client.write();
        let Some(line) = client.read() else {
            return;
        };
        let answer = match serde_json::from_slice(&line) {
            Ok(request) => self.request(id, request),
            Err(error) => Some(Answer::refused(
                Fault::Failed,
                format!("not a request: {error}"),
            )),
        };
        if let (Some(answer), Some(client)) = (answer, self.control.get(id)) {
            client.answer(&answer);
        }
    }

    /// The answer, or `None` if it comes later.
    fn request(&mut self, id: u64, request: Request) -> Option<Answer> {
        match request {
            Request::Status { name: None } => {
                let views = self.machine.views();
                Some(self.services(views))
            }
            Request::Status { name: Some(name) } => Some(match self.machine.view(&name) {
                Some(view) => self.services(vec![view]),
                None => self.unknown(&name),
            }),
            Request::Start { name } => self.command(id, name, Command::Start),
            Request::Enable { name } => self.enable(id, name),
            Request::Stop { name } => self.command(id, name, Command::Stop),
            Request::Restart { name } => self.command(id, name, Command::Restart),
            Request::Reload => Some(match self.reload() {
                Ok(enabled) => done(format!("{enabled} services are enabled")),
                Err(text) => Answer::refused(Fault::Failed, text),
            }),
            Request::Refresh { name } => Some(self.refresh(&name)),
            Request::Upgrade => {
                self.upgrade = true;
                Some(done("herd runs its program again in place".to_owned()))
            }
            Request::Follow { name } => self.follow(id, &name),
            Request::Events => self.follow_events(id),
            Request::Poweroff => Some(self.power(Power::Off)),
            Request::Reboot => Some(self.power(Power::Reboot)),
            Request::Halt => Some(self.power(Power::Halt)),
        }
    }

    /// Tells a service to read its own configuration again.
    fn refresh(&mut self, name: &str) -> Answer {
        let Some(view) = self.machine.view(name) else {
            return self.unknown(name);
        };
        let service = self.machine.running(name).cloned();
        let (Some(service), Some(pid)) = (service, view.pid) else {
            return Answer::refused(Fault::Failed, format!("{name} does not run"));
        };
        let done_by = match &service.reload {
            None => {
                let text = format!("{name} has no `reload`; restart it");
                return Answer::refused(Fault::Failed, text);
            }
            Some(Reload::Signal(signal)) => sys::signal(pid, *signal)
                .map(|()| signal.name())
                .map_err(|error| error.to_string()),
            Some(Reload::Command(command)) => {
                let limit = service.start_timeout.0;
                let purpose = Purpose::Reload;
                self.run_side(name, view.generation, &service, command, purpose, limit)
                    .map(|pid| format!("its command, pid {pid}"))
            }
        };
        match done_by {
            Ok(by) => {
                self.note(name, &format!("reloading by {by}"));
                done(format!("{name} is told by {by}"))
            }
            Err(error) => Answer::refused(Fault::Failed, format!("{name}: {error}")),
        }
    }

    fn unknown(&self, name: &str) -> Answer {
        let views = self.machine.views();
        let near = did_you_mean(name, views.iter().map(|view| view.name.as_str()));
        let text = format!("no service is called {name}{near}; `herd status` lists them");
        Answer::refused(Fault::Unknown, text)
    }

    fn services(&self, views: Vec<View>) -> Answer {
        let now = self.now();
        Answer::Services {
            services: views
                .into_iter()
                .map(|view| status(view, now, self.groups.as_ref()))
                .collect(),
        }
    }

    /// Starts one unless it waits for its time or for clients already, as it is to.
    fn enable(&mut self, id: u64, name: String) -> Option<Answer> {
        let view = self.machine.view(&name);
        match view.as_ref().map(|view| view.phase) {
            Some(Phase::Scheduled | Phase::Listening | Phase::Starting) => {
                let before = view.map_or(0, |view| since(&view));
                self.answer_later(id, name, Command::Start, before)
            }
            _ => self.command(id, name, Command::Start),
        }
    }

    /// Has a client wait until a command has come true.
    fn answer_later(
        &mut self,
        id: u64,
        name: String,
        command: Command,
        before: Generation,
    ) -> Option<Answer> {
        let pending = Pending {
            name,
            command,
            before,
            look_at: None,
        };
        let client = self.control.get(id)?;
        client.stage = Stage::Pending(pending);
        None
    }

    fn command(&mut self, id: u64, name: String, command: Command) -> Option<Answer> {
        let before = self.machine.view(&name);
        if command == Command::Start
            && let Some(view) = &before
            && view.phase == Phase::Running
            && view.wanted
        {
            return Some(done(format!("{name} is running already")));
        }
        match self.machine.command(self.now(), &name, command) {
            Ok(actions) => {
                self.actions.extend(actions);
                self.memory.look_at(&name);
                self.sockets.look_at(&name);
            }
            Err(Refusal::Unknown) => return Some(self.unknown(&name)),
            Err(Refusal::Invalid(error)) => return Some(Answer::refused(Fault::Invalid, error)),
            Err(Refusal::ShuttingDown) => {
                let text = "herd is stopping everything";
                return Some(Answer::refused(Fault::Failed, text));
            }
        }
        self.answer_later(id, name, command, before.map_or(0, |view| since(&view)))
    }

    /// Has a client hear of everything from now on.
    fn follow_events(&mut self, id: u64) -> Option<Answer> {
        let client = self.control.get(id)?;
        client.stage = Stage::Joining {
            name: ALL.to_owned(),
            text: Vec::new(),
        };
        client.join(0, 0);
        None
    }

    fn follow(&mut self, id: u64, name: &str) -> Option<Answer> {
        if self.machine.view(name).is_none() {
            return Some(self.unknown(name));
        }
        self.writer.ask_position(id, name);
        let client = self.control.get(id)?;
        client.stage = Stage::Joining {
            name: name.to_owned(),
            text: Vec::new(),
        };
        None
    }

    /// The thread that writes the logs has told where some are.
    pub(super) fn take_positions(&mut self) {
        for position in self.writer.take() {
            if let Some(client) = self.control.get(position.client) {
                client.join(position.inode, position.size);
            }
        }
    }

    fn power(&mut self, what: Power) -> Answer {
        if !self.is_first {
            return Answer::refused(
                Fault::Failed,
                "herd is not process 1 here, so this machine is not its to stop",
            );
        }
        self.end(Ending::Power(what));
        done(String::new())
    }

    /// Answers what has come true since the last look.
    pub(super) fn answer_pending(&mut self) {
        // What is answered outlives herd.
        if !self.sockets.are_kept() {
            return;
        }
        let machine = &self.machine;
        let now = sys::now();
        for client in self.control.all() {
            if let Stage::Pending(pending) = &mut client.stage
                && let Some(answer) = verdict(pending, machine, now)
            {
                client.answer(&answer);
            }
        }
    }
}

/// Whether a request has come true or cannot any more; `None` if not yet.
fn verdict(pending: &mut Pending, machine: &Machine, now: Time) -> Option<Answer> {
    let name = &pending.name;
    let view = machine.view(name);
    pending.look_at = None;
    let Some(view) = view else {
        return Some(done(format!("{name} is stopped")));
    };
    let newer = view.generation > pending.before;
    match (pending.command, view.phase) {
        (_, Phase::Waiting) => {
            let other = view.waits_for?;
            let text = match machine.view(&other) {
                None => format!("{name} waits for {other}, which is not there"),
                Some(it) if it.phase.is_final() && !it.wanted => {
                    format!("{name} waits for {other}, which is {}", it.phase.word())
                }
                Some(_) => return None,
            };
            Some(Answer::refused(Fault::Failed, text))
        }
        (_, Phase::Starting | Phase::Stopping) => None,
        (Command::Stop, Phase::Running | Phase::Backoff | Phase::Scheduled | Phase::Listening) => {
            Some(Answer::refused(
                Fault::Failed,
                format!("{name} was started again by someone else"),
            ))
        }
        (_, Phase::Listening) => Some(done(format!("{name} waits for a client"))),
        (Command::Stop, _) => Some(done(format!("{name} is stopped"))),
        (_, Phase::Running) if newer => {
            let settled = view.since.unwrap_or(now).saturating_add(SETTLED);
            if now < settled {
                pending.look_at = Some(settled);
                return None;
            }
            let pid = view.pid.unwrap_or_default();
            Some(done(format!("{name} is running, pid {pid}")))
        }
        (_, Phase::Running) => None,
        (_, Phase::Scheduled) => {
            let next = Millis(view.due.unwrap_or(now).saturating_sub(now));
            Some(match (newer, view.ended_well) {
                (false, _) => done(format!("{name} runs in {next}")),
                (true, true) => {
                    let end = view.last_end.unwrap_or_default();
                    done(format!("{name} ran and {end}; again in {next}"))
                }
                (true, false) => {
                    let end = view.last_end.unwrap_or_default();
                    let text = format!("{name}: {end}; again in {next}");
                    Answer::refused(Fault::Failed, text)
                }
            })
        }
        (_, Phase::Stopped | Phase::Done) if newer && view.ended_well => {
            let end = view.last_end.unwrap_or_default();
            Some(done(format!("{name} ran and {end}")))
        }
        (_, phase) => {
            let why = view.error.or(view.last_end).unwrap_or_default();
            let text = format!("{name} does not run ({}): {why}", phase.word());
            Some(Answer::refused(Fault::Failed, text))
        }
    }
}

/// The instance before the one that answers a request.
fn since(view: &View) -> Generation {
    match view.phase {
        // That which is being started now is the answer.
        Phase::Starting => view.generation.saturating_sub(1),
        _ => view.generation,
    }
}

fn done(text: String) -> Answer {
    Answer::Done { text }
}

fn status(view: View, now: Time, groups: Option<&Groups>) -> Status {
    let groups = groups.filter(|_| view.pid.is_some());
    let tasks = groups.and_then(|groups| groups.tasks(&view.name));
    // Without them it is in none: it was started before there were any.
    let groups = groups.filter(|_| tasks.is_some());
    Status {
        tasks,
        cpu_us: groups.and_then(|groups| groups.cpu_us(&view.name)),
        memory: groups.and_then(|groups| groups.memory(&view.name)),
        group: groups.map(|groups| groups.path(&view.name).to_string_lossy().into_owned()),
        name: view.name,
        state: view.phase,
        enabled: view.enabled,
        pid: view.pid,
        running_ms: view.since.map(|since| now.saturating_sub(since)),
        due_ms: view.due.map(|due| due.saturating_sub(now)),
        restarts: view.restarts,
        crash_loop: view.crash_loop,
        waits_for: view.waits_for,
        last_end: view.last_end,
        error: view.error,
        changed: view.changed,
    }
}
