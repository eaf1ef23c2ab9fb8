//! herd as process 1, in a process space of its own, where the kernel turns
//! reboot(2) into the end of that space: by SIGHUP for a reboot, by SIGINT
//! for power-off and halt. Needs root; without it nothing is tried.

mod common;

use std::os::unix::process::ExitStatusExt;

use common::{Herd, eventually};

const WEB: &str = "command = ['sleep', '1000']\n";

/// A herd as process 1 with a service, and one more.
fn first(name: &str, definition: &str) -> Option<Herd> {
    let mut herd = Herd::new();
    herd.define("web", WEB);
    herd.link("web");
    herd.define(name, definition);
    herd.link(name);
    if !herd.start_as_first() {
        eprintln!("not tried: no process space of its own here");
        return None;
    }
    herd.wait_state("web", "running");
    Some(herd)
}

fn console(herd: &Herd) -> String {
    std::fs::read_to_string(herd.root.join("console")).unwrap()
}

#[test]
fn commands_end_the_run_in_order() {
    for (command, signal, words) in [
        ("reboot", libc::SIGHUP, "rebooting"),
        ("poweroff", libc::SIGINT, "powering off"),
        ("halt", libc::SIGINT, "halting"),
    ] {
        let Some(mut herd) = first("other", WEB) else {
            return;
        };
        herd.ok(&[command]);
        assert_eq!(herd.left().signal(), Some(signal), "{command}");
        let console = console(&herd);
        assert!(console.contains("process 1\n"), "{console}");
        assert!(console.contains("web: pid") && console.contains("killed by SIGTERM"));
        assert!(console.ends_with(&format!("herd: {words}\n")), "{console}");
    }
}

#[test]
fn signals_mean_what_they_mean_to_busybox() {
    for (name, signal) in [
        ("TERM", libc::SIGHUP),
        ("USR1", libc::SIGINT),
        ("USR2", libc::SIGINT),
    ] {
        let Some(mut herd) = first("other", WEB) else {
            return;
        };
        let definition = format!("command = ['sh', '-c', 'kill -{name} 1; sleep 100']\n");
        herd.define("sender", &definition);
        herd.ok(&["reload"]);
        // herd may end before it has answered.
        herd.run(&["start", "sender"]);
        assert_eq!(herd.left().signal(), Some(signal), "{name}");
    }
}

#[test]
fn orphans_are_collected() {
    let script = "setsid sh -c \"setsid sleep 0.3 & setsid sleep 1000 &\"; sleep 1; \
        ps -A -o stat=,comm= | grep -c \"^Z\"; echo left; ps -A -o comm= | grep -c sleep";
    let definition = format!("command = ['sh', '-c', '{script}']\nrestart = 'never'\n");
    let Some(mut herd) = first("parent", &definition) else {
        return;
    };
    let log = herd.wait_log("parent", "not restarted");
    let counts: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split("out  | ").nth(1))
        .collect();
    assert_eq!(counts, ["0", "left", "2"], "{log}");
    herd.ok(&["poweroff"]);
    assert_eq!(herd.left().signal(), Some(libc::SIGINT));
}

#[test]
fn a_service_that_is_killed_comes_back_under_process_1() {
    let Some(mut herd) = first(
        "dying",
        "command = ['sh', '-c', 'sleep 0.05; kill -9 $$']\n",
    ) else {
        return;
    };
    eventually("three restarts", || {
        (herd.log("dying").matches("killed by SIGKILL").count() >= 3).then_some(())
    });
    herd.ok(&["poweroff"]);
    herd.left();
}
