//! Commands over SSH with the real client.

use anyhow::Result;
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use xtask::keys;
use xtask::machine::{LIMIT, Machine, Reply, machine, run_limited, ssh};

#[test]
fn commands_and_their_ends() -> Result<()> {
    let machine = machine("ssh").up()?;
    let uname = machine.sh("uname -a")?;
    assert!(
        uname.starts_with("Linux ") && uname.contains("aarch64"),
        "{uname}"
    );
    assert_eq!(machine.ssh("sh -c 'exit 7'")?.status.code(), Some(7));
    assert_eq!(machine.ssh("true")?.status.code(), Some(0));
    assert_eq!(machine.ssh("no-such-command")?.status.code(), Some(127));

    let both = machine.ssh("echo out; echo err >&2")?;
    assert_eq!(
        (both.text().as_str(), both.errors().as_str()),
        ("out\n", "err\n")
    );

    let echoed = machine.ssh_with_input("cat", b"through the guest".to_vec())?;
    assert_eq!(echoed.text(), "through the guest");
    machine.done()
}

#[test]
fn death_by_a_signal_is_told() -> Result<()> {
    let machine = machine("ssh-signal").up()?;
    let mut command = machine.ssh_command(&["-v"])?;
    let reply = run_limited(command.arg("kill -SEGV $$"), Vec::new(), LIMIT)?;
    // The client turns a signal into status 255 and tells which in its log.
    assert_eq!(reply.status.code(), Some(255), "{reply}");
    assert!(reply.errors().contains("exit-signal"), "{reply}");
    // A shell's child that dies of a signal gives the shell's 128 + number.
    assert_eq!(
        machine.ssh("sh -c 'kill -KILL $$'; exit $?")?.status.code(),
        Some(137)
    );
    machine.done()
}

#[test]
fn the_key_on_the_console_is_the_servers() -> Result<()> {
    let mut machine = machine("ssh-key").up()?;
    machine.sh("true")?;
    let known = machine.folder().join("known_hosts");
    let mut keygen = xtask::process::tool("ssh-keygen")?;
    let shown = run_limited(keygen.arg("-lf").arg(known), Vec::new(), LIMIT)?.text();
    let console = machine.console().text();
    let printed = ssh::fingerprint(&console).unwrap_or_default();
    let digest = printed.split(' ').next().unwrap_or_default();
    assert!(
        digest.starts_with("SHA256:") && shown.contains(digest),
        "console: {printed}; client: {shown}"
    );
    assert_eq!(
        machine.sh("stat -c %a /etc/ssh/ssh_host_ed25519_key")?,
        "600\n"
    );
    machine.done()
}

#[test]
fn a_strange_key_is_refused() -> Result<()> {
    let machine = machine("ssh-stranger").up()?;
    let key = machine.folder().join("stranger");
    keys::generate(&key, "stranger")?;
    let known = machine.folder().join("known_hosts");
    let mut command = ssh::command_with(machine.ssh_port(), &key, &known, &[])?;
    let reply = run_limited(command.arg("id"), Vec::new(), LIMIT)?;
    assert_eq!(reply.status.code(), Some(255));
    assert!(reply.errors().contains("Permission denied"), "{reply}");
    machine.done()
}

#[test]
fn eight_sessions_at_once() -> Result<()> {
    let machine = machine("ssh-eight").up()?;
    machine.sh("true")?;
    thread::scope(|scope| {
        let sessions: Vec<_> = (0..8)
            .map(|number| {
                let machine = &machine;
                scope.spawn(move || machine.sh(&format!("sleep 1; echo session {number}")))
            })
            .collect();
        for (number, session) in sessions.into_iter().enumerate() {
            let text = session.join().expect("a session's thread panicked")?;
            assert_eq!(text, format!("session {number}\n"));
        }
        anyhow::Ok(())
    })?;
    machine.done()
}

#[test]
fn a_session_ends_with_its_connection() -> Result<()> {
    let machine = machine("ssh-hangup").up()?;
    let mut command = machine.ssh_command(&[])?;
    let mut client = command
        .arg("echo up; exec sleep 1234")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut first = [0; 3];
    client
        .stdout
        .as_mut()
        .expect("piped")
        .read_exact(&mut first)?;
    assert!(machine.sh("ps")?.contains("sleep 1234"));
    client.kill()?;
    client.wait()?;
    machine.sh("i=0; while ps | grep -q '[s]leep 1234'; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done")?;
    machine.done()
}

/// The status of `count` programs, one after the other, over one connection
/// of the client; those that came back wrong.
fn wrong_statuses(machine: &Machine, control: &str, count: u32) -> Result<Vec<(u32, Reply)>> {
    let mut wrong = Vec::new();
    for status in (0..count).map(|number| number % 256) {
        let mut command = machine.ssh_command(&["-o", control])?;
        let reply = run_limited(command.arg(format!("exit {status}")), Vec::new(), LIMIT)?;
        if reply.status.code() != i32::try_from(status).ok() {
            wrong.push((status, reply));
        }
    }
    Ok(wrong)
}

#[test]
fn a_channel_lasts_until_its_program_s_end_is_told() -> Result<()> {
    let machine = machine("ssh-channels").up()?;
    let control = format!("ControlPath={}", machine.folder().join("mux").display());
    let mut master = machine
        .ssh_command(&["-M", "-N", "-o", &control])?
        .spawn()?;
    while !machine
        .ssh_command(&["-O", "check", "-o", &control])?
        .stderr(Stdio::null())
        .status()?
        .success()
    {
        anyhow::ensure!(master.try_wait()?.is_none(), "the master has ended");
        thread::sleep(Duration::from_millis(50));
    }
    let wrong = wrong_statuses(&machine, &control, 500)?;
    assert!(
        wrong.is_empty(),
        "{} wrong, {:?}",
        wrong.len(),
        wrong.first()
    );

    // A program that has closed its output is not hung up when its channel
    // is closed, and its status still counts.
    let mut command = machine.ssh_command(&["-o", &control])?;
    command.arg("exec >&- 2>&-; sleep 0.5; echo survived > /tmp/late; exit 9");
    let reply = run_limited(&mut command, Vec::new(), LIMIT)?;
    assert_eq!(reply.status.code(), Some(9), "{reply}");
    assert_eq!(machine.sh("cat /tmp/late")?, "survived\n");
    master.kill()?;
    master.wait()?;

    // A reader that has gone ends the program, with a terminal too.
    for options in [&[][..], &["-tt"]] {
        let mut client = machine
            .ssh_command(options)?
            .arg("cat /dev/zero")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut some = [0; 1000];
        client.stdout.take().expect("piped").read_exact(&mut some)?;
        client.wait()?;
        machine.sh("i=0; while ps | grep -q '[c]at /dev/zero'; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done")?;
    }
    machine.done()
}
