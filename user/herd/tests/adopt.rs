//! A herd that ends without its services is followed by one that has them.

mod common;

use common::{Herd, alive, eventually, kill};

const LIVELY: &str = "command = ['sh', '-c', '''
n=0
while :; do n=$((n+1)); echo line $n; sleep 0.02; done''']
backoff = '10ms..60s'
";

const FOREVER: &str = "command = ['sleep', '1000']\nbackoff = '10ms..60s'\n";

fn die(herd: &mut Herd) {
    herd.signal(libc::SIGKILL);
    assert_eq!(herd.left().code(), None);
}

fn comes_back(herd: &Herd, name: &str) {
    let old = herd.pid(name);
    kill(old, libc::SIGKILL);
    eventually("it is started again", || {
        let status = herd.status(name);
        (status["pid"].as_i64()? != i64::from(old)).then_some(())
    });
    assert!(!alive(old));
}

#[test]
fn what_runs_goes_on_with_its_output_and_is_supervised() {
    let mut herd = Herd::with("lively", LIVELY);
    let pid = herd.pid("lively");
    for _ in 0..5 {
        die(&mut herd);
        assert!(alive(pid));
        herd.start();
        assert_eq!(herd.pid("lively"), pid);
    }
    // What it wrote while there was no herd is in the log as well. The lines
    // that a herd had read and not written yet are lost with it.
    let lines = |herd: &Herd| {
        let log = herd.log("lively");
        let lines = log
            .lines()
            .filter_map(|line| line.split("out  | line ").nth(1));
        lines.filter_map(|n| n.parse().ok()).collect::<Vec<u64>>()
    };
    let before = lines(&herd).len();
    eventually("more output", || {
        (lines(&herd).len() > before + 5).then_some(())
    });
    let numbers = lines(&herd);
    assert!(numbers.is_sorted());
    comes_back(&herd, "lively");
    assert_eq!(
        herd.log("lively")
            .matches("runs on under a new herd")
            .count(),
        5
    );
}

#[test]
fn what_an_operator_stopped_stays_stopped_and_what_waits_waits() {
    let mut herd = Herd::with("stopped", FOREVER);
    herd.define("failed", "command = ['/no/such/program']\n");
    herd.define("waits", "command = ['false']\nbackoff = '1h..1h'\n");
    herd.define(
        "timer",
        "command = ['true']\ntype = 'timer'\nschedule = 'every 1h'\n",
    );
    herd.define("started", FOREVER);
    herd.link("failed");
    herd.link("waits");
    herd.link("timer");
    herd.ok(&["reload"]);
    herd.ok(&["stop", "stopped"]);
    herd.ok(&["start", "started"]);
    herd.wait_state("failed", "failed");
    let restarts = herd.wait_state("waits", "backoff")["restarts"].clone();
    herd.wait_state("timer", "scheduled");
    let started = herd.pid("started");
    die(&mut herd);
    herd.start();
    assert_eq!(herd.pid("started"), started);
    assert_eq!(herd.status("stopped")["state"], "stopped");
    assert_eq!(herd.status("failed")["state"], "failed");
    let status = herd.status("waits");
    assert_eq!(status["state"], "backoff");
    assert_eq!(status["restarts"], restarts);
    // It ran once, before.
    assert_eq!(herd.status("timer")["state"], "scheduled");
    assert_eq!(herd.log("timer").matches("started, pid").count(), 1);
    herd.ok(&["stop", "started"]);
    assert!(!alive(started));
    // A herd that stops everything leaves nothing to the next.
    herd.signal(libc::SIGTERM);
    assert_eq!(herd.left().code(), Some(0));
    herd.start();
    herd.pid("stopped");
    assert_eq!(herd.status("started")["state"], "stopped");
}

#[test]
fn what_ended_meanwhile_is_started_and_what_is_gone_is_stopped() {
    let mut herd = Herd::with("ended", FOREVER);
    herd.define("gone", FOREVER);
    herd.link("gone");
    herd.ok(&["reload"]);
    let (ended, gone) = (herd.pid("ended"), herd.pid("gone"));
    die(&mut herd);
    kill(ended, libc::SIGKILL);
    eventually("it is dead", || (!alive(ended)).then_some(()));
    for folder in ["available", "enabled"] {
        std::fs::remove_file(herd.root.join(format!("etc/herd/{folder}/gone.conf"))).unwrap();
    }
    herd.start();
    eventually("a new one runs", || {
        let pid = herd.status("ended")["pid"].as_i64()?;
        (pid != i64::from(ended)).then_some(())
    });
    herd.wait_log("ended", "ended in a way that herd did not see");
    eventually("what has no definition is stopped", || {
        (!alive(gone)).then_some(())
    });
}

#[test]
fn an_upgrade_keeps_everything() {
    let herd = Herd::with("web", FOREVER);
    let pid = herd.pid("web");
    let versions = || {
        let console = std::fs::read_to_string(herd.root.join("console")).unwrap();
        console.matches("herd: version").count()
    };
    for times in 2..5 {
        herd.ok(&["upgrade"]);
        eventually("the new program runs", || {
            (versions() == times && herd.run(&["status"]).status.success()).then_some(())
        });
        assert_eq!(herd.pid("web"), pid);
    }
    comes_back(&herd, "web");
    // It was a child all the time.
    assert!(herd.log("web").contains("killed by SIGKILL"));
}

#[test]
fn a_herd_that_dies_at_any_moment_never_leaves_two() {
    let mut herd = Herd::new();
    for n in 0..8 {
        let name = format!("s{n}");
        herd.define(
            &name,
            "command = ['sh', '-c', 'sleep 0.0$(($$ % 8)); exit 1']\n\
             backoff = '1ms..5ms'\n",
        );
        herd.link(&name);
        let name = format!("t{n}");
        herd.define(&name, FOREVER);
        herd.link(&name);
    }
    for round in 0..20u64 {
        herd.start();
        std::thread::sleep(std::time::Duration::from_millis(round * 7 % 40));
        die(&mut herd);
    }
    herd.start();
    let mut all: Vec<i32> = (0..8).map(|n| herd.pid(&format!("t{n}"))).collect();
    // Everything of this root that lives is what it says.
    let mine = format!("{}/run/herd/outputs/t", herd.root.display());
    let mut found: Vec<i32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let out = std::fs::read_link(format!("/proc/{pid}/fd/1")).unwrap_or_default();
            out.to_string_lossy().starts_with(&mine)
        })
        .collect();
    all.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, all);
}

/// As after a reboot: nothing runs, and nothing of the last run of the machine is known.
fn reboot(herd: &mut Herd) {
    herd.signal(libc::SIGTERM);
    assert!(herd.left().success());
    let run = herd.root.join("run/herd");
    std::fs::remove_dir_all(run).unwrap();
}

#[test]
fn the_last_good_definition_outlives_a_reboot() {
    let mut herd = Herd::new();
    for name in ["web", "gone", "off"] {
        herd.define(name, FOREVER);
    }
    herd.link("web");
    herd.link("gone");
    herd.start();
    herd.pid("web");
    let kept = herd.root.join("var/lib/herd/definitions");
    let is_kept = |words: &str| {
        eventually("it is kept", || {
            let text = std::fs::read_to_string(&kept).unwrap_or_default();
            text.contains(words).then_some(())
        });
    };
    is_kept("\"off\"");
    // A change counts, too.
    herd.define("web", "command = ['sleep', '1001']\n");
    herd.ok(&["reload"]);
    is_kept("1001");
    reboot(&mut herd);
    herd.define("web", "command = ['sleep', '1002'\n");
    herd.define("off", "torn");
    for folder in ["available", "enabled"] {
        let file = herd.root.join(format!("etc/herd/{folder}/gone.conf"));
        std::fs::remove_file(file).unwrap();
    }
    // What is no definition in the file is passed over.
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, format!("{{\"name\": 1}}\n\0torn\n{text}")).unwrap();
    herd.start();
    let pid = herd.pid("web");
    let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(words, "sleep\x001001\0");
    let status = herd.status("web");
    let error = status["error"].as_str().unwrap();
    assert!(error.contains("web.conf:1"), "{error}");
    herd.wait_log("web", "the last definition without a mistake counts");
    assert_eq!(herd.status("off")["state"], "invalid");
    assert!(herd.status("gone").is_null());
    // Again, though nothing was good since; and when herd dies.
    reboot(&mut herd);
    herd.start();
    let pid = herd.pid("web");
    die(&mut herd);
    herd.start();
    assert_eq!(herd.pid("web"), pid);
    comes_back(&herd, "web");
    // A whole one is as good as ever.
    herd.define("web", "command = ['sleep', '1003']\n");
    herd.ok(&["reload"]);
    herd.ok(&["restart", "web"]);
    let pid = herd.pid("web");
    let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(words, "sleep\x001003\0");
}

#[test]
fn timers_outlive_a_reboot() {
    let mut herd = Herd::new();
    let definition = "command = ['echo', 'ran']\ntype = 'timer'\nschedule = 'every 1h'\n";
    for name in ["rare", "over"] {
        herd.define(name, definition);
        herd.link(name);
    }
    herd.start();
    let file = herd.root.join("var/lib/herd/timers");
    for name in ["rare", "over"] {
        herd.wait_state(name, "scheduled");
    }
    let text = eventually("both are kept", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() == 2).then_some(text)
    });
    reboot(&mut herd);
    let rare = text.lines().find(|line| line.starts_with("rare ")).unwrap();
    std::fs::write(&file, format!("over 1000\nno line\n{rare}\n")).unwrap();
    herd.start();
    eventually("what is over runs", || {
        (herd.log("over").matches("out  | ran").count() == 2).then_some(())
    });
    let status = herd.wait_state("rare", "scheduled");
    let due = status["due_ms"].as_u64().unwrap();
    assert!((3_400_000..=3_600_000).contains(&due), "{status}");
    assert_eq!(herd.log("rare").matches("out  | ran").count(), 1);
    // An operator need not wait.
    herd.ok(&["start", "rare"]);
    eventually("it has run again", || {
        (herd.log("rare").matches("out  | ran").count() == 2).then_some(())
    });
}
