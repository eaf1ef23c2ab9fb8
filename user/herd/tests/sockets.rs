//! Sockets that herd opens and keeps: clients wait for the next instance, the first
//! one starts it if it is to be so, and neither deaths nor upgrades refuse anybody.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{Herd, alive, eventually, kill};

/// Ports that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Answers each client of its first socket with a line, by what sd_listen_fds(3) says;
/// after `limit` of them it ends with `status`.
fn server(limit: u32, status: u32) -> String {
    format!(
        "import os, socket, sys\n\
         assert int(os.environ['LISTEN_PID']) == os.getpid()\n\
         names = os.environ['LISTEN_FDNAMES'].split(':')\n\
         count = int(os.environ['LISTEN_FDS'])\n\
         print('sockets', count, ' '.join(names), flush=True)\n\
         s = socket.socket(fileno=3)\n\
         for n in range({limit}):\n\
         \x20   c, _ = s.accept()\n\
         \x20   c.sendall(b'pid %d\\n' % os.getpid())\n\
         \x20   c.close()\n\
         sys.exit({status})\n"
    )
}

/// Whether there is an interpreter for it here.
fn define_server(herd: &Herd, keys: &str, limit: u32, status: u32) -> bool {
    let there = std::process::Command::new("python3").arg("-V").output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("not tried: no python3 here");
        return false;
    }
    let file = herd.root.join("server.py");
    std::fs::write(&file, server(limit, status)).unwrap();
    let file = file.display();
    herd.define("web", &format!("command = 'python3 {file}'\n{keys}\n"));
    herd.link("web");
    true
}

fn answer(mut client: impl Read) -> i32 {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text.trim().strip_prefix("pid ").unwrap().parse().unwrap()
}

fn ask(port: u16) -> i32 {
    answer(connect(port))
}

fn connect(port: u16) -> TcpStream {
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let limit = Some(Duration::from_secs(60));
    client.set_read_timeout(limit).unwrap();
    client
}

#[test]
fn clients_wait_for_the_next_instance() {
    let mut herd = Herd::new();
    let (port, other) = (free_port(), free_port());
    let path = herd.root.join("deep/x.sock");
    let keys = format!(
        "sockets = ['tcp:{port}', 'udp:127.0.0.1:{other}',\n  \
         {{ listen = 'unix:{}', name = 'control', mode = '640' }}]\n\
         pre_start = 'sleep 0.2'\nbackoff = '300ms'",
        path.display()
    );
    if !define_server(&herd, &keys, 1_000, 0) {
        return;
    }
    herd.start();
    let first = ask(port);
    assert_eq!(first, herd.pid("web"));
    herd.wait_log("web", "sockets 3 web web control");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    UnixStream::connect(&path).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.send_to(b"x", ("127.0.0.1", other)).unwrap();
    let mut last = first;
    for _ in 0..3 {
        kill(last, libc::SIGKILL);
        eventually("it is dead", || (!alive(last)).then_some(()));
        // Nobody accepts for at least so long as it waits to begin.
        let clients: Vec<_> = (0..5).map(|_| connect(port)).collect();
        let pids: Vec<i32> = clients.into_iter().map(answer).collect();
        assert!(pids.iter().all(|pid| *pid == pids[0] && *pid != last));
        last = pids[0];
    }
    herd.ok(&["restart", "web"]);
    let again = ask(port);
    assert_ne!(again, last);
    herd.ok(&["stop", "web"]);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    herd.ok(&["start", "web"]);
    ask(port);
}

#[test]
fn the_first_client_starts_it_and_one_that_fails_is_no_busy_loop() {
    let mut herd = Herd::new();
    let port = free_port();
    let keys = format!("type = 'socket'\nsockets = ['tcp:{port}']\nbackoff = '50ms..60s'");
    if !define_server(&herd, &keys, 1, 0) {
        return;
    }
    herd.start();
    let state = herd.wait_state("web", "listening");
    assert!(state["pid"].is_null());
    let first = ask(port);
    eventually("it has ended", || (!alive(first)).then_some(()));
    herd.wait_state("web", "listening");
    // Three at once are served by three, one after the other.
    let clients: Vec<_> = (0..3).map(|_| connect(port)).collect();
    let mut pids: Vec<i32> = clients.into_iter().map(answer).collect();
    pids.dedup();
    assert_eq!(pids.len(), 3);
    let state = herd.wait_state("web", "listening");
    assert_eq!(state["restarts"], 0, "an end that went well is no restart");
    // One that is enabled waits, too.
    herd.ok(&["disable", "web"]);
    let told = herd.ok(&["enable", "web"]);
    assert!(told.contains("web waits for a client"), "{told}");
    // An operator may have it run without a client.
    herd.ok(&["start", "web"]);
    herd.pid("web");
    ask(port);
    herd.wait_state("web", "listening");
    // Now it leaves its client waiting.
    std::fs::write(herd.root.join("server.py"), "raise SystemExit(3)\n").unwrap();
    let started = herd.log("web").matches("started, pid").count();
    let client = connect(port);
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(2));
    let starts = herd.log("web").matches("started, pid").count() - started;
    let seconds = begin.elapsed().as_secs_f64();
    assert!((2..10).contains(&starts), "{starts} starts in {seconds} s");
    drop(client);
    herd.ok(&["stop", "web"]);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn nobody_is_refused_while_there_is_no_herd() {
    let mut herd = Herd::new();
    let port = free_port();
    let lazy = free_port();
    if !define_server(
        &herd,
        &format!("sockets = ['tcp:{port}']\nbackoff = '10ms..60s'"),
        1_000,
        0,
    ) {
        return;
    }
    let file = herd.root.join("server.py");
    herd.define(
        "lazy",
        &format!(
            "command = 'python3 {}'\ntype = 'socket'\nsockets = ['tcp:{lazy}']\n",
            file.display()
        ),
    );
    herd.link("lazy");
    herd.start();
    herd.wait_state("lazy", "listening");
    let mut pid = ask(port);
    herd.ok(&["restart", "lazy"]);
    for round in 0..3 {
        herd.signal(libc::SIGKILL);
        herd.left();
        if round == 1 {
            // Not even the service has its socket any more.
            kill(pid, libc::SIGKILL);
            eventually("it is dead", || (!alive(pid)).then_some(()));
        }
        let waiting = connect(port);
        let called = connect(lazy);
        herd.start();
        let answered = answer(waiting);
        assert_eq!(answered == pid, round != 1);
        pid = answered;
        assert!(answer(called) > 0);
        herd.ok(&["stop", "lazy"]);
        assert!(TcpStream::connect(("127.0.0.1", lazy)).is_err());
        herd.ok(&["start", "lazy"]);
        assert_eq!(herd.status("lazy")["state"], "listening");
        eventually("one keeper", || (keepers(&herd).len() == 1).then_some(()));
    }
    herd.ok(&["upgrade"]);
    for _ in 0..50 {
        drop(connect(port));
        drop(connect(lazy));
    }
    eventually("it answers", || {
        herd.run(&["status"]).status.success().then_some(())
    });
    // One that somebody kills is replaced.
    let keeper = eventually("one keeper", || match keepers(&herd)[..] {
        [one] => Some(one),
        _ => None,
    });
    std::thread::sleep(Duration::from_millis(1_100));
    kill(keeper, libc::SIGKILL);
    eventually("another keeper", || match keepers(&herd)[..] {
        [one] if one != keeper => Some(()),
        _ => None,
    });
    herd.signal(libc::SIGTERM);
    herd.left();
    assert!(keepers(&herd).is_empty());
}

