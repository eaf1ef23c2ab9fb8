//! herd with real services, from outside.

mod common;

use common::{Herd, alive, eventually, kill};
use std::fs;
use std::io::{BufRead, BufReader};

const FOREVER: &str = "command = ['sleep', '1000']\nbackoff = '10ms..20ms'\n";

#[test]
fn killed_twenty_times_it_is_back_twenty_times() {
    let herd = Herd::with("web", FOREVER);
    let mut pids = vec![herd.pid("web")];
    for n in 1..=20 {
        let old = *pids.last().unwrap();
        kill(old, libc::SIGKILL);
        let pid = eventually("a new instance", || {
            let status = herd.status("web");
            let pid = i32::try_from(status["pid"].as_i64()?).ok()?;
            (pid != old && status["restarts"] == n).then_some(pid)
        });
        assert!(!alive(old));
        pids.push(pid);
    }
    let log = herd.log("web");
    assert_eq!(log.matches("killed by SIGKILL").count(), 20, "{log}");
    assert_eq!(log.matches("started, pid").count(), 21, "{log}");
    assert_eq!(pids.iter().filter(|pid| alive(**pid)).count(), 1);
}

#[test]
fn output_is_logged_to_the_last_byte_with_the_reason_of_the_end() {
    let herd = Herd::with(
        "talk",
        "command = ['sh', '-c', 'echo one; echo two >&2; printf tail; exit 7']\nrestart = 'never'\n",
    );
    herd.wait_state("talk", "stopped");
    let log = herd.wait_log("talk", "not restarted");
    for line in [
        "herd | started, pid",
        "out  | one\n",
        "err  | two\n",
        "out  | tail\n",
        "exited with status 7 after",
    ] {
        assert!(log.contains(line), "{line:?} in {log}");
    }
    assert!(log.find("tail").unwrap() < log.find("exited with").unwrap());
    assert_eq!(herd.ok(&["log", "talk", "-n", "all"]), log);
    assert_eq!(herd.ok(&["log", "talk", "-n", "1"]).lines().count(), 1);
}

