//! Forwarding towards the client, and local sockets, with OpenSSH's client.

mod host;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use host::client::{Pair, complaints, output, text};

/// A client that forwards until it is dropped.
struct Forwarding(Child);

impl Drop for Forwarding {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn forward(pair: &Pair, options: &[&str]) -> Forwarding {
    let mut command = pair.ssh(options);
    command.args(["-N", "-o", "ExitOnForwardFailure=yes"]);
    Forwarding(command.stderr(Stdio::null()).spawn().expect("ssh"))
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").port()
}

/// Takes connections and gives back what comes, turned into capitals, once
/// all of it has come.
fn shouter(accept: impl Fn() -> Box<dyn ReadWrite> + Send + 'static) {
    std::thread::spawn(move || {
        loop {
            let mut stream = accept();
            std::thread::spawn(move || {
                let mut text = String::new();
                let _ = stream.read_to_string(&mut text);
                let _ = stream.write_all(text.to_uppercase().as_bytes());
            });
        }
    });
}

trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

fn shout(mut stream: impl ReadWrite, end: impl FnOnce()) -> String {
    let long = "quiet ".repeat(50_000);
    stream.write_all(long.as_bytes()).expect("write");
    end();
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read");
    assert_eq!(text.len(), long.len());
    text
}

fn shout_tcp(port: u16) -> Option<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let other = stream.try_clone().expect("dup");
    let end = move || other.shutdown(std::net::Shutdown::Write).expect("shutdown");
    Some(shout(stream, end))
}

fn shout_local(path: &std::path::Path) -> Option<String> {
    let stream = UnixStream::connect(path).ok()?;
    let other = stream.try_clone().expect("dup");
    let end = move || other.shutdown(std::net::Shutdown::Write).expect("shutdown");
    Some(shout(stream, end))
}

#[test]
fn remote_ports_and_sockets_lead_to_the_client() {
    let pair = Pair::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let home = listener.local_addr().expect("address").port();
    shouter(move || Box::new(listener.accept().expect("accept").0));
    let (port, socket) = (free_port(), pair.folder.0.join("remote"));
    let tcp = format!("127.0.0.1:{port}:127.0.0.1:{home}");
    let local = format!("{}:127.0.0.1:{home}", socket.display());
    let client = forward(&pair, &["-R", &tcp, "-R", &local]);
    let first = eventually("a remote port", || shout_tcp(port));
    assert!(first.starts_with("QUIET "));
    for _ in 0..40 {
        shout_tcp(port).expect("again");
    }
    eventually("a remote socket", || shout_local(&socket));
    drop(client);
    eventually("nobody listens any more", || {
        (TcpStream::connect(("127.0.0.1", port)).is_err() && !socket.exists()).then_some(())
    });
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let at = taken.local_addr().expect("address").port();
    let tcp = format!("{at}:127.0.0.1:{home}");
    let refused = output(pair.ssh(&["-N", "-o", "ExitOnForwardFailure=yes", "-R", &tcp]));
    assert!(complaints(&refused).contains("remote port forwarding failed"));
}

#[test]
fn local_sockets_lead_to_the_server_s() {
    let pair = Pair::new();
    let (near, far) = (pair.folder.0.join("near"), pair.folder.0.join("far"));
    let listener = UnixListener::bind(&far).expect("bind");
    shouter(move || Box::new(listener.accept().expect("accept").0));
    let way = format!("{}:{}", near.display(), far.display());
    let _client = forward(&pair, &["-L", &way]);
    for _ in 0..5 {
        eventually("a local socket", || shout_local(&near));
    }
}

#[test]
fn a_port_of_the_server_s_choice_and_its_cancellation() {
    let pair = Pair::new();
    let control = pair.folder.0.join("control");
    let path = format!("ControlPath={}", control.display());
    let master = pair
        .ssh(&["-N", "-M", "-o", &path])
        .stderr(Stdio::null())
        .spawn();
    let _master = Forwarding(master.expect("ssh"));
    eventually("a master", || control.exists().then_some(()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let home = listener.local_addr().expect("address").port();
    shouter(move || Box::new(listener.accept().expect("accept").0));
    let ask = |verb: &str, way: &str| output(pair.ssh(&["-o", &path, "-O", verb, "-R", way]));
    let made = ask("forward", &format!("0:127.0.0.1:{home}"));
    let port: u16 = text(&made).trim().parse().expect("a port");
    shout_tcp(port).expect("it leads home");
    // Clients cancel what they have named themselves.
    let port = free_port();
    let way = format!("{port}:127.0.0.1:{home}");
    assert!(ask("forward", &way).status.success());
    shout_tcp(port).expect("it leads home");
    let ended = ask("cancel", &way);
    assert!(ended.status.success(), "{}", complaints(&ended));
    eventually("it is closed", || {
        TcpStream::connect(("127.0.0.1", port))
            .is_err()
            .then_some(())
    });
}

#[test]
fn keys_say_what_may_be_forwarded() {
    let pair = Pair::with_options("permitlisten=\"127.0.0.1:9\",permitopen=\"127.0.0.1:9\"");
    let port = free_port();
    let tcp = format!("127.0.0.1:{port}:127.0.0.1:1");
    let socket = format!("{}:127.0.0.1:1", pair.folder.0.join("x").display());
    for way in [tcp, socket] {
        let refused = output(pair.ssh(&["-N", "-o", "ExitOnForwardFailure=yes", "-R", &way]));
        assert!(!refused.status.success(), "{way}");
    }
    let restricted = Pair::with_options("restrict");
    let got = restricted.run(&["-A"], "echo [$SSH_AUTH_SOCK]");
    assert_eq!(text(&got), "[]\n");
}

#[test]
fn the_client_s_agent_answers() {
    let pair = Pair::new();
    let socket = pair.folder.0.join("agent");
    let agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn();
    let _agent = Forwarding(agent.expect("ssh-agent"));
    eventually("an agent", || socket.exists().then_some(()));
    let key = pair.folder.0.join("key");
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(&key)
        .env("SSH_AUTH_SOCK", &socket)
        .stderr(Stdio::null())
        .status();
    assert!(added.expect("ssh-add").success());
    let identity = format!("IdentityAgent={}", socket.display());
    let line = "ssh-add -L; stat -c %F $SSH_AUTH_SOCK";
    let through = |options: &[&str]| {
        let plain = pair.ssh(options);
        let mut command = Command::new(plain.get_program());
        for word in plain.get_args() {
            match word.to_str() {
                Some("IdentityAgent=none") => command.arg(&identity),
                _ => command.arg(word),
            };
        }
        output(command.arg(line).stdin(Stdio::null()))
    };
    let got = through(&["-A"]);
    let public = std::fs::read_to_string(key.with_extension("pub")).expect("the key");
    let blob = public.split(' ').nth(1).expect("a blob");
    assert!(
        text(&got).contains(blob),
        "{}{}",
        text(&got),
        complaints(&got)
    );
    assert!(text(&got).ends_with("socket\n"), "{}", text(&got));
    assert!(
        !through(&["-a"]).status.success(),
        "not asked for, not there"
    );
}
