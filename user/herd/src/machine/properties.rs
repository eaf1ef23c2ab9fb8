//! The machine under any sequence of events.

use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// What happens next in a random history.
#[derive(Debug, Clone)]
enum Step {
    Command(u8, Command),
    /// The world answers for a live instance.
    Answer(u8, Answer),
    /// An event of a generation that may be any.
    Stray(u8, Generation, bool),
    Load(Files),
    Advance(u16),
    /// The wall clock is set.
    SetWall(u32),
    ShutDown,
    /// herd dies, and another takes over.
    Die(Files),
}

#[derive(Debug, Clone)]
enum Answer {
    Start,
    Fail,
    Ready,
    Unwell,
    End(bool),
}

/// The outside world: at most one instance per service may exist in it.
#[derive(Default)]
struct World {
    machine: Machine,
    live: HashMap<String, (Generation, bool)>,
    /// Those whose sockets are being opened, or are open.
    listening: HashMap<String, Generation>,
    /// Those whose end is being cleaned up after.
    cleaned: HashMap<String, Generation>,
    now: Time,
    next_pid: u32,
    shut: bool,
    /// Several things happen in this step, one after the other.
    many: bool,
}

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

/// All of them.
const ALL: u16 = 0x1ff;

/// Whom each needs, and whom it may not run beside.
const NEEDS: [&[&str]; 9] = [&[], &[], &["b"], &[], &["c"], &["e"], &["i"], &[], &["b"]];
const RIVALS: [&[&str]; 9] = [&["f"], &[], &[], &[], &[], &["a"], &[], &[], &["g"]];

/// What is on the disk: which definitions are there, enabled, torn, and edited, by bit.
#[derive(Debug, Clone, Copy)]
struct Files {
    present: u16,
    enabled: u16,
    torn: u16,
    edited: u16,
}

const WHOLE: Files = Files {
    present: ALL,
    enabled: ALL,
    torn: 0,
    edited: 0,
};

fn definitions(files: Files) -> Vec<Loaded> {
    let one = |(i, name): (usize, &&str)| {
        let text = match i {
            0 => "command = 'x'\npost_stop = 'y'\nconflicts = ['f']",
            1 => {
                "command = 'x'\nafter = ['a']\nrestart = 'always'\npre_start = 'y'\nready = 'fd:3'"
            }
            2 => "command = 'x'\nneeds = ['b']\nrestart = 'never'",
            3 => "command = 'x'\nbroken",
            4 => "command = 'x'\nneeds = ['c']\nwants = ['a', 'd']\ntype = 'oneshot'",
            6 => {
                "command = 'x'\ntype = 'timer'\nschedule = 'every 3s'\npost_stop = 'y'\nneeds = ['i']"
            }
            7 => "command = 'x'\ntype = 'timer'\nschedule = '*:15'\nafter = ['a']",
            8 => {
                "command = 'x'\ntype = 'socket'\nsockets = ['tcp:80']\nneeds = ['b']\n\
                 conflicts = ['g']\nmax_retries = 9"
            }
            _ => "command = 'x'\nneeds = ['e']\nmax_retries = 3\npost_stop = 'y'",
        };
        let mut text = text.to_owned();
        if files.edited & (1 << i) != 0 {
            text.push_str("\nstop_timeout = '3s'\nstart_timeout = '2s'");
        }
        if files.torn & (1 << i) != 0 {
            text.push_str("\ntorn = '");
        }
        Loaded {
            name: (*name).to_owned(),
            enabled: files.enabled & (1 << i) != 0,
            definition: Service::parse(Path::new("x"), &text).map(Arc::new),
        }
    };
    NAMES
        .iter()
        .enumerate()
        .filter(|(i, _)| files.present & (1 << i) != 0)
        .map(one)
        .collect()
}

impl World {
    fn step(&mut self, step: Step) {
        let now = self.now;
        self.many = matches!(step, Step::Die(..));
        let name = |i: u8| NAMES[usize::from(i) % NAMES.len()];
        let actions = match step {
            Step::Command(i, command) => self
                .machine
                .command(now, name(i), command)
                .unwrap_or_default(),
            Step::Answer(i, answer) => self.answer(name(i), answer),
            Step::Stray(i, generation, start) => self.stray(name(i), generation, start),
            Step::Load(files) => self.machine.load(now, definitions(files)),
            Step::Advance(ms) => {
                self.now += u64::from(ms);
                self.machine.tick(self.now)
            }
            Step::SetWall(wall) => {
                self.machine.set_wall(now, u64::from(wall) << 10);
                self.machine.tick(now)
            }
            Step::ShutDown => {
                self.shut = true;
                self.machine.shut_down(now)
            }
            Step::Die(files) => self.die(&definitions(files)),
        };
        self.perform(actions);
    }

