//! One history of services, and the events that it has. It is told to the state
//! machine alone, to a herd on Linux and to one on Paddock: each is a [`World`].

/// What a service's program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// It says that it is ready, and ends when it is told to, or by USR1 with status 3
    /// and by USR2 with status 0.
    Stays,
    /// The same, but it takes a second to stop, with status 0.
    Lingers,
    /// The same as the first, but it does not stop when it is told to.
    Deaf,
    /// It never says that it is ready.
    Mute,
    /// It ends at once with this status.
    Ends(i32),
}

/// A definition.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    pub program: Program,
    /// Its other keys.
    pub keys: &'static str,
}

impl Definition {
    /// The text of the file.
    pub fn text(&self) -> String {
        let on_signals = "trap 'exit 3' USR1; trap 'exit 0' USR2";
        let stays = "while :; do sleep 1000 & wait; done";
        let script = match self.program {
            Program::Stays => format!("{on_signals}; echo >&3; {stays}"),
            Program::Lingers => {
                format!("{on_signals}; trap 'sleep 1; exit 0' TERM; echo >&3; {stays}")
            }
            Program::Deaf => format!("{on_signals}; trap '' TERM; echo >&3; {stays}"),
            Program::Mute => stays.to_owned(),
            Program::Ends(status) => format!("exit {status}"),
        };
        let ready = match self.program {
            Program::Ends(_) => "",
            _ => "ready = 'fd:3'\n",
        };
        let keys = self.keys;
        format!("command = ['/bin/sh', '-c', '''{script}''']\n{ready}{keys}\n")
    }
}

