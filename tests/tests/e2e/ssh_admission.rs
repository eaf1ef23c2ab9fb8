//! Connections that do not log in, and those that do beside them.

use anyhow::{Context, Result};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};
use xtask::keys;
use xtask::machine::{LIMIT, Machine, machine, run_limited};

/// Connections that say nothing. Some may be reset before this returns.
fn silent(machine: &Machine, count: usize) -> Result<Vec<TcpStream>> {
    let address = SocketAddr::from(([127, 0, 0, 1], machine.ssh_port()));
    (0..count)
        .map(|_| TcpStream::connect_timeout(&address, LIMIT).context("a silent connection"))
        .collect()
}

/// Whether the server has greeted a connection and ended it since.
fn was_refused(mut connection: &TcpStream) -> bool {
    let patience = Some(Duration::from_millis(10));
    connection.set_read_timeout(patience).expect("not zero");
    let (mut greeted, mut bytes) = (false, [0; 256]);
    loop {
        match connection.read(&mut bytes) {
            Ok(0) => return greeted,
            Ok(_) => greeted = true,
            Err(error) => return greeted && error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// How long a login takes.
fn login_time(machine: &Machine) -> Result<Duration> {
    let begun = Instant::now();
    machine.sh("true")?;
    Ok(begun.elapsed())
}

#[test]
fn silent_connections_lock_nobody_out() -> Result<()> {
    let machine = machine("ssh-silent").up()?;
    // Nobody has logged in yet.
    let crowd = silent(&machine, 32)?;
    let first = login_time(&machine)?;
    // Now somebody has, from the same address.
    let more = silent(&machine, 32)?;
    let second = login_time(&machine)?;
    println!("a login beside 32 silent connections: {first:?}, beside 64: {second:?}");
    assert!(first < Duration::from_secs(2) && second < Duration::from_secs(2));
    // Who was greeted and sent away is told, but does not fill the log. Not all
    // come as far: QEMU's network takes in one at a time.
    let refused = crowd.iter().chain(&more).filter(|it| was_refused(it));
    let refused = refused.count();
    let log = machine.sh("dmesg")?;
    let lines = log
        .lines()
        .filter(|line| line.contains("made room for another"));
    let lines = lines.count();
    println!("{refused} were sent away, and {lines} lines say so");
    assert!(refused > 0 && (refused..100).contains(&lines));
    machine.done()
}

#[test]
fn sessions_are_not_counted_as_logins() -> Result<()> {
    let machine = machine("ssh-sessions").up()?;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut command = machine.ssh_command(&[])?;
        command.arg("echo up; exec sleep 1000");
        let mut client = command.stdout(Stdio::piped()).spawn()?;
        let mut line = [0; 3];
        client
            .stdout
            .as_mut()
            .expect("piped")
            .read_exact(&mut line)?;
        clients.push(client);
    }
    let crowd = silent(&machine, 32)?;
    assert!(login_time(&machine)? < Duration::from_secs(2));
    drop(crowd);
    for mut client in clients {
        assert!(client.try_wait()?.is_none(), "a session has ended");
        client.kill()?;
        client.wait()?;
    }
    machine.done()
}

#[test]
fn tries_are_counted() -> Result<()> {
    let machine = machine("ssh-tries").up()?;
    let mut options = Vec::new();
    for number in 0..4 {
        let key = machine.folder().join(format!("key{number}"));
        keys::generate(&key, "one of several")?;
        options.push(format!("-i{}", key.display()));
    }
    let known = machine.folder().join("known_hosts");
    let first = machine.folder().join("key0");
    // Asking for the methods is the first try, so that the fourth key is not
    // looked at.
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut command =
        xtask::machine::ssh::command_with(machine.ssh_port(), &first, &known, &options)?;
    let reply = run_limited(command.arg("true"), Vec::new(), LIMIT)?;
    assert!(
        reply.errors().contains("too many authentication failures"),
        "{reply}"
    );
    let log = machine.sh("dmesg")?;
    let refused = log.matches("refused publickey for root").count();
    assert_eq!(refused, 3, "{log}");
    machine.done()
}
