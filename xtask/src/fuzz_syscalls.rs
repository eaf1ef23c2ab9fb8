//! Calls from a seed (`cargo xtask fuzz-syscalls`): a machine in which several
//! processes make calls of every number with arguments of every kind. Afterwards it
//! answers, has complained of nothing, and has in use what it had before.

use crate::machine::{LIMIT, Machine, machine, run_limited};
use crate::step;
use crate::stress::Figures;
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};

/// Rounds that one command in the guest makes.
const CHUNK: u64 = 40;
/// Rounds before the first look at what is in use.
const FIRST: u64 = 40;
/// Seed of those.
const FIRST_SEED: u64 = 0;
/// Lines of each round under way that are shown of a failure.
const SHOWN: usize = 6;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Calls {
    /// The same seed makes the same calls.
    pub seed: u64,
    /// The first round.
    pub first: u64,
    /// How many.
    pub amount: Amount,
    /// CPUs.
    pub smp: u32,
}

/// How much is done. A round is one process's, which makes 1,000 calls unless one of them
/// ends it.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// Rounds until so many calls were made.
    Calls(u64),
    /// So many rounds.
    Rounds(u64),
}

impl Amount {
    /// How many rounds come next, of those that one command makes, after `rounds` of them
    /// with `calls` calls; none if it is enough.
    fn next(self, rounds: u64, calls: u64) -> u64 {
        match self {
            Amount::Calls(wanted) if calls < wanted => CHUNK,
            Amount::Calls(_) => 0,
            Amount::Rounds(wanted) => CHUNK.min(wanted - rounds),
        }
    }
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Calls that were made.
    pub calls: u64,
    /// What was in use before, and afterwards.
    pub figures: [Figures; 2],
}

impl Calls {
    /// The command that makes the same calls again.
    #[must_use]
    pub fn command(&self) -> String {
        format!(
            "cargo xtask fuzz-syscalls --seed {} --first {} {} --smp {}",
            self.seed,
            self.first,
            match self.amount {
                Amount::Calls(calls) => format!("--calls {calls}"),
                Amount::Rounds(rounds) => format!("--rounds {rounds}"),
            },
            self.smp
        )
    }

    fn machine(&self, name: &str) -> Result<Machine> {
        machine(name)
            .smp(self.smp)
            .with(|config| config.mem = "512M".into())
            .up()
    }

    /// Does it. Prints progress.
    ///
    /// # Errors
    /// A machine that complains, does not answer, or does not come back to what it
    /// had in use; with the last calls, if they do the same a second time.
    pub fn run(&self) -> Result<Seen> {
        let machine = self.machine("fuzz-syscalls")?;
        chunk(&machine, FIRST_SEED, 0, FIRST, "").context("in the rounds before the first")?;
        let before = Figures::settled(&machine, None)?;
        let start = Instant::now();
        let mut calls = 0;
        let mut done = 0;
        loop {
            let count = self.amount.next(done, calls);
            if count == 0 {
                break;
            }
            let first = self.first + done;
            let made = chunk(&machine, self.seed, first, count, "")
                .and_then(|made| machine.good_so_far().map(|()| made));
            match made {
                Ok(made) => calls += made,
                Err(error) => {
                    let error = with_threads(&machine, error);
                    return Err(self.explain(error, first, count));
                }
            }
            done += count;
            if done % (CHUNK * 10) < count || self.amount.next(done, calls) == 0 {
                step::note(&format!(
                    "{calls} calls after {} s",
                    start.elapsed().as_secs()
                ));
            }
        }
        let after = Figures::settled(&machine, Some(&before))?;
        if let Some(leak) = after.leak_since(&before) {
            let threads = machine.sh("cat /proc/paddock/threads; ps")?;
            bail!("{leak}\nbefore: {before}\nafter:  {after}\n{threads}");
        }
        let violations = machine.sh("cat /proc/paddock/violations")?;
        ensure!(violations.trim() == "0", "{} violations", violations.trim());
        machine.off()?;
        Ok(Seen {
            calls,
            figures: [before, after],
        })
    }

