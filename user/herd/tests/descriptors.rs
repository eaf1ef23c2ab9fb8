//! herd with many services, few descriptors, and clients that say nothing.

mod common;

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{Herd, alive, eventually, kill};

const FOREVER: &str = "command = ['sleep', '1000']\nbackoff = '10ms..60s'\n";

/// The pids of all services that run.
fn running(herd: &Herd) -> Vec<(String, i32)> {
    let all: Vec<serde_json::Value> =
        serde_json::from_str(&herd.ok(&["status", "--json"])).unwrap();
    let one = |service: &serde_json::Value| {
        let pid = i32::try_from(service["pid"].as_i64()?).ok()?;
        let running = service["state"] == "running";
        running.then(|| (service["name"].as_str().unwrap().to_owned(), pid))
    };
    all.iter().filter_map(one).collect()
}

fn many(count: usize) -> Herd {
    let herd = Herd::new();
    for n in 0..count {
        let name = format!("s{n:03}");
        herd.define(&name, FOREVER);
        herd.link(&name);
    }
    herd
}

fn comes_back(herd: &Herd, name: &str) {
    let old = herd.pid(name);
    kill(old, libc::SIGKILL);
    eventually("it comes back", || {
        let status = herd.status(name);
        let pid = i32::try_from(status["pid"].as_i64()?).ok()?;
        (pid != old && status["state"] == "running").then_some(())
    });
}

#[test]
fn five_hundred_services_run_beyond_the_usual_limit() {
    let mut herd = many(500);
    // Few at first, but it may have more.
    if !herd.start_limited(256, 4096) {
        return eprintln!("not tried: no limit of 4096 descriptors here");
    }
    eventually("all run", || (running(&herd).len() == 500).then_some(()));
    for name in ["s000", "s250", "s499"] {
        comes_back(&herd, name);
    }
    // A service has the limit that herd was given.
    let pid = herd.pid("s007");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[3..5], ["256", "4096"]);
}

#[test]
fn with_few_descriptors_what_runs_is_restarted_and_commands_are_answered() {
    let mut herd = many(60);
    assert!(herd.start_limited(80, 80));
    eventually("some wait", || {
        herd.log("s059")
            .contains("too few descriptors")
            .then_some(())
    });
    let before = running(&herd);
    assert!((10..60).contains(&before.len()), "{}", before.len());
    // Connections that ask nothing leave room for restarts.
    let idle: Vec<UnixStream> = (0..40)
        .map(|_| UnixStream::connect(herd.root.join("run/herd/control.sock")).unwrap())
        .collect();
    for (name, _) in &before {
        let pid = herd.pid(name);
        kill(pid, libc::SIGKILL);
        eventually("it is dead", || (!alive(pid)).then_some(()));
    }
    eventually("as many run again", || {
        let now = running(&herd);
        let new = now.iter().all(|one| !before.contains(one));
        (now.len() >= before.len() && new).then_some(())
    });
    drop(idle);
    herd.ok(&["stop", &before[0].0]);
}

#[test]
fn clients_that_ask_nothing_are_closed_and_herd_sleeps() {
    let herd = Herd::with("web", FOREVER);
    let mut idle: Vec<UnixStream> = (0..70)
        .map(|_| UnixStream::connect(herd.root.join("run/herd/control.sock")).unwrap())
        .collect();
    let begin = Instant::now();
    herd.pid("web");
    assert!(begin.elapsed() < Duration::from_secs(8));
    let mut first = idle.swap_remove(0);
    first
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert_eq!(first.read(&mut [0; 16]).unwrap(), 0);
}

#[test]
fn an_output_that_outlives_its_instance_is_closed() {
    let mut herd = Herd::new();
    herd.start();
    let pipes = || {
        let files = fs::read_dir(format!("/proc/{}/fd", herd.daemon_pid())).unwrap();
        let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        links
            .filter(|to| to.to_string_lossy().contains("run/herd/outputs/"))
            .count()
    };
    let before = pipes();
    // It leaves its control group as well, as only an administrator can.
    let leaves = herd.root.join("leaves");
    fs::write(
        &leaves,
        "for top in $(awk '$3 == \"cgroup2\" { print $2 }' /proc/mounts); do\n\
         echo 0 >$top/cgroup.procs; done 2>/dev/null\n\
         : >$1; exec sleep 30\n",
    )
    .unwrap();
    let (leaves, gone) = (leaves.display(), herd.root.join("gone"));
    let gone = gone.display();
    herd.define(
        "leaver",
        &format!(
            "command = ['sh', '-c', 'setsid env -i PATH=\"$PATH\" sh {leaves} {gone} & \
             until [ -e {gone} ]; do sleep 0.05; done']\nrestart = 'never'\n"
        ),
    );
    herd.link("leaver");
    herd.ok(&["reload"]);
    herd.wait_log("leaver", "not restarted");
    assert!(pipes() > before);
    herd.wait_log("leaver", "what it left running holds its output: closed");
    eventually("its pipes are closed", || (pipes() == before).then_some(()));
}