    /// What was about to start ends with herd; all else lives on.
    fn die(&mut self, loaded: &[Loaded]) -> Vec<Action> {
        let old = std::mem::take(&mut self.machine);
        self.shut = false;
        self.listening.clear();
        // Nobody knows of it any more.
        let cleaned = std::mem::take(&mut self.cleaned);
        let mut out = Vec::new();
        for view in old.views() {
            let name = view.name.as_str();
            let found = loaded.iter().find(|found| found.name == name);
            let service = found.and_then(|found| found.definition.clone().ok());
            let live = self.live.get(name).copied();
            let was_cleaned = cleaned.contains_key(name);
            let there = live.is_some() || was_cleaned;
            let found = there.then_some(Found {
                pid: view.pid.unwrap_or(8_888),
                since: self.now,
                lives: live.is_some_and(|live| live.1),
            });
            let kept = old.kept(name).unwrap();
            let generation = kept.generation;
            out.extend(self.machine.adopt(self.now, name, kept, service, found));
            if was_cleaned || matches!(live, Some((_, false))) {
                self.live.remove(name);
                // It was never told to stop, as it never was.
                out.retain(
                    |action| !matches!(action, Action::Signal { name: to, .. } if to == name),
                );
                let end = Event::Ended(End::Unknown);
                out.extend(self.machine.event(self.now, name, generation, end));
            }
        }
        out.extend(self.machine.load(self.now, loaded.to_vec()));
        out
    }

    fn answer(&mut self, name: &str, answer: Answer) -> Vec<Action> {
        if let Some(generation) = self.cleaned.remove(name) {
            return self
                .machine
                .event(self.now, name, generation, Event::Cleaned);
        }
        let Some((generation, started)) = self.live.get(name).copied() else {
            return self.answer_listening(name, &answer);
        };
        let event = match (started, answer) {
            (false, Answer::Fail) => {
                self.live.remove(name);
                Event::NotStarted {
                    error: "no".to_owned(),
                    lasting: generation % 3 == 0,
                }
            }
            (false, _) => {
                self.live.insert(name.to_owned(), (generation, true));
                self.next_pid += 1;
                Event::Started(self.next_pid)
            }
            (true, Answer::End(well)) => {
                self.live.remove(name);
                Event::Ended(End::Exited(i32::from(!well)))
            }
            (true, Answer::Ready) => Event::Ready,
            (true, Answer::Unwell) => Event::Unwell("it is not well".to_owned()),
            (true, _) => return Vec::new(),
        };
        self.machine.event(self.now, name, generation, event)
    }

    /// What becomes of sockets: they are opened, or cannot be, or a client comes.
    fn answer_listening(&mut self, name: &str, answer: &Answer) -> Vec<Action> {
        let Some(generation) = self.listening.get(name).copied() else {
            return Vec::new();
        };
        let phase = self.machine.view(name).map(|view| view.phase);
        let event = match (phase, answer) {
            (Some(Phase::Starting), Answer::Fail) => Event::NotStarted {
                error: "no".to_owned(),
                lasting: false,
            },
            (Some(Phase::Starting), _) => Event::Ready,
            (Some(Phase::Listening), Answer::Start | Answer::Ready) => Event::Called,
            (Some(Phase::Listening), _) => return Vec::new(),
            // It is not waited for any more.
            _ => {
                self.listening.remove(name);
                return Vec::new();
            }
        };
        if event != Event::Ready {
            self.listening.remove(name);
        }
        self.machine.event(self.now, name, generation, event)
    }

    fn stray(&mut self, name: &str, generation: Generation, start: bool) -> Vec<Action> {
        if self.live.get(name).is_some_and(|live| live.0 == generation) {
            return Vec::new();
        }
        let event = match start {
            true => Event::Started(9_999),
            false => Event::Ended(End::Exited(0)),
        };
        let before = self.machine.views();
        let actions = self.machine.event(self.now, name, generation, event);
        assert_eq!(
            before,
            self.machine.views(),
            "a stray event changed something"
        );
        actions
    }

