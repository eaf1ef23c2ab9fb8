//! When services are ready and well, and what they are to each other.

mod common;

use common::{Herd, alive, eventually, kill};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

/// A service that is only ready once the file `go` is below the root.
fn gated(herd: &Herd, name: &str, then: &str, keys: &str) {
    let go = herd.root.join("go");
    let script = format!(
        "until [ -e {} ]; do sleep 0.02; done; {then}; exec sleep 1000",
        go.display()
    );
    herd.define(
        name,
        &format!("command = ['sh', '-c', '''{script}''']\n{keys}"),
    );
}

#[test]
fn what_tells_that_it_is_ready_is_waited_for() {
    let mut herd = Herd::new();
    gated(&herd, "line", "echo yes >&7", "ready = 'fd:7'\n");
    gated(&herd, "after", "true", "after = ['line']\n");
    gated(&herd, "needs", "true", "needs = ['line']\n");
    for name in ["line", "after"] {
        herd.link(name);
    }
    herd.start();
    let mut waiting = herd.spawn(&["start", "line"]);
    herd.wait_state("line", "starting");
    assert_eq!(herd.status("after")["waits_for"], "line");
    assert!(waiting.try_wait().unwrap().is_none());
    fs::write(herd.root.join("go"), "").unwrap();
    assert!(waiting.wait().unwrap().success());
    herd.wait_log("line", "ready after");
    herd.pid("after");
    herd.ok(&["start", "needs"]);
    let (line, needs) = (herd.pid("line"), herd.pid("needs"));
    // It goes down with what it needs, and comes back with it.
    herd.ok(&["stop", "line"]);
    eventually("both are down", || {
        (!alive(line) && !alive(needs)).then_some(())
    });
    assert_eq!(herd.wait_state("needs", "waiting")["waits_for"], "line");
    herd.ok(&["start", "line"]);
    assert_ne!(herd.pid("needs"), needs);
}

#[test]
fn messages_tell_and_the_watchdog_listens() {
    let mut herd = Herd::new();
    let script = "import os, socket, sys, time\n\
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        s.connect(os.environ[\"NOTIFY_SOCKET\"])\n\
        s.send(b\"STATUS=x\\nREADY=1\")\n\
        for n in range(5):\n    s.send(b\"WATCHDOG=1\"); time.sleep(0.1)\n\
        print(\"quiet now\", flush=True)\n\
        time.sleep(1000)\n";
    let file = herd.root.join("talk.py");
    fs::write(&file, script).unwrap();
    let python = "/usr/bin/python3";
    if !std::path::Path::new(python).exists() {
        return;
    }
    herd.define(
        "talk",
        &format!(
            "command = ['{python}', '{}']\nready = 'notify'\nwatchdog = '1s'\n",
            file.display()
        ),
    );
    herd.link("talk");
    herd.start();
    let first = herd.pid("talk");
    let log = herd.wait_log("talk", "the watchdog has heard nothing for 1 s");
    assert!(
        log.contains("ready after") && log.contains("quiet now"),
        "{log}"
    );
    eventually("another instance", || {
        (herd.pid("talk") != first).then_some(())
    });
}

#[test]
fn what_is_asked_is_ready_when_it_answers() {
    let mut herd = Herd::new();
    let page = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = page.local_addr().unwrap();
    let path = herd.root.join("x.sock");
    let keys = [
        ("tcp", format!("ready = 'tcp:{at}'\n")),
        ("http", format!("ready = 'http:{at}/page'\n")),
        ("unix", format!("ready = 'unix:{}'\n", path.display())),
        (
            "exec",
            format!("ready = 'exec:test -e {}'\n", path.display()),
        ),
    ];
    for (name, key) in &keys {
        herd.define(name, &format!("command = 'sleep 1000'\n{key}"));
        herd.link(name);
    }
    herd.start();
    herd.ok(&["start", "tcp"]);
    for name in ["http", "unix", "exec"] {
        assert_eq!(herd.status(name)["state"], "starting", "{name}");
    }
    let _socket = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in page.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 14];
            if stream.read_exact(&mut asked).is_ok() && &asked == b"GET /page HTTP" {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
            }
        }
    });
    for name in ["http", "unix", "exec"] {
        herd.wait_state(name, "running");
    }
}

