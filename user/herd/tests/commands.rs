//! Commands for several services, for programs, and with a limit of time.

mod common;

use std::io::{BufRead, BufReader};

use common::{Herd, alive};

const FOREVER: &str = "command = ['sleep', '1000']\n";

fn three() -> Herd {
    let mut herd = Herd::new();
    for name in ["web-1", "web-2", "db"] {
        herd.define(name, FOREVER);
        herd.link(name);
    }
    herd.start();
    herd
}

#[test]
fn names_and_patterns_name_several() {
    let herd = three();
    let pids = ["web-1", "web-2", "db"].map(|name| herd.pid(name));
    let told = herd.ok(&["stop", "web-*", "web-1"]);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert_eq!(pids.map(alive), [false, false, true]);
    herd.fails(&["status", "db", "web-1"], 1);
    let told = herd.ok(&["start", "web-1", "web-[2-9]", "d?"]);
    assert!(told.contains("db is running already"), "{told}");
    assert!(told.contains("web-2 is running, pid"), "{told}");
    let shown = herd.ok(&["status", "web-*"]);
    assert!(shown.contains("web-2") && !shown.contains("db"), "{shown}");
    assert!(herd.fails(&["stop", "x*"], 2).contains("matches x*"));
    assert!(herd.fails(&["stop", "[x"], 2).contains("not a pattern"));
    assert!(herd.fails(&["stop", "../x"], 2).contains("service name"));
    herd.ok(&["disable", "web-*"]);
    assert_eq!(herd.status("web-2")["enabled"], false);
    assert_eq!(herd.status("db")["enabled"], true);
}

#[test]
fn more_names_than_connections_are_all_told() {
    let mut herd = Herd::new();
    for number in 0..100 {
        herd.define(&format!("n{number}"), FOREVER);
    }
    herd.start();
    let told = herd.ok(&["start", "n*"]);
    assert_eq!(told.matches(" is running, pid").count(), 100, "{told}");
    let told = herd.ok(&["stop", "n*"]);
    assert_eq!(told.matches(" is stopped").count(), 100, "{told}");
}

#[test]
fn one_that_fails_stands_for_all_and_the_others_are_done() {
    let herd = three();
    herd.define("bad", "comand = 'x'\n");
    herd.define("gone", "command = ['/nowhere/x']\n");
    herd.ok(&["reload"]);
    herd.ok(&["stop", "*"]);
    let errors = herd.fails(&["start", "gone", "db"], 1);
    assert!(errors.contains("gone does not run"), "{errors}");
    let errors = herd.fails(&["start", "bad", "gone", "web-1", "dbx"], 2);
    for words in ["bad.conf:1", "gone does not run", "did you mean \"db\""] {
        assert!(errors.contains(words), "{words}: {errors}");
    }
    for name in ["db", "web-1"] {
        assert_eq!(herd.status(name)["state"], "running", "{name}");
    }
    let shown = herd.run(&["status", "db", "dbx", "--json"]);
    assert_eq!(shown.status.code(), Some(2));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "{shown}");
}

#[test]
fn a_command_waits_no_longer_than_it_may() {
    let mut herd = Herd::new();
    herd.define(
        "slow",
        "command = ['sleep', '1000']\nready = 'unix:/nowhere/socket'\n",
    );
    herd.start();
    let error = herd.fails(&["start", "slow", "--timeout", "200ms"], 3);
    assert!(error.contains("slow took longer"), "{error}");
    assert_eq!(herd.status("slow")["state"], "starting");
    herd.ok(&["stop", "slow", "--timeout=1h"]);
}