    /// `name` is being started: whom it needs is up, and no rival lives.
    fn check_others(&self, name: &str) {
        if self.many {
            return;
        }
        let place = NAMES.iter().position(|known| *known == name).unwrap();
        let service = self.machine.service(name).unwrap();
        for other in NEEDS[place] {
            let phase = self.machine.view(other).map(|view| view.phase);
            let up = [Phase::Running, Phase::Done, Phase::Listening];
            let is_up = phase.is_some_and(|phase| up.contains(&phase));
            assert!(is_up, "{name} needs {other}, which is {phase:?}");
        }
        for other in RIVALS[place] {
            // One that is adopted runs whatever others do.
            let lives = self.live.contains_key(*other) || self.cleaned.contains_key(*other);
            assert!(!lives, "{name} is started beside {other}");
        }
        assert!(!service.command.0.is_empty());
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start {
                    name, generation, ..
                } => {
                    assert!(!self.shut, "started {name} in a shutdown");
                    let old = self.live.insert(name.clone(), (generation, false));
                    assert!(old.is_none(), "two instances of {name}");
                    assert!(!self.cleaned.contains_key(&name), "{name} is not clean");
                    self.check_others(&name);
                }
                Action::Listen {
                    name, generation, ..
                } => {
                    assert!(!self.shut, "{name} listens in a shutdown");
                    assert!(!self.live.contains_key(&name), "{name} has an instance");
                    assert!(!self.cleaned.contains_key(&name), "{name} is not clean");
                    self.listening.insert(name, generation);
                }
                Action::Clean {
                    name, generation, ..
                } => {
                    assert!(!self.live.contains_key(&name), "{name} has not ended");
                    let old = self.cleaned.insert(name.clone(), generation);
                    assert!(old.is_none(), "{name} is cleaned twice");
                }
                Action::Signal { name, .. } => {
                    let live = self.live.get(&name);
                    assert!(live.is_some_and(|live| live.1), "signal to no process");
                }
                Action::Abort { name, generation } => {
                    // It may have become its program before, or not.
                    let live = self.live.get(&name).copied();
                    assert_eq!(live, Some((generation, false)), "nothing to abort");
                }
                Action::Note { .. } => {}
            }
        }
        let views = self.machine.views();
        let is_quiet = self.live.is_empty() && self.cleaned.is_empty();
        assert_eq!(self.machine.is_quiet(), is_quiet);
        for view in views {
            assert_eq!(
                view.pid.is_some(),
                self.live.get(&view.name).is_some_and(|l| l.1)
            );
        }
    }
}

fn files() -> impl Strategy<Value = Files> {
    let few = || prop_oneof![Just(0), any::<u16>()];
    (any::<u16>(), any::<u16>(), few(), few()).prop_map(|(present, enabled, torn, edited)| Files {
        present,
        enabled,
        torn,
        edited,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let command = prop_oneof![
        Just(Command::Start),
        Just(Command::Stop),
        Just(Command::Restart)
    ];
    let answer = prop_oneof![
        Just(Answer::Start),
        Just(Answer::Fail),
        Just(Answer::Ready),
        Just(Answer::Ready),
        Just(Answer::Unwell),
        any::<bool>().prop_map(Answer::End)
    ];
    prop_oneof![
        3 => (any::<u8>(), command).prop_map(|(i, c)| Step::Command(i, c)),
        6 => (any::<u8>(), answer).prop_map(|(i, a)| Step::Answer(i, a)),
        1 => (any::<u8>(), 0..9u64, any::<bool>()).prop_map(|(i, g, s)| Step::Stray(i, g, s)),
        2 => files().prop_map(Step::Load),
        3 => (0..8_000u16).prop_map(Step::Advance),
        1 => any::<u32>().prop_map(Step::SetWall),
        1 => Just(Step::ShutDown),
        1 => files().prop_map(Step::Die),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Never two instances, never a signal to nobody, nothing starts after a
    /// shutdown, strays change nothing.
    #[test]
    fn at_most_one_instance(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::default();
        world.step(Step::Load(WHOLE));
        for step in steps {
            world.step(step);
        }
    }

    /// From anywhere, a shutdown in which every instance ends comes to rest.
    #[test]
    fn a_shutdown_comes_to_rest(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::default();
        world.step(Step::Load(WHOLE));
        for step in steps {
            world.step(step);
        }
        world.step(Step::ShutDown);
        for _ in 0..24 {
            for i in 0..9 {
                world.step(Step::Answer(i, Answer::Start));
                world.step(Step::Answer(i, Answer::End(true)));
            }
        }
        prop_assert!(world.machine.is_quiet());
        prop_assert_eq!(world.machine.deadline(), None);
    }
}