#[test]
fn one_that_is_not_ready_in_time_or_not_well_has_failed() {
    let mut herd = Herd::new();
    herd.define(
        "never",
        "command = 'sleep 1000'\nready = 'fd:3'\nstart_timeout = '200ms'\nbackoff = '1h'\n",
    );
    let sick = herd.root.join("sick");
    herd.define(
        "sick",
        &format!(
            "command = 'sleep 1000'\nbackoff = '1h'\n[health]\nprobe = 'exec:test ! -e {}'\n\
             period = '50ms'\nfailures = 2\n",
            sick.display()
        ),
    );
    herd.start();
    let error = herd.fails(&["start", "never"], 1);
    assert!(error.contains("does not run"), "{error}");
    herd.wait_log("never", "it was not ready within 200 ms");
    herd.ok(&["start", "sick"]);
    let pid = herd.pid("sick");
    fs::write(&sick, "").unwrap();
    let log = herd.wait_log("sick", "it is not well any more");
    assert!(
        log.contains("(1 of 2)") && log.contains("(2 of 2)"),
        "{log}"
    );
    eventually("it is stopped", || (!alive(pid)).then_some(()));
}

#[test]
fn what_runs_once_is_done_and_others_wait_for_it() {
    let mut herd = Herd::new();
    gated(
        &herd,
        "web",
        "true",
        "needs = ['setup']\nconflicts = ['other']\n",
    );
    let go = herd.root.join("go");
    herd.define(
        "setup",
        &format!(
            "type = 'oneshot'\ncommand = ['sh', '-c', 'until [ -e {} ]; do sleep 0.02; done']\n\
             post_stop = 'echo swept'\n",
            go.display()
        ),
    );
    herd.define("other", "command = 'sleep 1000'\n");
    herd.link("other");
    herd.start();
    let other = herd.pid("other");
    let mut waiting = herd.spawn(&["start", "web"]);
    herd.wait_state("setup", "running");
    assert_eq!(herd.status("web")["state"], "waiting");
    eventually("its rival is down", || (!alive(other)).then_some(()));
    fs::write(&go, "").unwrap();
    assert!(waiting.wait().unwrap().success());
    herd.wait_state("setup", "done");
    let log = herd.wait_log("setup", "out  | swept\n");
    assert!(
        log.find("exited with status 0").unwrap() < log.find("swept").unwrap(),
        "{log}"
    );
    herd.define("lost", "command = 'true'\nneeds = ['nobody']\n");
    herd.ok(&["reload"]);
    let error = herd.fails(&["start", "lost"], 1);
    assert!(
        error.contains("lost waits for nobody, which is not there"),
        "{error}"
    );
}

#[test]
fn one_is_told_to_read_its_configuration() {
    let mut herd = Herd::new();
    herd.define(
        "sig",
        "command = ['sh', '-c', 'trap \"echo heard\" USR1; echo set; while :; do sleep 0.02; done']\n\
         reload = 'USR1'\n",
    );
    herd.define(
        "cmd",
        "command = 'sleep 1000'\nreload = ['sh', '-c', 'echo read anew']\n",
    );
    herd.define("none", "command = 'sleep 1000'\n");
    for name in ["sig", "cmd", "none"] {
        herd.link(name);
    }
    herd.start();
    herd.wait_log("sig", "out  | set");
    herd.ok(&["reload", "sig"]);
    herd.wait_log("sig", "out  | heard");
    herd.pid("cmd");
    herd.ok(&["reload", "cmd"]);
    herd.wait_log("cmd", "out  | read anew");
    herd.wait_log("cmd", "reload exited with status 0");
    herd.pid("none");
    assert!(herd.fails(&["reload", "none"], 1).contains("restart it"));
}

#[test]
fn the_next_herd_listens_on() {
    let mut herd = Herd::new();
    gated(
        &herd,
        "line",
        "true",
        "ready = 'exec:false'\n[health]\nprobe = 'exec:true'\nperiod = '50ms'\n",
    );
    herd.link("line");
    herd.start();
    // It is starting before it is its program, and has no number then.
    let pid = eventually("it runs and is not ready", || {
        let status = herd.wait_state("line", "starting");
        status["pid"].is_number().then(|| status["pid"].clone())
    });
    herd.signal(libc::SIGKILL);
    herd.left();
    herd.start();
    let status = herd.wait_state("line", "starting");
    assert_eq!(status["pid"], pid);
    let pid = i32::try_from(pid.as_i64().unwrap()).unwrap();
    kill(pid, libc::SIGKILL);
    herd.wait_log("line", "ended in a way that herd did not see");
}