#[test]
fn logs_and_reasons_are_for_programs_too() {
    let mut herd = Herd::new();
    for name in ["a", "b"] {
        let script = format!(
            "command = ['sh', '-c', 'echo {name} out; echo {name} err >&2; exec sleep 1000']\n"
        );
        herd.define(name, &script);
        herd.link(name);
    }
    herd.start();
    for name in ["a", "b"] {
        herd.wait_log(name, &format!("{name} err"));
        herd.wait_log(name, &format!("{name} out"));
    }
    let shown = herd.ok(&["log", "a", "b", "--json"]);
    let lines: Vec<serde_json::Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let has = |service: &str, origin: &str, text: &str| {
        lines.iter().any(|line| {
            line["service"] == service && line["origin"] == origin && line["text"] == text
        })
    };
    for name in ["a", "b"] {
        assert!(has(name, "out", &format!("{name} out")), "{shown}");
        assert!(has(name, "err", &format!("{name} err")), "{shown}");
    }
    let times: Vec<&str> = lines.iter().map(|l| l["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{shown}");
    let shown = herd.ok(&["log", "?", "-n", "all"]);
    assert!(shown.contains(" a out  | a out\n"), "{shown}");
    assert!(shown.contains(" b err  | b err\n"), "{shown}");
    assert_eq!(herd.ok(&["log", "a", "b", "-n", "1"]).lines().count(), 1);
    let why: serde_json::Value = serde_json::from_str(&herd.ok(&["why", "a", "--json"])).unwrap();
    assert_eq!(why["service"]["state"], "running");
    assert_eq!(why["log"].as_array().map(Vec::len), Some(lines.len() / 2));
}

#[test]
fn a_definition_is_made_from_a_command() {
    let mut herd = Herd::new();
    herd.start();
    let told = herd.ok(&[
        "new",
        "web",
        "--",
        "sh",
        "-c",
        "echo \"a  b\"; exec sleep 1000",
    ]);
    assert!(told.contains("`herd enable web` runs it"), "{told}");
    herd.ok(&["enable", "web"]);
    herd.wait_log("web", "out  | a  b");
    let error = herd.fails(&["new", "web", "--", "true"], 1);
    assert!(error.contains("is there already"), "{error}");
    assert!(herd.ok(&["config", "web"]).contains("sleep 1000"));
    let told = herd.ok(&["new", "later", "--", "/nowhere/x", "--json"]);
    assert!(told.contains("/nowhere/x"), "{told}");
    assert_eq!(herd.status("later")["state"], "stopped");
    for words in [
        &["new", "x"][..],
        &["new", "x", "--"],
        &["new", "x", "--", ""],
        &["new", "../x", "--", "true"],
        &["stop", "web", "--", "true"],
    ] {
        herd.fails(words, 2);
    }
    herd.fails(&["status", "x"], 2);
}

#[test]
fn events_of_all_services_are_told_as_they_come() {
    let mut herd = Herd::new();
    herd.define("web", "command = ['sleep', '1000']\n");
    herd.define(
        "other",
        "command = ['sh', '-c', 'echo said; exit 1']\nrestart = 'never'\n",
    );
    herd.start();
    herd.ok(&["start", "web"]);
    herd.run(&["start", "other"]);
    let told = herd.ok(&["events"]);
    let place = |text: &str| told.find(text).unwrap_or_else(|| panic!("{text}: {told}"));
    assert!(place(" web: started, pid ") < place(" other: not restarted"));
    assert!(!told.contains("said"), "{told}");
    assert_eq!(herd.ok(&["events", "web", "-n", "1"]).lines().count(), 1);
    let mut follower = herd.spawn(&["events", "-f", "-n", "1", "--json"]);
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // What was comes when what follows is listened for.
    lines.next().unwrap().unwrap();
    let stopper = herd.spawn(&["stop", "web"]);
    let first: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["service"], "web");
    assert!(first["text"].as_str().unwrap().starts_with("stopping pid"));
    stopper.wait_with_output().unwrap();
    common::kill(i32::try_from(follower.id()).unwrap(), libc::SIGKILL);
    follower.wait().unwrap();
}

