//! What the keys of a definition do to a service, seen from inside it.

mod common;

use common::{Herd, eventually};
use std::fs;
use std::time::Instant;

/// Runs `script` once with these keys; the log when it is over.
fn once(script: &str, keys: &str) -> String {
    let command = format!("command = ['sh', '-c', \"\"\"{script}\"\"\"]\nrestart = 'never'\n");
    let herd = Herd::with("one", &format!("{command}{keys}"));
    herd.wait_log("one", "not restarted")
}

#[test]
fn limits_and_rights_are_as_defined() {
    let log = once(
        "umask; ulimit -n; ulimit -Hn; grep NoNewPrivs /proc/self/status",
        "umask = '027'\nnofile = 77\nno_new_privs = true\n",
    );
    assert!(log.contains("out  | 0027\n"), "{log}");
    assert_eq!(log.matches("out  | 77\n").count(), 2, "{log}");
    assert!(log.contains("NoNewPrivs:\t1"), "{log}");
}

#[test]
fn a_file_of_variables_is_read_at_each_start() {
    let mut herd = Herd::new();
    let file = herd.root.join("vars");
    fs::write(&file, "# more\nA=file\nB = no\n").unwrap();
    herd.define(
        "env",
        &format!(
            "command = ['sh', '-c', 'echo $A $B $C']\nrestart = 'never'\nenv_file = {file:?}\n\
             [env]\nA = 'own'\n"
        ),
    );
    herd.start();
    let error = herd.fails(&["start", "env"], 1);
    assert!(error.contains("vars:3: is not NAME=VALUE"), "{error}");
    fs::write(&file, "# more\nA=file\nB=\"of mine\"\n\nC=1\nC=2\n").unwrap();
    herd.ok(&["start", "env"]);
    let log = herd.wait_log("env", "not restarted");
    assert!(log.contains("out  | own of mine 2\n"), "{log}");
}

#[test]
fn what_comes_before_the_program_decides_whether_it_runs() {
    let log = once(
        "echo the program; ls -l /proc/self/fd",
        "pre_start = ['sh', '-c', 'echo before $HERD_SERVICE; ls /proc/self/fd | tr \"\\n\" \" \"; echo']\n",
    );
    let (before, program) = (log.find("before one"), log.find("the program"));
    assert!(before.unwrap() < program.unwrap(), "{log}");
    assert!(log.contains("out  | 0 1 2 3 \n"), "{log}");
    let mut herd = Herd::new();
    herd.define(
        "bad",
        "command = 'sleep 1000'\npre_start = 'false'\nbackoff = '1h'\n",
    );
    herd.define("slow", "command = 'sleep 1000'\npre_start = 'sleep 1000'\n");
    herd.define(
        "late",
        "command = 'sleep 1000'\npre_start = 'sleep 1000'\nstart_timeout = '200ms'\nbackoff = '1h'\n",
    );
    herd.start();
    let error = herd.fails(&["start", "bad"], 1);
    assert!(error.contains("pre_start exited with status 1"), "{error}");
    let error = herd.fails(&["start", "late"], 1);
    assert!(error.contains("it did not start within 200 ms"), "{error}");
    let mut waiting = herd.spawn(&["start", "slow"]);
    herd.wait_state("slow", "starting");
    let begin = Instant::now();
    herd.ok(&["stop", "slow"]);
    assert!(begin.elapsed().as_secs() < 30);
    assert_eq!(waiting.wait().unwrap().code(), Some(1));
    eventually("it is stopped", || {
        (herd.status("slow")["state"] == "stopped").then_some(())
    });
}

