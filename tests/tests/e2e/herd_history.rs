//! The events of one history are those that the state machine alone has, and herd on
//! Linux: `user/herd/tests/history.rs` tells it to these.

#[path = "../../../user/herd/tests/common/history.rs"]
mod history;

use anyhow::Result;
use history::{DEATH, Do, HISTORY, World, tell};
use std::time::{Duration, Instant};
use xtask::machine::{LIMIT, Machine, machine};

/// A herd in the machine.
struct Guest<'a> {
    machine: &'a Machine,
    /// The folder that all its files are below; empty for process 1.
    root: &'static str,
}

impl Guest<'_> {
    fn sh(&self, command: &str) -> String {
        let herd = match self.root {
            "" => "herd".to_owned(),
            root => format!("herd --root {root}"),
        };
        let command = command.replace("HERD", &herd).replace("ROOT", self.root);
        self.machine.sh(&command).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let file = format!("{}/etc/herd/available/{name}.conf", self.root);
        let written = self
            .machine
            .ssh_with_input(&format!("cat > {file}"), text.into());
        assert!(written.unwrap().status.success(), "{file}");
    }

    /// Starts one that is not process 1.
    fn start(&self) {
        self.sh(
            "(HERD daemon >> ROOT/console 2>&1 < /dev/null & echo $! > ROOT/pid); \
             i=0; until HERD status >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 300 ] || exit 1; \
             sleep 0.1; done",
        );
    }

    fn look(&self) -> Vec<(String, String)> {
        let text = self.sh("HERD events -n all");
        let events = text.lines().filter_map(|line| {
            let (_, rest) = line.split_once(' ')?;
            let (who, text) = rest.split_once(": ")?;
            Some((who.to_owned(), text.to_owned()))
        });
        let mine = |who: &str| HISTORY.iter().any(|step| names(step, who));
        events.filter(|(who, _)| mine(who)).collect()
    }
}

fn names(step: &history::Step, who: &str) -> bool {
    matches!(step.0, Do::Write(name, _) if name == who)
}

impl World for Guest<'_> {
    fn perform(&mut self, what: Do) {
        match what {
            Do::Write(name, definition) => self.write(name, &definition.text()),
            Do::Tear(name) => self.write(name, "torn\n"),
            Do::Remove(name) => {
                self.sh(&format!("rm ROOT/etc/herd/*/{name}.conf"));
            }
            Do::Herd(words) => {
                let before = if words[0] == "start" {
                    "HERD reload"
                } else {
                    ":"
                };
                self.sh(&format!(
                    "{before}; HERD {} >/dev/null 2>&1; :",
                    words.join(" ")
                ));
            }
            Do::Kill(name, signal) => {
                let pid = "sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p'";
                self.sh(&format!(
                    "kill -{signal} $(HERD status {name} --json | {pid})"
                ));
            }
            Do::Pass(ms) => std::thread::sleep(Duration::from_millis(ms)),
            Do::Upgrade => {
                self.sh("HERD upgrade");
            }
            Do::Die => {
                self.sh("kill -9 $(cat ROOT/pid)");
                self.start();
            }
        }
    }

    fn events(&mut self, count: usize) -> Vec<(String, String)> {
        let begin = Instant::now();
        loop {
            let events = self.look();
            if events.len() >= count || begin.elapsed() > LIMIT {
                return events;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn the_machines_own_herd_has_the_events_of_the_history() -> Result<()> {
    let machine = machine("herd-history").up()?;
    let mut first = Guest {
        machine: &machine,
        root: "",
    };
    tell(&mut first, &[HISTORY]);
    machine.done()
}

#[test]
fn a_herd_that_is_killed_has_the_events_of_the_history() -> Result<()> {
    let machine = machine("herd-history-killed").up()?;
    let mut other = Guest {
        machine: &machine,
        root: "/tmp/h",
    };
    other.sh("mkdir -p ROOT/etc/herd/available ROOT/etc/herd/enabled");
    other.start();
    tell(&mut other, &[HISTORY, DEATH]);
    machine.done()
}
