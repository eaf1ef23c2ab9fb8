//! `cargo xtask deploy`: what fails leaves the old service running.

use anyhow::{Context, Result, ensure};
use std::cell::Cell;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use xtask::deploy::{Definition, Ready, Target, deploy};
use xtask::machine::{Machine, machine};

const PROGRAM: &str = "/usr/local/bin/talker";

/// A program of the machine's that says its version for as long as it runs.
fn program(machine: &Machine, version: &str, rest: &str) -> Result<PathBuf> {
    let file = machine.folder().join("talker");
    std::fs::write(
        &file,
        format!("#!/bin/sh\necho {version} > /run/talker\n{rest}\n"),
    )?;
    Ok(file)
}

fn definition(machine: &Machine, more: &str) -> Result<Definition> {
    let file = machine.folder().join("talker.conf");
    std::fs::write(&file, format!("command = [\"{PROGRAM}\", \"x\"]\n{more}"))?;
    Definition::read(&file)
}

fn try_to(
    machine: &Machine,
    version: &str,
    rest: &str,
    more: &str,
    check: Option<&str>,
) -> Result<()> {
    let ready = Ready {
        settled: Duration::from_secs(1),
        check: check.map(Into::into),
        within: Duration::from_secs(6),
    };
    let ssh = || machine.ssh_command(&[]);
    let definition = definition(machine, more)?;
    let program = program(machine, version, rest)?;
    deploy(&Target(&ssh), &definition, &program, &ready, &|_| {})
}

const RUNS: &str = "exec sleep 100000";

/// The service runs this version, from this definition, and nothing is left of
/// a deployment.
fn runs(machine: &Machine, version: &str) -> Result<()> {
    let state = machine.sh("herd status talker")?;
    ensure!(state.contains("running"), "{state}");
    let told = machine.sh("cat /run/talker")?;
    ensure!(told.trim() == version, "{told} runs, not {version}");
    let program = machine.sh(&format!("grep echo {PROGRAM}"))?;
    ensure!(program.contains(version), "{program}");
    let left = machine.sh("ls -d /run/herd/deploy-* /usr/local/bin/*.deploy* /etc/herd/available/*.deploy* 2>/dev/null; true")?;
    ensure!(left.is_empty(), "left over: {left}");
    Ok(())
}

/// It fails in this step, and says so.
fn fails(step: &str, words: &str, outcome: Result<()>) -> Result<()> {
    let error = outcome
        .err()
        .with_context(|| format!("it went well: {step}"))?;
    let told = format!("{error:#}");
    ensure!(
        told.contains(step) && told.contains(words),
        "not {step}, {words}: {told}"
    );
    Ok(())
}

/// Logins of which the second runs something before its command: the one that takes
/// the program.
fn second_begins_with<'a>(
    machine: &'a Machine,
    before: &'a str,
) -> impl Fn() -> Result<Command> + 'a {
    let calls = Cell::new(0);
    move || {
        calls.set(calls.get() + 1);
        let mut ssh = machine.ssh_command(&[])?;
        if calls.get() == 2 {
            ssh.arg(before);
        }
        Ok(ssh)
    }
}

#[test]
fn what_fails_leaves_the_old_service_running() -> Result<()> {
    let machine = machine("deploy").up()?;
    let failed = try_to(&machine, "zero", "exit 3", "", None);
    fails("start", "taken back", failed)?;
    let there = machine.ssh(&format!("ls {PROGRAM} /etc/herd/available/talker.conf"))?;
    assert!(
        !there.status.success(),
        "nothing is left of the first: {there}"
    );

    try_to(&machine, "one", RUNS, "", None)?;
    runs(&machine, "one")?;
    let check = Some("grep -q two /run/talker");
    try_to(&machine, "two", RUNS, "# second\n", check)?;
    runs(&machine, "two")?;

    // Copy: the connection breaks, or what arrives is not what was sent.
    let ready = Ready {
        settled: Duration::ZERO,
        check: None,
        within: Duration::from_secs(5),
    };
    let (new, file) = (definition(&machine, "")?, program(&machine, "three", RUNS)?);
    for (before, words) in [
        ("head -c 10 >/dev/null; kill -9 $$;", ""),
        ("tr e a |", "has changed on its way"),
    ] {
        let ssh = second_begins_with(&machine, before);
        let outcome = deploy(&Target(&ssh), &new, &file, &ready, &|_| {});
        fails("copy", words, outcome)?;
        runs(&machine, "two")?;
    }

    let wrong = try_to(&machine, "three", RUNS, "restrat = 'never'\n", None);
    fails("check", "did you mean \"restart\"?", wrong)?;
    let wrong = try_to(
        &machine,
        "three",
        RUNS,
        "user = 'nobody-of-that-name'\n",
        None,
    );
    fails("check", "nobody-of-that-name", wrong)?;
    runs(&machine, "two")?;

    // Start: there is no such interpreter.
    let file = machine.folder().join("talker");
    std::fs::write(&file, "#!/nowhere/sh\n")?;
    let ssh = || machine.ssh_command(&[]);
    let outcome = deploy(&Target(&ssh), &new, &file, &ready, &|_| {});
    fails("taken back", "", outcome)?;
    runs(&machine, "two")?;

    for (step, rest, check, words) in [
        ("start", "exit 3", None, "exited with status 3"),
        ("ready", "sleep 0.7; exit 0", None, "it"),
        ("ready", RUNS, Some("false"), "does not pass its check"),
    ] {
        fails(step, words, try_to(&machine, "three", rest, "", check))?;
        runs(&machine, "two")?;
    }
    // One at a time.
    machine.sh("mkdir /run/herd/deploy-talker")?;
    let second = try_to(&machine, "three", RUNS, "", None);
    fails("begin", "another deployment is under way", second)?;
    machine.sh("rmdir /run/herd/deploy-talker")?;
    runs(&machine, "two")?;
    machine.off()
}