#[test]
fn a_program_that_ends_at_once_is_not_told_to_run() {
    let mut herd = Herd::new();
    herd.define(
        "brief",
        "command = ['sh', '-c', 'sleep 0.05; exit 3']\nbackoff = '1h'\n",
    );
    herd.start();
    let error = herd.fails(&["start", "brief"], 1);
    assert!(error.contains("exited with status 3"), "{error}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let herd = Herd::new();
    herd.define(
        "bad",
        "comand = 'x'\nrestart = 'alwys'\nuser = 'u'\nstop_timeout = '1x'\n",
    );
    herd.define(
        "poor",
        "command = '/nowhere/x'\npre_start = '/nowhere/y'\ngroup = 'nobody-of-this-name'\ncwd = '/nowhere'\n",
    );
    let told = herd.run(&["check"]);
    assert_eq!(told.status.code(), Some(2));
    let told = String::from_utf8(told.stdout).unwrap();
    for words in [
        "bad.conf:1: unknown key comand, did you mean \"command\"?",
        "bad.conf:2: unknown variant `alwys`",
        "bad.conf:4: ",
        "command: /nowhere/x is no program",
        "pre_start: /nowhere/y is no program",
        "group: nobody-of-this-name: not listed in /etc/group",
        "cwd: /nowhere is no folder",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn groups_are_given() {
    // Only root gives groups away.
    if !is_root() {
        return;
    }
    let log = once(
        "id -u; id -g; id -G",
        "user = '12345'\ngroup = '54'\ngroups = ['77', '78']\n",
    );
    assert!(log.contains("out  | 12345\n"), "{log}");
    assert!(log.contains("out  | 54\n"), "{log}");
    assert!(log.contains("out  | 54 77 78\n"), "{log}");
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line == "Uid:\t0\t0\t0\t0")
}

#[test]
fn lines_beyond_the_rate_are_left_out_and_counted() {
    let herd = Herd::with(
        "loud",
        "command = ['/bin/sh', '-c', '''i=0; while [ $i -lt 1000 ]; do i=$((i+1)); \
         echo line $i; done; sleep 2; echo later; exec sleep 1000''']\n[log]\nrate = 5\n",
    );
    let log = herd.wait_log("loud", "out  | later\n");
    let lines = log.lines().filter(|line| line.contains("out  | line "));
    let shown = lines.count();
    let counts = log.lines().filter_map(|line| {
        let (_, words) = line.split_once("herd | ")?;
        let count = words.strip_suffix(" lines were left out: too many in a second")?;
        count.parse::<usize>().ok()
    });
    // The program may take more than a second for them.
    let left_out: usize = counts.sum();
    assert_eq!(shown + left_out, 1000, "{log}");
    assert!((5..=100).contains(&shown), "{log}");
    // Before it said more.
    assert!(log.rfind("left out") < log.find("later"), "{log}");
    herd.define("none", "command = 'x'\n[log]\nrate = 0\n");
    let told = herd.run(&["check"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("one line a second at least"), "{told}");
}

#[test]
fn a_timer_runs_again_and_again() {
    let herd = Herd::with(
        "often",
        "command = ['/bin/sh', '-c', 'echo tick; exit 1']\ntype = 'timer'\nschedule = 'every 1s'\n",
    );
    herd.define(
        "nightly",
        "command = ['echo', 'night']\ntype = 'timer'\nschedule = '03:30'\n",
    );
    herd.ok(&["reload"]);
    eventually("three runs", || {
        (herd.log("often").matches("tick").count() >= 3).then_some(())
    });
    assert_eq!(herd.status("often")["restarts"], 0);
    // It waits for its time, unless it is asked to run now.
    let told = herd.ok(&["start", "nightly"]);
    assert!(told.contains("nightly runs in "), "{told}");
    assert!(!herd.log("nightly").contains("night\n"));
    let told = herd.ok(&["start", "nightly"]);
    assert!(told.contains("exited with status 0; again in "), "{told}");
    let status = herd.ok(&["status"]);
    assert!(status.contains("scheduled"), "{status}");
    herd.define("odd", "command = 'x'\ntype = 'timer'\nschedule = 'noon'\n");
    let told = herd.run(&["check"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("odd.conf:3: "), "{told}");
    assert!(told.contains("write it like \"every 10m\""), "{told}");
}
