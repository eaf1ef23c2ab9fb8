//! Commands over SSH with the real client.

use anyhow::Result;
use std::thread;
use xtask::machine::{LIMIT, machine, run_limited, ssh};

#[test]
fn commands_and_their_ends() -> Result<()> {
    let machine = machine("ssh").up()?;
    let uname = machine.sh("uname -a")?;
    assert!(
        uname.starts_with("Paddock ") && uname.contains("aarch64"),
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
    let mut keygen = xtask::process::tool("ssh-keygen")?;
    run_limited(
        keygen
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key),
        Vec::new(),
        LIMIT,
    )?;
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
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut first = [0; 3];
    std::io::Read::read_exact(client.stdout.as_mut().expect("piped"), &mut first)?;
    assert!(machine.sh("ps")?.contains("sleep 1234"));
    client.kill()?;
    client.wait()?;
    machine.sh("i=0; while ps | grep -q '[s]leep 1234'; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done")?;
    machine.done()
}
