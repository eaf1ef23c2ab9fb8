//! What goes wrong all at once. `cargo xtask herd-stress` does more of each.

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Herd, alive, eventually, kill};

const FOREVER: &str = "command = ['sleep', '1000']\nbackoff = '10ms..60s'\n";

/// So many where there is time, else a few.
fn times(many: usize, few: usize) -> usize {
    match std::env::var_os("HERD_STRESS") {
        Some(_) => many,
        None => few,
    }
}

/// An operator is heard at once, as far as a host that is busy with other tests lets
/// that be.
#[track_caller]
fn answers(herd: &Herd) {
    let begin = Instant::now();
    herd.ok(&["status"]);
    let took = begin.elapsed();
    let limit = Duration::from_secs(times(1, 10) as u64);
    assert!(took < limit, "status took {took:?}");
}

#[test]
fn orphans_by_the_thousand_are_collected_and_stopped() {
    let count = times(10_000, 500);
    // Each has lost its parent at once; every hundredth stays, in a session of its own.
    let script = format!(
        "i=0; while [ $i -lt {count} ]; do i=$((i+1)); \
         if [ $((i % 100)) = 0 ]; then (setsid sleep 1000 &); else (true &); fi; done; \
         echo all; exec sleep 1000"
    );
    let herd = Herd::with("parent", &format!("command = ['sh', '-c', '{script}']\n"));
    eventually("all are there", || {
        answers(&herd);
        herd.log("parent").contains("out  | all").then_some(())
    });
    let state = |pid: i32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let children = || {
        let all = fs::read_dir("/proc").unwrap();
        let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let parent = format!(" {} ", herd.daemon_pid());
        pids.filter(|pid: &i32| {
            let stat = state(*pid);
            let rest = stat.rsplit(')').next().unwrap_or_default().get(2..);
            rest.unwrap_or_default().starts_with(&parent)
        })
        .collect::<Vec<i32>>()
    };
    eventually("the ended are collected", || {
        let all = children();
        (all.iter().all(|pid| alive(*pid)) && all.len() == count / 100 + 1).then_some(())
    });
    herd.ok(&["stop", "parent"]);
    assert!(children().is_empty());
}

/// Runs herd with a disk of its own, of 64 KiB, for its logs. `false` if this system or
/// user may have none.
fn start_with_log_disk(herd: &mut Herd) -> bool {
    let logs = herd.root.join("var/log/herd");
    fs::create_dir_all(&logs).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c"]).arg(format!(
        "mount -t tmpfs -o size=64k none {} && exec \"$@\"",
        logs.display()
    ));
    command.arg("sh");
    let try_out = Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"])
        .stderr(Stdio::null())
        .status();
    if !try_out.is_ok_and(|status| status.success()) {
        return false;
    }
    command.arg(env!("CARGO_BIN_EXE_herd")).arg("daemon");
    command.env("HERD_ROOT", &herd.root);
    herd.start_by(command);
    true
}

/// Runs a command where herd sees its files.
fn inside(herd: &Herd, script: &str) -> String {
    let output = Command::new("nsenter")
        .args(["-t", &herd.daemon_pid().to_string(), "-m", "sh", "-c"])
        .arg(format!(
            "L={}; {script}",
            herd.root.join("var/log/herd").display()
        ))
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_log_disk_that_is_full_read_only_or_gone_holds_nobody_up() {
    let mut herd = Herd::new();
    // More than the disk holds, then a little all the time.
    let lines = "while :; do i=$((i+1)); echo line $i of some sixty characters, so that it \
                 fills; [ $i -lt 3000 ] || sleep 0.05; done";
    herd.define(
        "loud",
        &format!("command = ['sh', '-c', '''{lines}''']\n[log]\nmax_size = '512K'\n"),
    );
    herd.define("quiet", FOREVER);
    herd.link("loud");
    herd.link("quiet");
    if !start_with_log_disk(&mut herd) {
        return eprintln!("not tried: no disk for logs alone here");
    }
    let goes_on = |herd: &Herd| {
        for _ in 0..3 {
            answers(herd);
            let old = herd.pid("quiet");
            herd.ok(&["restart", "quiet"]);
            assert!(!alive(old));
        }
    };
    let last = |herd: &Herd| inside(herd, "tail -n 1 $L/loud.log");
    let moves = |herd: &Herd| {
        let before = last(herd);
        eventually("the log goes on", || (last(herd) != before).then_some(()));
    };
    eventually("the disk is full", || {
        let console = fs::read_to_string(herd.root.join("console")).unwrap();
        console.contains("No space left").then_some(())
    });
    goes_on(&herd);
    inside(&herd, "mount -o remount,size=8m $L");
    moves(&herd);
    eventually("what was lost is counted", || {
        let lost = inside(&herd, "cat $L/loud.log* | grep -c 'lost' || :");
        (lost.trim() != "0").then_some(())
    });
    // A disk that is written to becomes read-only by force only.
    inside(
        &herd,
        "mount -o remount,ro $L 2>/dev/null || mount -o bind,ro $L $L",
    );
    goes_on(&herd);
    inside(&herd, "umount -l $L || :; umount -l $L 2>/dev/null || :");
    goes_on(&herd);
    // What is below is written to.
    eventually("the log goes on elsewhere", || {
        herd.log("loud").contains("out  | line").then_some(())
    });
    herd.ok(&["stop", "loud"]);
}

#[test]
fn two_hundred_crash_loops_leave_room_for_an_operator() {
    let mut herd = Herd::new();
    for n in 0..200 {
        let name = format!("s{n:03}");
        herd.define(&name, "command = ['false']\nbackoff = '10ms..100ms'\n");
        herd.link(&name);
    }
    herd.define("good", FOREVER);
    herd.link("good");
    herd.start();
    let begin = Instant::now();
    let limit = Duration::from_secs(times(20, 3) as u64);
    while begin.elapsed() < limit {
        answers(&herd);
        let old = herd.pid("good");
        herd.ok(&["restart", "good"]);
        assert!(!alive(old));
    }
    eventually("a crash loop", || {
        (herd.status("s100")["crash_loop"] == true).then_some(())
    });
    herd.ok(&["stop", "s*"]);
}

/// How often the threads of a process have given up the CPU: a wake-up each.
fn wake_ups(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let count = |text: String| -> u64 {
        let lines = text.lines().filter(|line| line.contains("ctxt_switches:"));
        let numbers = lines.filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok());
        numbers.sum()
    };
    texts.map(count).sum()
}