/// Processes that keep sockets for the herds of this test.
fn keepers(herd: &Herd) -> Vec<i32> {
    let text = std::fs::read_to_string(herd.root.join("run/herd/memory")).unwrap_or_default();
    let noted = text.lines().filter_map(|line| {
        let mut words = line.strip_prefix("K ")?.split(' ');
        words.nth(1)?.parse().ok()
    });
    noted.filter(|pid| alive(*pid)).collect()
}

#[test]
fn what_cannot_be_is_said() {
    let mut herd = Herd::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = free_port();
    for (name, definition) in [
        ("lazy", "command = 'sleep 9'\ntype = 'socket'\n".to_owned()),
        (
            "twice",
            "command = 'sleep 9'\nsockets = ['tcp:9', 'tcp:9']\n".to_owned(),
        ),
        (
            "bad",
            "command = 'sleep 9'\nsockets = ['tcp:9',\n 'pipe:9']\n".to_owned(),
        ),
        (
            "mode",
            "command = 'sleep 9'\nsockets = [{ listen = 'tcp:9', mode = '600' }]\n".to_owned(),
        ),
        (
            "key",
            "command = 'sleep 9'\nsockets = [{ listen = 'tcp:9', nmae = 'x' }]\n".to_owned(),
        ),
        (
            "once",
            "command = 'true'\ntype = 'oneshot'\nsockets = ['tcp:9']\n".to_owned(),
        ),
        (
            "fd",
            "command = 'true'\nready = 'fd:3'\nsockets = ['tcp:9']\n".to_owned(),
        ),
        (
            "owner",
            "command = 'sleep 9'\nsockets = [{ listen = 'unix:/tmp/x', owner = 'no-such' }]\n"
                .to_owned(),
        ),
        (
            "one",
            format!("command = 'sleep 9'\nsockets = ['tcp:{free}']\n"),
        ),
        (
            "two",
            format!("command = 'sleep 9'\nsockets = ['tcp:{free}']\n"),
        ),
    ] {
        herd.define(name, &definition);
    }
    let told = String::from_utf8(herd.run(&["check"]).stdout).unwrap();
    for text in [
        "lazy.conf:2: type: one that waits for clients has sockets",
        "twice.conf:2: sockets: tcp:0.0.0.0:9 twice",
        "bad.conf:3: \"pipe:9\" is no socket",
        "mode has no use: tcp:0.0.0.0:9 has no path",
        "unknown key nmae, did you mean \"name\"?",
        "once.conf:3: sockets has no use",
        "fd.conf:2: ready: descriptor 3 is one of its sockets",
        "user: no-such: not listed",
        "sockets: tcp:0.0.0.0:{free} is that of one",
    ] {
        let text = text.replace("{free}", &free.to_string());
        assert!(told.contains(&text), "{text} is not in:\n{told}");
    }
    // A port that somebody else has: it is tried again, and comes when that has gone.
    let definition = format!(
        "command = 'sleep 1000'\nsockets = ['tcp:127.0.0.1:{port}']\nbackoff = '20ms..50ms'\n"
    );
    herd.define("late", &definition);
    herd.link("late");
    herd.define("lazily", &(definition + "type = 'socket'\n"));
    herd.start();
    herd.wait_log("late", "cannot start: sockets: tcp:127.0.0.1");
    herd.ok(&["disable", "late"]);
    herd.link("lazily");
    herd.ok(&["reload"]);
    herd.wait_log("lazily", "cannot listen: tcp:127.0.0.1");
    drop(taken);
    herd.wait_state("lazily", "listening");
    connect(port).write_all(b"x").unwrap();
    herd.pid("lazily");
}
