//! Connections that do not log in, and those that do beside them.

use anyhow::{Context, Result};
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
    // What was refused is told, but does not fill the log.
    let refused = || -> Result<usize> {
        let log = machine.sh("dmesg")?;
        let lines = log
            .lines()
            .filter(|line| line.contains("made room for another"));
        Ok(lines.count())
    };
    let told_by = Instant::now() + LIMIT;
    let mut lines = refused()?;
    while lines < 40 && Instant::now() < told_by {
        lines = refused()?;
    }
    assert!((40..100).contains(&lines), "{lines} lines");
    drop((crowd, more));
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
        std::io::Read::read_exact(client.stdout.as_mut().expect("piped"), &mut line)?;
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