#[test]
fn a_command_runs_once_as_a_service() {
    let mut herd = Herd::new();
    herd.fails(&["run", "--", "true"], 1);
    herd.start();
    let told = herd.ok(&["run", "--", "sh", "-c", "echo in $HERD_SERVICE"]);
    assert!(told.starts_with("in run-"), "{told}");
    let told = herd.fails(&["run", "--", "sh", "-c", "echo wrong >&2; exit 7"], 1);
    assert!(
        told.contains("wrong") && told.contains("status 7"),
        "{told}"
    );
    herd.fails(&["run"], 2);
    // Nothing is left of it.
    assert_eq!(herd.ok(&["status", "--json"]).trim(), "[]");
    let left = std::fs::read_dir(herd.root.join("etc/herd/available")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn definitions_are_for_programs_too() {
    let herd = Herd::new();
    herd.define("good", "command = 'true'\nbackoff = '5s'\n");
    herd.define("bad", "command = 'true'\nbakcoff = '5s'\n");
    let checked = herd.run(&["check", "--json"]);
    assert_eq!(checked.status.code(), Some(2));
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked[1]["name"], "good");
    assert_eq!(checked[1]["mistakes"].as_array().unwrap().len(), 0);
    assert!(
        checked[0]["mistakes"][0]
            .as_str()
            .unwrap()
            .contains("bakcoff")
    );
    let config: serde_json::Value =
        serde_json::from_str(&herd.ok(&["config", "good", "--json"])).unwrap();
    assert_eq!(config["backoff"], "5000ms..5000ms");
}

#[test]
fn an_edited_definition_is_put_in_place_when_it_is_whole() {
    let herd = Herd::with("web", FOREVER);
    let file = herd.root.join("etc/herd/available/web.conf");
    let draft = herd.root.join("etc/herd/available/.web.conf.edit");
    let edit = |script: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_herd"));
        command.arg("--root").arg(&herd.root).args(["edit", "web"]);
        command
            .env_remove("VISUAL")
            .stdin(std::process::Stdio::null());
        let output = command.env("EDITOR", format!("sh -c '{script}' sh"));
        let output = output.output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    herd.pid("web");
    let (status, told) = edit("true");
    assert!(
        status == Some(0) && told.contains("web is as it was"),
        "{told}"
    );
    let (status, told) = edit("exit 3");
    assert!(
        status == Some(1) && told.contains("nothing is changed"),
        "{told}"
    );
    // A mistake is told, and the draft is gone on with.
    let (status, told) = edit("echo restrat = 1 >> \"$1\"");
    assert_eq!(status, Some(2), "{told}");
    assert!(
        told.contains(":2: unknown key restrat, did you mean"),
        "{told}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), FOREVER);
    let (status, told) = edit("sed -i s/restrat.*/umask=\\\"027\\\"/ \"$1\"");
    assert!(
        status == Some(0) && told.contains("`herd restart web`"),
        "{told}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("{FOREVER}umask=\"027\"\n"));
    assert!(!draft.exists());
    assert_eq!(herd.status("web")["changed"], true);
    herd.fails(&["edit", "wbe"], 2);
}

#[test]
fn top_shows_the_services_and_leaves_the_terminal_as_it_was() {
    let herd = three();
    let once = herd.ok(&["top"]);
    assert!(
        once.starts_with("3 services, 3 running, 0 failed"),
        "{once}"
    );
    assert_eq!(once.matches(" running ").count(), 3, "{once}");
    // On a terminal, until a key is pressed.
    let program = env!("CARGO_BIN_EXE_herd");
    let shown = format!(
        "stty rows 4 cols 30; before=$(stty -g); {program} --root {} top; \
         [ \"$before\" = \"$(stty -g)\" ] && echo as it was",
        herd.root.display()
    );
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &shown, "/dev/null"]);
    let piped = std::process::Stdio::piped;
    let Ok(mut child) = command.stdin(piped()).stdout(piped()).spawn() else {
        return eprintln!("not tried: there is no script(1) here");
    };
    let mut keys = child.stdin.take().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    for line in out.lines() {
        let line = line.unwrap();
        // It was drawn twice.
        if line.contains("3 services") && told.contains("3 services") {
            std::io::Write::write_all(&mut keys, b"xq").unwrap();
        }
        told.push_str(&line);
    }
    assert!(child.wait().unwrap().success(), "{told:?}");
    assert!(told.contains("\x1b[?1049h") && told.contains("\x1b[?1049l"));
    assert!(told.contains("as it was"), "{told:?}");
    // In three rows: of three services there is room for one.
    let picture = told.rsplit("\x1b[H").next().unwrap();
    assert_eq!(picture.matches(" running ").count(), 1, "{picture:?}");
}

#[test]
fn blame_tells_what_the_starts_waited_for() {
    let mut herd = Herd::new();
    let slow = "command = ['sh', '-c', 'sleep 0.4; echo >&3; exec sleep 1000']\nready = 'fd:3'\n";
    herd.define("base", slow);
    herd.define("web", &format!("{FOREVER}needs = ['base']\n"));
    herd.link("web");
    herd.start();
    herd.pid("web");
    let told = herd.ok(&["blame"]);
    assert!(told.contains("  web (after base)\n"), "{told}");
    assert!(
        told.ends_with("the last that was ready: web, after base\n"),
        "{told}"
    );
    // What it took, of each. Where the two clocks are apart is told to a millisecond.
    let took = || -> Vec<(String, u64)> {
        let told = herd.ok(&["blame", "--json"]);
        let all: Vec<serde_json::Value> = serde_json::from_str(&told).unwrap();
        let one = |it: &serde_json::Value| {
            let took = it["ready"].as_u64().unwrap() - it["started"].as_u64().unwrap();
            (it["service"].as_str().unwrap().to_owned(), took)
        };
        all.iter().map(one).collect()
    };
    let all = took();
    assert_eq!((all[0].0.as_str(), all[1].0.as_str()), ("base", "web"));
    // It has slept a little before herd heard that it is its program.
    assert!((200..5_000).contains(&all[0].1), "{all:?}");
    // A restart is no start of the boot.
    herd.ok(&["restart", "web"]);
    assert_eq!(took(), all);
    let drawn = herd.ok(&["blame", "--svg"]);
    assert_eq!(drawn.matches("fill=\"#c33\"").count(), 2, "{drawn}");
    herd.fails(&["status", "--svg"], 2);
}