#[test]
fn a_flood_of_output_is_turned_over_and_its_end_is_kept() {
    let herd = Herd::with(
        "flood",
        "command = ['sh', '-c', 'seq 1 20000; echo the end']\nrestart = 'never'\n\
         [log]\nmax_size = '32K'\nkeep = 2\n",
    );
    let log = herd.wait_log("flood", "not restarted");
    assert!(log.contains("| the end\n"));
    let folder = herd.root.join("var/log/herd");
    for name in ["flood.log", "flood.log.1", "flood.log.2"] {
        let size = fs::metadata(folder.join(name)).unwrap().len();
        assert!(size <= 32 << 10, "{name}: {size}");
    }
    assert!(!folder.join("flood.log.3").exists());
    let last = herd.ok(&["log", "flood", "-n", "1500"]);
    assert_eq!(last.lines().count(), 1500);
    let shown = last.lines().filter_map(|line| line.split("| ").nth(1));
    let numbers: Vec<u32> = shown.filter_map(|text| text.parse().ok()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(numbers.last(), Some(&20000));
}

#[test]
fn stop_and_start_and_restart_do_what_they_say() {
    let herd = Herd::with("web", FOREVER);
    let first = herd.pid("web");
    assert!(herd.ok(&["stop", "web"]).contains("is stopped"));
    assert!(!alive(first));
    herd.fails(&["status", "web"], 1);
    std::thread::sleep(std::time::Duration::from_millis(200));
    herd.ok(&["reload"]);
    assert_eq!(herd.status("web")["state"], "stopped");
    assert!(herd.ok(&["start", "web"]).contains("is running"));
    assert!(herd.ok(&["start", "web"]).contains("already"));
    let second = herd.pid("web");
    herd.ok(&["restart", "web"]);
    let third = herd.pid("web");
    assert!(!alive(second) && alive(third) && second != third);
    assert_eq!(herd.status("web")["restarts"], 0);
}

#[test]
fn a_service_that_ignores_the_signal_is_killed_with_its_group() {
    let herd = Herd::with(
        "deaf",
        "command = ['sh', '-c', 'trap \"\" TERM; sleep 1000 & echo child $!; while :; do wait; done']\n\
         stop_timeout = '300ms'\n",
    );
    let log = herd.wait_log("deaf", "child ");
    let child = log
        .split("child ")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next();
    let child: i32 = child.unwrap().parse().unwrap();
    assert!(alive(child));
    herd.ok(&["stop", "deaf"]);
    let log = herd.wait_log("deaf", "killed by SIGKILL");
    assert!(
        log.contains("did not stop within 300 ms: killing it"),
        "{log}"
    );
    eventually("the child is gone", || (!alive(child)).then_some(()));
}

#[test]
fn what_a_dead_service_leaves_running_is_killed() {
    let herd = Herd::with(
        "leaver",
        "command = ['sh', '-c', 'sleep 1000 & echo child $!']\nrestart = 'never'\n",
    );
    let log = herd.wait_log("leaver", "not restarted");
    let child = log
        .split("child ")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next();
    let child: i32 = child.unwrap().parse().unwrap();
    eventually("the child is gone", || (!alive(child)).then_some(()));
}

#[test]
fn a_missing_program_is_told_and_tried_again_when_something_changes() {
    let herd = Herd::with(
        "gone",
        "command = '/nowhere/program'\nbackoff = '10ms..60s'\n",
    );
    let log = herd.wait_log("gone", "not tried again until");
    assert!(
        log.contains("cannot start: /nowhere/program: No such file"),
        "{log}"
    );
    assert_eq!(herd.status("gone")["state"], "failed");
    let error = herd.fails(&["start", "gone"], 1);
    assert!(
        error.contains("does not run") && error.contains("No such file"),
        "{error}"
    );
    assert_eq!(herd.status("gone")["restarts"], 0);
    herd.define("gone", FOREVER);
    herd.ok(&["reload"]);
    herd.pid("gone");
}

#[test]
fn a_service_that_gives_up_is_left_alone() {
    let herd = Herd::with("quits", "command = ['sh', '-c', 'exit 125']\n");
    let log = herd.wait_log("quits", "not tried again until");
    assert!(log.contains("exited with status 125"), "{log}");
    assert_eq!(herd.wait_state("quits", "failed")["restarts"], 0);
}

#[test]
fn a_service_that_had_run_is_back_at_once() {
    let herd = Herd::with("web", "command = ['sleep', '1000']\nbackoff = '1h..1h'\n");
    let pid = herd.pid("web");
    eventually("it has run for a second", || {
        (herd.status("web")["running_ms"].as_u64()? >= 1_000).then_some(())
    });
    kill(pid, libc::SIGKILL);
    herd.wait_log("web", "restarting at once");
    assert_ne!(herd.pid("web"), pid);
}

#[test]
fn enable_and_disable_change_the_link_and_the_service() {
    let mut herd = Herd::new();
    herd.define("web", FOREVER);
    let link = herd.root.join("etc/herd/enabled/web.conf");
    assert!(herd.ok(&["enable", "web"]).contains("does not run now"));
    herd.ok(&["disable", "web"]);
    assert!(!link.exists());
    herd.start();
    assert_eq!(herd.status("web")["enabled"], false);
    assert!(herd.ok(&["enable", "web"]).contains("is running"));
    assert_eq!(
        fs::read_link(&link).unwrap().to_str(),
        Some("../available/web.conf")
    );
    let pid = herd.pid("web");
    herd.ok(&["enable", "web"]);
    assert_eq!(herd.pid("web"), pid);
    herd.ok(&["disable", "web"]);
    assert!(!link.exists() && !alive(pid));
    herd.fails(&["enable", "nothing"], 2);
    herd.fails(&["disable", "nothing"], 2);
}

#[test]
fn reload_starts_what_is_newly_enabled() {
    let herd = Herd::with("one", FOREVER);
    let pid = herd.pid("one");
    herd.define("two", FOREVER);
    herd.link("two");
    assert!(herd.ok(&["reload"]).contains("2 services"));
    herd.pid("two");
    herd.define("three", FOREVER);
    herd.link("three");
    herd.signal(libc::SIGHUP);
    herd.pid("three");
    assert_eq!(herd.pid("one"), pid);
}

#[test]
fn a_torn_definition_is_named_and_the_others_run() {
    let mut herd = Herd::new();
    herd.define("good", FOREVER);
    herd.define("torn", "command = 'sleep 1'\nrestart = 'alw");
    herd.link("good");
    herd.link("torn");
    herd.link("dangling");
    herd.start();
    let pid = herd.pid("good");
    let status = herd.status("torn");
    assert_eq!(status["state"], "invalid");
    let error = status["error"].as_str().unwrap();
    assert!(error.contains("torn.conf:2: "), "{error}");
    let error = herd.status("dangling")["error"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        error.contains("../available/dangling.conf, which is not there"),
        "{error}"
    );
    assert!(herd.fails(&["start", "torn"], 2).contains("torn.conf:2"));
    assert!(herd.fails(&["config"], 2).contains("2 of 3"));
    herd.define("good", "command = [");
    herd.ok(&["reload"]);
    kill(pid, libc::SIGKILL);
    let status = eventually("it runs with its last good definition", || {
        let status = herd.status("good");
        (status["state"] == "running" && status["restarts"] == 1).then_some(status)
    });
    assert!(status["error"].as_str().unwrap().contains("good.conf:1"));
}

#[test]
fn log_f_shows_what_comes() {
    let herd = Herd::with(
        "tick",
        "command = ['sh', '-c', 'n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.05; done']\n",
    );
    herd.wait_log("tick", "tick 3");
    let mut reader = herd.spawn(&["log", "tick", "-n", "all", "-f"]);
    let lines = BufReader::new(reader.stdout.take().unwrap()).lines();
    let numbers: Vec<u32> = lines
        .map(|line| line.unwrap())
        .filter_map(|line| line.split("tick ").nth(1)?.parse().ok())
        .take(20)
        .collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<u32>>());
    reader.kill().unwrap();
    reader.wait().unwrap();
}

