//! Bringing a service to a machine: copied, checked, swapped, started, and
//! taken back if it does not get ready.

mod definition;
mod scripts;

use crate::machine::{Reply, run_limited};
use crate::process::{text_of, tool};
use anyhow::{Context, Result, bail, ensure};
pub use definition::Definition;
use scripts::Files;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How long one command on the machine may take.
const LIMIT: Duration = Duration::from_secs(120);
/// How often the service is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// When a service counts as ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// It has run for so long without an end.
    pub settled: Duration,
    /// A command on the machine that has to succeed as well.
    pub check: Option<String>,
    /// All of it within this time.
    pub within: Duration,
}

/// A machine, by `ssh` up to and with its name.
pub struct Target<'a>(pub &'a dyn Fn() -> Result<Command>);

impl Target<'_> {
    fn run(&self, script: &str, input: Vec<u8>) -> Result<Reply> {
        let mut ssh = (self.0)()?;
        run_limited(ssh.arg(script), input, LIMIT)
    }

    fn must(&self, script: &str, input: Vec<u8>) -> Result<String> {
        let reply = self.run(script, input)?;
        match reply.status.success() {
            true => Ok(reply.text()),
            false => bail!("{}", told(&reply)),
        }
    }
}

/// What a command said when it failed.
fn told(reply: &Reply) -> String {
    let words = format!("{}{}", reply.text(), reply.errors());
    match words.trim() {
        "" => reply.status.to_string(),
        words => words.into(),
    }
}

/// Deploys a service. `say` is told of each step.
///
/// # Errors
/// Which step failed and why. The service that was there before runs then as
/// it did; if even that could not be had, the error says so.
pub fn deploy(
    target: &Target<'_>,
    definition: &Definition,
    program: &Path,
    ready: &Ready,
    say: &dyn Fn(&str),
) -> Result<()> {
    let files = Files::of(definition);
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let hash = text_of(tool("sha256sum")?.arg(program))?;
    target.must(&files.begin(), Vec::new()).context("begin")?;
    let done = prepare(target, definition, &files, bytes, &hash, say)
        .and_then(|()| exchange(target, definition, &files, ready, say));
    let cleaned = target.must(&files.clean(), Vec::new());
    done?;
    cleaned.context("it runs, but its temporary files are still there")?;
    Ok(())
}

/// Up to here nothing has changed for the service that runs.
fn prepare(
    target: &Target<'_>,
    definition: &Definition,
    files: &Files,
    bytes: Vec<u8>,
    hash: &str,
    say: &dyn Fn(&str),
) -> Result<()> {
    say(&format!(
        "copying {} bytes to {}",
        bytes.len(),
        definition.program
    ));
    let there = target.must(&files.copy_program(), bytes).context("copy")?;
    let word = |text: &str| {
        text.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    ensure!(
        word(&there) == word(hash),
        "copy: the program has changed on its way: its SHA-256 is {}, not {}",
        word(&there),
        word(hash)
    );
    let text = definition.text.clone().into_bytes();
    target
        .must(&files.copy_definition(), text)
        .context("copy")?;
    say("having herd check the definition");
    let staged = definition.with_program(&files.new_program());
    let checked = target.run(&files.check(), staged.into_bytes())?;
    let wrong = mistakes(&checked, &definition.name).context("check")?;
    ensure!(
        wrong.is_empty(),
        "check: the definition has mistakes:\n{wrong}"
    );
    Ok(())
}

/// What `herd check` says of one service, if it is not good.
fn mistakes(reply: &Reply, name: &str) -> Result<String> {
    let text = reply.text();
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("{name}: ")));
    let Some(first) = lines.next() else {
        bail!("herd does not know the definition: {}", told(reply));
    };
    let own = lines.take_while(|line| line.starts_with(' '));
    match first.starts_with(&format!("{name}: good")) {
        true => Ok(String::new()),
        false => Ok([first]
            .into_iter()
            .chain(own)
            .collect::<Vec<_>>()
            .join("\n")),
    }
}

fn exchange(
    target: &Target<'_>,
    definition: &Definition,
    files: &Files,
    ready: &Ready,
    say: &dyn Fn(&str),
) -> Result<()> {
    say("putting it in its place and starting it");
    let started = target.must(&files.swap(), Vec::new()).context("start");
    let failed = match started.and_then(|_| {
        say("waiting until it is ready");
        wait(target, &definition.name, ready).context("ready")
    }) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let log = target.run(&format!("herd log {} -n 10", definition.name), Vec::new());
    let log = log.map(|reply| reply.text()).unwrap_or_default();
    say("it does not get there: taking it back");
    let back = target.must(&files.roll_back(), Vec::new());
    let failed = failed.context(format!("the end of its log:\n{}", log.trim_end()));
    match back {
        Ok(_) => {
            Err(failed
                .context("the deployment was taken back, and what was there before is as it was"))
        }
        Err(error) => Err(failed.context(format!(
            "the deployment failed, and what was there before could not be started: {error:#}"
        ))),
    }
}

/// What herd tells of a service.
struct Status {
    state: String,
    pid: Option<u64>,
}

fn status(target: &Target<'_>, name: &str) -> Result<Status> {
    let reply = target.run(&format!("herd status {name} --json"), Vec::new())?;
    let list: serde_json::Value = serde_json::from_slice(&reply.stdout)
        .with_context(|| format!("herd's status: {}", told(&reply)))?;
    let state = list[0]["state"]
        .as_str()
        .context("herd's status has no state")?;
    Ok(Status {
        state: state.to_owned(),
        pid: list[0]["pid"].as_u64(),
    })
}

/// Waits until the service is ready.
fn wait(target: &Target<'_>, name: &str, ready: &Ready) -> Result<()> {
    let begun = Instant::now();
    let mut run: Option<(u64, Instant)> = None;
    loop {
        let Status { state, pid } = status(target, name)?;
        run = match (state.as_str(), pid) {
            ("running", Some(pid)) => match run {
                Some((same, since)) if same == pid => Some((same, since)),
                Some(_) => bail!("it has ended and was started again"),
                None => Some((pid, Instant::now())),
            },
            ("failed" | "invalid" | "backoff" | "stopped", _) => bail!("it is {state}"),
            _ if run.is_some() => bail!("it runs no more: it is {state}"),
            _ => None,
        };
        let is_settled = run.is_some_and(|(_, since)| since.elapsed() >= ready.settled);
        let checked = match &ready.check {
            Some(check) if run.is_some() => target.run(check, Vec::new())?.status.success(),
            check => check.is_none(),
        };
        if is_settled && checked {
            return Ok(());
        }
        if begun.elapsed() > ready.within {
            let what = if checked {
                "does not run long enough"
            } else {
                "does not pass its check"
            };
            bail!("after {:?} it {what}", ready.within);
        }
        thread::sleep(LOOK);
    }
}
