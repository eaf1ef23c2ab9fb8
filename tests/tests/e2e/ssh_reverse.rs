//! Connections from the machine to its clients (`ssh -R`, `-A`), and through
//! local sockets.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use xtask::machine::{LIMIT, Machine, machine, run_limited};

/// A program that is ended when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn forwarding(machine: &Machine, options: &[&str]) -> Result<Running> {
    let mut client = machine.ssh_command(&["-N", "-o", "ExitOnForwardFailure=yes"])?;
    // The machine's name comes last.
    let mut words: Vec<_> = client.get_args().map(ToOwned::to_owned).collect();
    let name = words.pop().context("no words")?;
    client = Command::new(client.get_program());
    client.args(words).args(options).arg(name);
    Ok(Running(client.spawn()?))
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(begun.elapsed() < LIMIT, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A page of this host's; its port.
fn web() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream);
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
    stream.write_all("home sweet home\n".repeat(20_000).as_bytes())
}

fn page(path: &Path) -> Option<String> {
    let mut stream = UnixStream::connect(path).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

fn socket(machine: &Machine, name: &str) -> PathBuf {
    machine.folder().join(name)
}

#[test]
fn connections_from_the_machine() -> Result<()> {
    let machine = machine("ssh-reverse").up()?;
    let home = web()?;
    let (near, back) = (socket(&machine, "n"), "/root/back");
    let tcp = format!("8022:127.0.0.1:{home}");
    let remote = format!("{back}:127.0.0.1:{home}");
    let local = format!("{}:{back}", near.display());
    let client = forwarding(&machine, &["-R", &tcp, "-R", &remote, "-L", &local])?;
    machine.sh(&format!(
        "i=0; until [ -S {back} ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done"
    ))?;
    for _ in 0..5 {
        let got = machine.sh("wget -qO- http://127.0.0.1:8022/ | sort | uniq -c")?;
        assert_eq!(got.trim(), "20000 home sweet home");
    }
    assert_eq!(machine.sh(&format!("stat -c %a {back}"))?, "600\n");
    let text = eventually("through both", || page(&near))?;
    assert_eq!(text.matches("sweet").count(), 20_000);
    // Nobody from outside reaches a remote port.
    let own = machine.sh("wget -T 3 -qO- http://10.0.2.15:8022/; true")?;
    assert_eq!(own, "");
    drop(client);
    machine.sh(&format!(
        "i=0; while [ -e {back} ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done"
    ))?;
    assert!(
        !machine
            .ssh("wget -qO- http://127.0.0.1:8022/")?
            .status
            .success()
    );

    the_agent(&machine)?;
    what_keys_allow(&machine)?;
    machine.done()
}

/// This host's agent, seen through the machine.
fn the_agent(machine: &Machine) -> Result<()> {
    let (own, near) = (socket(machine, "a"), socket(machine, "b"));
    let agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&own)
        .stdout(Stdio::null())
        .spawn()?;
    let _agent = Running(agent);
    eventually("an agent", || own.exists().then_some(()))?;
    let add = |socket: &Path, word: &Path| {
        let mut add = Command::new("ssh-add");
        run_limited(
            add.arg(word).env("SSH_AUTH_SOCK", socket),
            Vec::new(),
            LIMIT,
        )
    };
    let added = add(&own, &xtask::keys::own_key())?;
    ensure!(added.status.success(), "{added}");

    let plain = machine.ssh_command(&["-A"])?;
    let mut client = Command::new(plain.get_program());
    for word in plain.get_args() {
        match word.to_str() {
            Some("IdentityAgent=none") => client.arg(format!("IdentityAgent={}", own.display())),
            _ => client.arg(word),
        };
    }
    client
        .arg("echo $SSH_AUTH_SOCK; cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut client = Running(client.spawn()?);
    let mut path = String::new();
    BufReader::new(client.0.stdout.take().context("no output")?).read_line(&mut path)?;
    let path = path.trim();
    ensure!(path.starts_with("/tmp/ssh-"), "no agent: `{path}`");
    let way = format!("{}:{path}", near.display());
    let through = forwarding(machine, &["-L", &way])?;
    let keys = eventually("the agent's keys", || {
        let list = add(&near, Path::new("-L")).ok()?;
        list.status.success().then(|| list.text())
    })?;
    assert!(keys.starts_with("ssh-ed25519 "), "{keys}");
    drop(through);
    drop(client);
    machine.sh(&format!(
        "i=0; while [ -e {path} ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done"
    ))?;
    Ok(())
}

fn what_keys_allow(machine: &Machine) -> Result<()> {
    machine.sh("sed -i 's,^ssh,permitlisten=\"8023\" ssh,' /root/.ssh/authorized_keys")?;
    let home = web()?;
    for (way, may) in [("8023", true), ("8024", false), ("/root/x", false)] {
        let way = format!("{way}:127.0.0.1:{home}");
        let mut client =
            machine.ssh_command(&["-v", "-o", "ExitOnForwardFailure=yes", "-R", &way])?;
        let reply = run_limited(client.arg("true"), Vec::new(), LIMIT)?;
        assert_eq!(reply.status.success(), may, "{way}: {reply}");
    }
    Ok(())
}