#[test]
fn environment_folder_and_input_are_as_defined() {
    let herd = Herd::with(
        "env",
        "command = ['sh', '-c', 'pwd; echo $A $HERD_SERVICE $HOME; cat; ps -o sid= -p $$; echo $$']\n\
         cwd = '/tmp'\nrestart = 'never'\n[env]\nA = 'b c'\n",
    );
    let log = herd.wait_log("env", "not restarted");
    assert!(log.contains("out  | /tmp\n"), "{log}");
    assert!(log.contains("out  | b c env /root\n"), "{log}");
    let pids: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split("out  | ").nth(1))
        .map(str::trim)
        .filter(|text| text.parse::<u32>().is_ok())
        .collect();
    assert_eq!(pids.len(), 2, "{log}");
    assert_eq!(pids[0], pids[1], "a session of its own: {log}");
}

#[test]
fn an_unusable_user_or_folder_is_an_honest_error() {
    let mut herd = Herd::new();
    herd.define(
        "user",
        "command = 'true'\nuser = 'nobody-of-this-name'\nrestart = 'never'\n",
    );
    herd.define(
        "folder",
        "command = 'true'\ncwd = '/nowhere'\nrestart = 'never'\n",
    );
    herd.link("user");
    herd.link("folder");
    herd.start();
    let end = |name: &str| herd.wait_state(name, "failed")["last_end"].to_string();
    assert!(end("user").contains("not listed in /etc/passwd"));
    assert!(end("folder").contains("cwd: /nowhere: No such file"));
}

#[test]
fn a_stop_in_order_ends_everything() {
    let mut herd = Herd::new();
    let loud = |after: &str| {
        format!(
            "command = ['sh', '-c', 'trap \"exit 0\" TERM; while :; do sleep 0.01; done']\n{after}\n"
        )
    };
    herd.define("base", &loud(""));
    herd.define("top", &loud("after = ['base']"));
    herd.link("base");
    herd.link("top");
    herd.start();
    let pids = [herd.pid("base"), herd.pid("top")];
    herd.signal(libc::SIGTERM);
    assert_eq!(herd.left().code(), Some(0));
    assert!(pids.iter().all(|pid| !alive(*pid)));
    assert!(!herd.root.join("run/herd/control.sock").exists());
    let console = fs::read_to_string(herd.root.join("console")).unwrap();
    let place = |text: &str| {
        console
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {console}"))
    };
    assert!(place("base: started") < place("top: started"));
    assert!(place("top: stopping") < place("base: stopping"));
    assert!(place("all services have stopped") > place("base: stopping"));
}

