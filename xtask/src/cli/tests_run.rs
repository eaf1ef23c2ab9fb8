//! A run of `cargo test`: its output is shown as it comes, and counted; one that has
//! stopped is ended and told of.

use super::tally::Tally;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use xtask::process::{shown, tool};
use xtask::{paths, step};

/// Longer than any test and any build takes without a line.
const SILENCE: Duration = Duration::from_mins(20);

/// Runs the tests, which are `what`, and counts.
///
/// # Errors
/// Cargo cannot be started or waited for.
pub fn add_cargo_test(tally: &mut Tally, what: &str, mut cargo: Command) -> Result<()> {
    step::step(&format!("Tests {what}"));
    let start = Instant::now();
    cargo
        .current_dir(paths::workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = cargo
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(&cargo)))?;
    let failed_before = tally.failed();
    let lines = lines_of(child.stdout.take().context("cargo has an output")?);
    let mut long = Long::default();
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                println!("{line}");
                long.take_in(&line);
                tally.count(&line);
            }
            Err(RecvTimeoutError::Timeout) => {
                tally.fail(format!(
                    "nothing for {SILENCE:?} from the tests {what}{long}"
                ));
                end_children(child.id())?;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.failed() == failed_before {
        tally.fail(format!(
            "the tests {what} did not run to their end ({status})"
        ));
    }
    step::note(&format!("took {} s", start.elapsed().as_secs()));
    Ok(())
}

/// The lines of `output`, as they come.
fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut bytes = Vec::new();
        while output
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|read| read > 0)
        {
            let line = String::from_utf8_lossy(&bytes);
            if sender.send(line.trim_end_matches('\n').to_owned()).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    lines
}

/// Ends the programs that cargo runs; cargo tells how they ended, and ends too.
fn end_children(cargo: u32) -> Result<()> {
    let children = fs::read_to_string(format!("/proc/{cargo}/task/{cargo}/children"))?;
    let mut kill = tool("kill")?;
    kill.arg("-KILL").args(children.split_whitespace());
    // One may have ended by itself.
    kill.status()?;
    Ok(())
}

/// The tests that have run for long and go on.
#[derive(Default)]
struct Long(BTreeSet<String>);

impl Long {
    /// Takes in a line of a test program.
    fn take_in(&mut self, line: &str) {
        let Some(test) = line.strip_prefix("test ") else {
            return;
        };
        if let Some((name, _)) = test.split_once(" has been running for over ") {
            self.0.insert(name.to_owned());
        } else if let Some((name, _)) = test.split_once(" ... ") {
            self.0.remove(name);
        }
    }
}

impl std::fmt::Display for Long {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.0.iter().map(String::as_str).collect();
        match names.is_empty() {
            true => Ok(()),
            false => write!(f, "; under way: {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_for_long_is_known_by_name() {
        let mut long = Long::default();
        assert_eq!(long.to_string(), "");
        for name in ["a::b", "c"] {
            long.take_in(&format!("test {name} has been running for over 60 seconds"));
        }
        long.take_in("test result: ok. 0 passed");
        assert_eq!(long.to_string(), "; under way: a::b, c");
        long.take_in("test a::b ... ok");
        assert_eq!(long.to_string(), "; under way: c");
    }

    #[test]
    fn the_programs_that_a_program_runs_are_ended() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo started; sleep 600; echo $?"]);
        let mut shell = shell.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(shell.stdout.take().unwrap());
        assert_eq!(lines.recv().unwrap(), "started");
        while fs::read_to_string(format!("/proc/{0}/task/{0}/children", shell.id()))
            .unwrap()
            .is_empty()
        {
            thread::sleep(Duration::from_millis(5));
        }
        end_children(shell.id()).unwrap();
        assert_eq!(lines.recv().unwrap(), "137");
        assert!(shell.wait().unwrap().success());
    }
}