#[test]
fn services_that_do_nothing_wake_nobody_up() {
    let count = times(1_000, 200);
    let mut herd = Herd::new();
    for n in 0..count {
        let name = format!("s{n:04}");
        herd.define(&name, "command = ['sleep', '100000']\n");
        herd.link(&name);
    }
    herd.start();
    eventually("all run", || {
        let all = herd.ok(&["status", "--json"]);
        (all.matches("\"running\"").count() == count).then_some(())
    });
    // What the last commands have left to do is done by then.
    std::thread::sleep(Duration::from_secs(12));
    let before = wake_ups(herd.daemon_pid());
    assert!(before > 0);
    std::thread::sleep(Duration::from_secs(times(60, 3) as u64));
    assert_eq!(wake_ups(herd.daemon_pid()), before);
}

/// What herd is doing when it is killed.
const PHASES: [&[&str]; 8] = [
    &["status"],
    &["stop", "a*"],
    &["start", "a*"],
    &["restart", "*"],
    &["reload"],
    &["upgrade"],
    &["disable", "a*"],
    &["enable", "a0", "a1", "a2", "a3"],
];

#[test]
fn killed_whatever_it_does_there_is_one_of_each() {
    let mut herd = Herd::new();
    for n in 0..4 {
        let name = format!("a{n}");
        herd.define(
            &name,
            "command = ['sh', '-c', 'trap \"sleep 0.02; exit\" TERM; while :; do sleep 1 & wait; done']\n\
             pre_start = 'sleep 0.01'\npost_stop = 'sleep 0.01'\nbackoff = '1ms..5ms'\n",
        );
        herd.link(&name);
        let name = format!("b{n}");
        herd.define(
            &name,
            "command = ['sh', '-c', 'sleep 0.0$(($$ % 8)); exit 1']\nbackoff = '1ms..5ms'\n",
        );
        herd.link(&name);
    }
    for round in 0..times(100, 16) {
        herd.start();
        let phase = PHASES[round % PHASES.len()];
        let mut operator = herd.spawn(phase);
        std::thread::sleep(Duration::from_millis(round as u64 * 13 % 50));
        herd.signal(libc::SIGKILL);
        herd.left();
        let _ = operator.wait();
    }
    herd.start();
    herd.ok(&["enable", "a0", "a1", "a2", "a3"]);
    let mut all: Vec<i32> = (0..4).map(|n| herd.pid(&format!("a{n}"))).collect();
    let mine = format!("{}/run/herd/outputs/a", herd.root.display());
    eventually("one of each", || {
        let mut leaders: Vec<i32> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                let out = fs::read_link(format!("/proc/{pid}/fd/1")).unwrap_or_default();
                // SAFETY: `getsid` touches no memory.
                out.to_string_lossy().starts_with(&mine) && unsafe { libc::getsid(*pid) } == *pid
            })
            .collect();
        leaders.sort_unstable();
        all.sort_unstable();
        (leaders == all).then_some(())
    });
    herd.ok(&["stop", "*"]);
    for pid in all {
        assert!(!alive(pid));
        kill(pid, 0);
    }
}