    /// The error, with how it is had again, and what was called last if it is.
    fn explain(&self, error: anyhow::Error, first: u64, rounds: u64) -> anyhow::Error {
        let again = Calls {
            first,
            amount: Amount::Rounds(rounds),
            ..self.clone()
        };
        let last = match again.traced(rounds) {
            Ok(text) => text,
            Err(error) => format!("(no second run: {error:#})"),
        };
        error.context(format!("a second run of `{}` {last}", again.command()))
    }

    /// Makes the rounds on another machine, each call told of before it is made:
    /// how that ended, and with which calls if not well.
    fn traced(&self, rounds: u64) -> Result<String> {
        let machine = self.machine("fuzz-syscalls-again")?;
        let error = match chunk(&machine, self.seed, self.first, rounds, " trace") {
            Ok(_) => match machine.done() {
                Ok(()) => return Ok("went well".into()),
                Err(error) => return Ok(format!("ended with: {error:#}")),
            },
            Err(error) => format!("{error:#}"),
        };
        machine.complained()?;
        Ok(format!("ended with these calls:\n{}", last_calls(&error)))
    }
}

/// The error, with what the machine's threads wait for, if it answers.
fn with_threads(machine: &Machine, error: anyhow::Error) -> anyhow::Error {
    match machine.sh("ps; cat /proc/paddock/threads") {
        Ok(threads) => error.context(format!("the machine's threads:\n{threads}")),
        Err(_) => error,
    }
}

/// Makes rounds; how many calls those were.
fn chunk(machine: &Machine, seed: u64, first: u64, count: u64, how: &str) -> Result<u64> {
    let mut command = machine.ssh_command(&["-o", "ServerAliveInterval=10"])?;
    // A copy: calls of root change what `/proc/self/exe` names.
    command.arg(format!(
        "rm -f /tmp/calls; cp $(command -v paddock-test) /tmp/calls; \
         /tmp/calls fuzz-calls {seed} {first} {count}{how}; s=$?; rm -f /tmp/calls; exit $s"
    ));
    let limit = LIMIT + Duration::from_secs(3 * count);
    let reply = run_limited(&mut command, Vec::new(), limit)?;
    let text = reply.text();
    let made = text
        .lines()
        .find_map(|line| line.split_once(" calls in ")?.0.parse().ok());
    match made {
        Some(made) if reply.status.success() => Ok(made),
        _ if how.is_empty() => {
            let begun = |line: &&str| !line.starts_with("round ");
            let told: Vec<_> = text.lines().filter(begun).collect();
            let (status, errors) = (reply.status, reply.errors());
            bail!("{status}\n{}\n{errors}", told.join("\n"))
        }
        _ => bail!("{reply}"),
    }
}

/// The last lines of each round in a trace.
fn last_calls(trace: &str) -> String {
    let mut rounds: Vec<(u64, Vec<&str>)> = Vec::new();
    for line in trace.lines() {
        let Some(round) = line.split(' ').next().and_then(|word| word.parse().ok()) else {
            continue;
        };
        match rounds.iter_mut().find(|it| it.0 == round) {
            Some((_, lines)) => lines.push(line),
            None => rounds.push((round, vec![line])),
        }
    }
    let at = rounds.len().saturating_sub(4);
    let lines = rounds[at..]
        .iter()
        .flat_map(|(_, lines)| &lines[lines.len().saturating_sub(SHOWN)..]);
    lines.copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_calls_of_each_round_are_shown() {
        let mut trace = String::from("round 1\nround 2\n");
        for at in 0..10 {
            trace += &format!("1 {at} getpid()\n2 {at} sync()\n");
        }
        let last = last_calls(&trace);
        assert_eq!(last.lines().count(), 2 * SHOWN);
        assert!(last.ends_with("2 9 sync()"), "{last}");
    }
}
