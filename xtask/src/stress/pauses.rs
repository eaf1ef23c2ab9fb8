//! A host that stops the machine for seconds, again and again, as one does
//! that is overloaded, suspended or migrates its guests. The watchdog must
//! not hold it against anybody.

use crate::machine::machine;
use crate::step;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::thread;
use std::time::Duration;

/// For so long the machine runs after each pause, in milliseconds.
const RUN_MS: u64 = 400;

/// Readers, writers, processes and timers, with interrupts masked as often as
/// ever: what is stopped must not always be idle.
const LOAD: &str = "for load in 'cat /dev/zero' 'dd if=/dev/zero bs=1' \
    'while :; do date; sync; sleep 0.002; done' 'paddock-test stress 3600 /tmp pipes'; do \
    setsid sh -c \"$load\" </dev/null >/dev/null 2>&1 & done";

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// How often the machine is stopped: half of it idle, half of it busy.
    pub times: u32,
    /// The shortest pause, in milliseconds.
    pub shortest: u64,
    /// The longest one.
    pub longest: u64,
    /// CPUs.
    pub smp: u32,
    /// The watchdog's limit for reports in milliseconds, if not the usual one.
    pub report_ms: Option<u64>,
}

/// What was seen, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// All pauses together.
    pub paused: u64,
    /// What the watchdog noticed of them.
    pub stolen: u64,
    /// How many warnings it gave.
    pub warnings: u64,
}

impl Pauses {
    /// Does it. Prints progress.
    ///
    /// # Errors
    /// A report of the watchdog, or a machine that does not go on.
    pub fn run(&self) -> Result<Seen> {
        let mut builder = machine("pauses").smp(self.smp);
        if let Some(limit) = self.report_ms {
            builder = builder.append(&format!("paddock.watchdog_report_ms={limit}"));
        }
        let mut machine = builder.up()?;
        let process = Pid::from_raw(machine.process_id().cast_signed()).context("no process")?;
        let mut seen = Seen::default();
        for number in 0..self.times {
            if number == self.times / 2 {
                machine.sh(LOAD)?;
            }
            let pause = self.length(number);
            step::note(&format!(
                "pause {} of {}: {pause} ms",
                number + 1,
                self.times
            ));
            thread::sleep(Duration::from_millis(RUN_MS + u64::from(number % 7)));
            kill_process(process, Signal::STOP)?;
            thread::sleep(Duration::from_millis(pause));
            kill_process(process, Signal::CONT)?;
            seen.paused += pause;
        }
        let text = machine.sh("cat /proc/paddock/watchdog")?;
        let figure = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            Ok(line
                .with_context(|| format!("no {name}in {text}"))?
                .parse()?)
        };
        seen.stolen = figure("stolen_ms ")?;
        seen.warnings = figure("warnings ")?;
        let reports = figure("reports ")?;
        ensure!(
            reports == 0,
            "{reports} reports\n{}",
            machine.console().text()
        );
        machine.done()?;
        Ok(seen)
    }

    /// How long the pause of this number is: all lengths in turn, in no order.
    fn length(&self, number: u32) -> u64 {
        let steps = u64::from(number) * 37 % 100;
        self.shortest + (self.longest - self.shortest) * steps / 99
    }
}