/// What happens in one step.
#[derive(Debug, Clone, Copy)]
pub enum Do {
    /// The file of a service is written.
    Write(&'static str, Definition),
    /// It is torn.
    Tear(&'static str),
    /// It is taken away.
    Remove(&'static str),
    /// An operator gives a command.
    Herd(&'static [&'static str]),
    /// Someone sends a signal to the first process of a service.
    Kill(&'static str, &'static str),
    /// So many milliseconds pass.
    Pass(u64),
    /// herd runs its program anew.
    Upgrade,
    /// herd is killed, and started again.
    Die,
}

/// What happens, and the events that it has: who, and what.
pub struct Step(pub Do, pub &'static [(&'static str, &'static str)]);

/// Where the history happens.
pub trait World {
    /// Has it happen.
    fn perform(&mut self, what: Do);

    /// All events so far, as soon as there are `count`, or there are to be no more.
    fn events(&mut self, count: usize) -> Vec<(String, String)>;
}

const STARTED: &str = "started, pid 7";
const READY: &str = "ready after 7 ms";
const STOPPING: &str = "stopping pid 7 with SIGTERM";
const TERMINATED: &str = "pid 7 killed by SIGTERM after 7 s";
const KILLED: &str = "pid 7 killed by SIGKILL after 7 s";
const UNSEEN: &str = "pid 7 ended in a way that herd did not see after 7 s";
const FAILED: &str = "pid 7 exited with status 3 after 7 s";
const ENDED: &str = "pid 7 exited with status 0 after 7 s";
const RESTARTS: &str = "restarting in 100 ms";
const RESTARTS_AT_ONCE: &str = "restarting at once";
const NOT_AGAIN: &str = "not tried again until its definition changes or it is started";
const RUNS_ON: &str = "pid 7 runs on under a new herd";
const TORN: &str = "invalid definition: base.conf:1: key with no value, expected `=`";

const fn definition(program: Program, keys: &'static str) -> Definition {
    Definition { program, keys }
}

/// It ends after what goes down with it: what happens to two in one millisecond stands
/// in the order of their names.
const BASE: Definition = definition(Program::Lingers, "");
const WEB: Definition = definition(Program::Stays, "needs = ['base']");
const STAYS: Definition = definition(Program::Stays, "");

/// What happens as long as one herd lives, or runs its program anew.
pub const HISTORY: &[Step] = &[
    // Operators, and what needs what.
    Step(Do::Write("base", BASE), &[]),
    Step(Do::Write("web", WEB), &[]),
    Step(
        Do::Herd(&["enable", "web"]),
        &[
            ("base", STARTED),
            ("base", READY),
            ("web", STARTED),
            ("web", READY),
        ],
    ),
    Step(
        Do::Herd(&["stop", "base"]),
        &[
            ("base", STOPPING),
            ("web", "it needs base, which is down"),
            ("web", STOPPING),
            ("web", TERMINATED),
            ("base", ENDED),
        ],
    ),
    Step(
        Do::Herd(&["start", "base"]),
        &[
            ("base", STARTED),
            ("base", READY),
            ("web", STARTED),
            ("web", READY),
        ],
    ),
    Step(
        Do::Herd(&["restart", "base"]),
        &[
            ("base", STOPPING),
            ("base", ENDED),
            ("base", STARTED),
            ("base", READY),
        ],
    ),
    // Ends that nobody asked for: the first restart is at once, the next is not.
    Step(Do::Pass(1_200), &[]),
    Step(
        Do::Kill("base", "KILL"),
        &[
            ("base", KILLED),
            ("base", RESTARTS_AT_ONCE),
            ("base", STARTED),
            ("base", READY),
        ],
    ),
    Step(
        Do::Kill("base", "USR1"),
        &[
            ("base", FAILED),
            ("base", RESTARTS),
            ("base", STARTED),
            ("base", READY),
        ],
    ),
    Step(
        Do::Kill("base", "USR2"),
        &[
            ("base", ENDED),
            ("base", "not restarted, as its definition says"),
            ("web", "it needs base, which is down"),
            ("web", STOPPING),
            ("web", TERMINATED),
        ],
    ),
    Step(Do::Herd(&["disable", "web"]), &[]),
    // A crash loop that gives up, and an operator who has it tried again.
    Step(Do::Write("crash", STAYS), &[]),
    Step(
        Do::Herd(&["enable", "crash"]),
        &[("crash", STARTED), ("crash", READY)],
    ),
    Step(
        Do::Write(
            "crash",
            definition(
                Program::Ends(3),
                "backoff = '10ms..20ms'\nmax_retries = 5\nhealthy_after = '24h'",
            ),
        ),
        &[],
    ),
    Step(Do::Herd(&["reload"]), &[]),
    Step(
        Do::Herd(&["stop", "crash"]),
        &[("crash", STOPPING), ("crash", TERMINATED)],
    ),
    Step(Do::Herd(&["start", "crash"]), CRASHES),
    Step(Do::Herd(&["start", "crash"]), CRASHES),
    // Another definition is tried at once, and a torn one takes nothing down.
    Step(Do::Write("crash", definition(Program::Ends(125), "")), &[]),
    Step(
        Do::Herd(&["reload"]),
        &[
            ("crash", STARTED),
            ("crash", "pid 7 exited with status 125 after 7 s"),
            ("crash", NOT_AGAIN),
        ],
    ),
    Step(Do::Herd(&["disable", "crash"]), &[]),
    Step(
        Do::Herd(&["enable", "base"]),
        &[("base", STARTED), ("base", READY)],
    ),
    Step(Do::Tear("base"), &[]),
    Step(Do::Herd(&["reload"]), &[("base", TORN)]),
    Step(Do::Herd(&["reload"]), &[]),
    Step(Do::Pass(1_200), &[]),
    Step(
        Do::Kill("base", "KILL"),
        &[
            ("base", KILLED),
            ("base", RESTARTS_AT_ONCE),
            ("base", STARTED),
            ("base", READY),
        ],
    ),
    Step(Do::Write("base", BASE), &[]),
    Step(Do::Herd(&["reload"]), &[]),
    // One that does something once, and ones that do not do what they should.
    Step(
        Do::Write("once", definition(Program::Ends(0), "type = 'oneshot'")),
        &[],
    ),
    Step(
        Do::Herd(&["start", "once"]),
        &[("once", STARTED), ("once", ENDED)],
    ),
    Step(
        Do::Write("deaf", definition(Program::Deaf, "stop_timeout = '300ms'")),
        &[],
    ),
    Step(
        Do::Herd(&["enable", "deaf"]),
        &[("deaf", STARTED), ("deaf", READY)],
    ),
    Step(Do::Remove("deaf"), &[]),
    Step(
        Do::Herd(&["reload"]),
        &[
            ("deaf", STOPPING),
            ("deaf", "pid 7 did not stop within 300 ms: killing it"),
            ("deaf", KILLED),
        ],
    ),
    Step(
        Do::Write(
            "mute",
            definition(Program::Mute, "start_timeout = '1200ms'\nmax_retries = 1"),
        ),
        &[],
    ),
    Step(
        Do::Herd(&["start", "mute"]),
        &[
            ("mute", STARTED),
            ("mute", "it was not ready within 1.200 s"),
            ("mute", STOPPING),
            ("mute", TERMINATED),
            ("mute", RESTARTS_AT_ONCE),
            ("mute", STARTED),
            ("mute", "it was not ready within 1.200 s"),
            ("mute", STOPPING),
            ("mute", TERMINATED),
            ("mute", "it was restarted 1 times in a row"),
            ("mute", NOT_AGAIN),
        ],
    ),
    // What runs goes on when herd is replaced, and is supervised as before.
    Step(Do::Upgrade, &[("base", RUNS_ON)]),
    Step(
        Do::Herd(&["restart", "base"]),
        &[
            ("base", STOPPING),
            ("base", ENDED),
            ("base", STARTED),
            ("base", READY),
        ],
    ),
];

const CRASHES: &[(&str, &str)] = &[
    ("crash", STARTED),
    ("crash", FAILED),
    ("crash", RESTARTS),
    ("crash", STARTED),
    ("crash", FAILED),
    ("crash", RESTARTS),
    ("crash", STARTED),
    ("crash", FAILED),
    ("crash", RESTARTS),
    ("crash", STARTED),
    ("crash", FAILED),
    ("crash", RESTARTS),
    ("crash", STARTED),
    ("crash", FAILED),
    ("crash", "crash loop: it ended five times within 30 s"),
    ("crash", RESTARTS),
    ("crash", STARTED),
    ("crash", FAILED),
    ("crash", "it was restarted 5 times in a row"),
    ("crash", NOT_AGAIN),
];

/// What follows where herd can be killed: anywhere but as process 1.
pub const DEATH: &[Step] = &[
    Step(Do::Die, &[("base", RUNS_ON)]),
    Step(Do::Pass(1_200), &[]),
    Step(
        Do::Kill("base", "KILL"),
        &[
            ("base", UNSEEN),
            ("base", RESTARTS_AT_ONCE),
            ("base", STARTED),
            ("base", READY),
        ],
    ),
    Step(Do::Die, &[("base", RUNS_ON)]),
    Step(
        Do::Herd(&["stop", "base"]),
        &[("base", STOPPING), ("base", UNSEEN)],
    ),
    // What an operator has stopped stays so.
    Step(Do::Die, &[]),
    Step(
        Do::Herd(&["start", "base"]),
        &[("base", STARTED), ("base", READY)],
    ),
];

/// An event without what differs from one world to the next: the number of a process,
/// lengths of time, and the folder of a file.
pub fn plain(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        let word = word.rsplit('/').next().unwrap_or(word);
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        let unit = word.trim_end_matches([':', ',']);
        match words.last() {
            Some(&"pid") if is_number => words.push("N"),
            Some(last)
                if matches!(unit, "ms" | "s") && last.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                words.pop();
                words.push("T");
            }
            _ => words.push(word),
        }
    }
    words.join(" ")
}

/// Has all of it happen, and asserts that there are these events and no others.
pub fn tell(world: &mut dyn World, histories: &[&[Step]]) {
    let mut expected: Vec<(String, String)> = Vec::new();
    let steps = histories.iter().flat_map(|steps| steps.iter()).enumerate();
    for (number, Step(what, events)) in steps {
        world.perform(*what);
        let events = events.iter();
        expected.extend(events.map(|(who, text)| ((*who).to_owned(), plain(text))));
        check(world, &expected, &format!("step {number}, {what:?}"));
    }
    world.perform(Do::Pass(1_500));
    check(world, &expected, "the end");
}

fn check(world: &mut dyn World, expected: &[(String, String)], place: &str) {
    let events = world.events(expected.len());
    let events: Vec<_> = events
        .into_iter()
        .map(|(who, text)| (who, plain(&text)))
        .collect();
    let same = events.iter().zip(expected);
    let same = same.take_while(|(one, other)| one == other).count();
    assert!(
        events == expected,
        "{place}: after {same} events as expected\n{:#?}\ninstead of\n{:#?}",
        events.get(same..),
        expected.get(same..)
    );
}