#[test]
fn there_is_one_herd_for_a_root_and_it_cannot_power_off_here() {
    let herd = Herd::with("web", FOREVER);
    let error = herd.fails(&["daemon"], 1);
    let holder = format!("another herd, process {}", herd.daemon_pid());
    assert!(error.contains(&holder), "{error}");
    // It is the lock that counts, not the socket.
    fs::rename(
        herd.root.join("run/herd/control.sock"),
        herd.root.join("run/herd/aside"),
    )
    .unwrap();
    assert!(herd.fails(&["daemon"], 1).contains("another herd"));
    fs::rename(
        herd.root.join("run/herd/aside"),
        herd.root.join("run/herd/control.sock"),
    )
    .unwrap();
    assert!(herd.fails(&["poweroff"], 1).contains("not process 1"));
    herd.pid("web");
    herd.fails(&["stop", "nothing"], 2);
    herd.fails(&["frobnicate"], 2);
    let none = Herd::new();
    assert!(none.fails(&["status"], 1).contains("herd daemon"));
}

#[test]
fn an_idle_herd_sleeps() {
    let herd = Herd::with("web", FOREVER);
    herd.pid("web");
    let file = format!("/proc/{}/status", herd.daemon_pid());
    let switches = || {
        let text = fs::read_to_string(&file).unwrap();
        let line = text.lines().find(|line| line.starts_with("voluntary_ctxt"));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    // What begins may still be noted at first.
    eventually("herd sleeps", || {
        let before = switches();
        std::thread::sleep(std::time::Duration::from_secs(2));
        (before == switches()).then_some(())
    });
}

#[test]
fn check_says_all_that_is_wrong() {
    let herd = Herd::new();
    herd.define("web", FOREVER);
    herd.define(
        "bad",
        "command = '/nowhere/x'\nuser = 'nobody-of-this-name'\ncwd = '/nowhere'\n\
         after = ['wbe']\n",
    );
    herd.define("key", "command = 'true'\nrestrat = 'never'\n");
    herd.define("ring", "command = 'true'\nafter = ['ring']\n");
    let output = herd.run(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "web: good",
        "command: /nowhere/x is no program",
        "cwd: /nowhere is no folder",
        "user: nobody-of-this-name: not listed",
        "no service is called wbe, did you mean \"web\"?",
        "key.conf:2: unknown key restrat",
        "did you mean \"restart\"?",
        "waits for itself: ring -> ring",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_wrong_name_suggests_the_near_one() {
    let herd = Herd::with("httpd", FOREVER);
    let error = herd.fails(&["stop", "htpd"], 2);
    assert!(error.contains("did you mean \"httpd\"?"), "{error}");
}

#[test]
fn why_tells_the_state_and_the_end_of_the_log() {
    let mut herd = Herd::new();
    herd.define(
        "loops",
        "command = ['sh', '-c', 'echo out of feathers; exit 3']\n\
         backoff = '1ms..300ms'\n",
    );
    herd.define("fine", FOREVER);
    herd.link("loops");
    herd.start();
    herd.wait_log("loops", "crash loop: it ended five times within 30 s");
    assert_eq!(herd.status("loops")["crash_loop"], true);
    let why = herd.ok(&["why", "loops"]);
    for words in ["in a crash loop", "exited with status 3", "out of feathers"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    herd.ok(&["stop", "loops"]);
    assert!(herd.ok(&["why", "fine"]).contains("stopped"));
    assert!(
        herd.fails(&["why", "fin"], 2)
            .contains("did you mean \"fine\"?")
    );
}

#[test]
fn one_that_is_stopped_by_a_signal_still_stops() {
    let herd = Herd::with("web", "command = ['sleep', '1000']\nstop_timeout = '5m'\n");
    let pid = herd.pid("web");
    kill(pid, libc::SIGSTOP);
    herd.ok(&["stop", "web"]);
    assert!(!alive(pid));
}
