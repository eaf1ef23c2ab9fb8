//! What is no definition and no log where one should be: it is named, nothing
//! waits for it, and the others are supervised as before.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::{Herd, alive, eventually, kill};

const FOREVER: &str = "command = ['sleep', '1000']\nbackoff = '10ms..60s'\n";

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Kills `good` and waits until it runs again.
fn is_supervised(herd: &Herd) {
    let old = herd.pid("good");
    kill(old, libc::SIGKILL);
    eventually("it is supervised", || {
        let pid = herd.status("good")["pid"].as_i64()?;
        (pid != i64::from(old)).then_some(())
    });
}

#[test]
fn what_is_no_definition_is_named_and_holds_nobody_up() {
    let mut herd = Herd::new();
    let enabled = herd.root.join("etc/herd/enabled");
    let at = |name: &str| enabled.join(format!("{name}.conf"));
    herd.define("good", FOREVER);
    herd.link("good");
    fifo(&at("fifo"));
    fs::create_dir(at("folder")).unwrap();
    symlink("/dev/zero", at("device")).unwrap();
    symlink("loop.conf", at("loop")).unwrap();
    File::create(at("huge")).unwrap().set_len(1 << 30).unwrap();
    fs::write(at("latin"), b"command = 'caf\xe9'\n").unwrap();
    let broken = [
        ("fifo", "fifo.conf: is a FIFO, not a regular file"),
        ("folder", "folder.conf: is a folder, not a regular file"),
        ("device", "device.conf: is a device, not a regular file"),
        ("loop", "loop.conf: Too many levels of symbolic links"),
        ("huge", "huge.conf: is too long: 1073741824 bytes"),
        ("latin", "latin.conf: is not UTF-8 text (byte 14)"),
    ];
    herd.start();
    for (name, words) in broken {
        let status = herd.status(name);
        assert_eq!(status["state"], "invalid", "{name}");
        let error = status["error"].as_str().unwrap();
        assert!(error.contains(words), "{error}");
        herd.fails(&["config", name], 2);
    }
    is_supervised(&herd);
    // A good definition that turns into something else.
    let pid = herd.pid("good");
    let file = herd.root.join("etc/herd/available/good.conf");
    fs::remove_file(&file).unwrap();
    fifo(&file);
    herd.ok(&["reload"]);
    assert!(herd.status("good")["error"].to_string().contains("a FIFO"));
    assert!(alive(pid));
    is_supervised(&herd);
}

#[test]
fn what_is_no_log_is_named_and_holds_nobody_up() {
    let mut herd = Herd::new();
    let logs = herd.root.join("var/log/herd");
    fs::create_dir_all(&logs).unwrap();
    let at = |name: &str| logs.join(format!("{name}.log"));
    herd.define("good", FOREVER);
    herd.link("good");
    for name in ["fifo", "folder", "device", "huge"] {
        herd.define(
            name,
            "command = ['sh', '-c', 'echo hello; exec sleep 1000']\n",
        );
        herd.link(name);
    }
    fifo(&at("fifo"));
    fs::create_dir(at("folder")).unwrap();
    symlink("/dev/full", at("device")).unwrap();
    File::create(at("huge")).unwrap().set_len(1 << 30).unwrap();
    herd.start();
    for name in ["fifo", "folder", "device", "huge"] {
        herd.pid(name);
    }
    is_supervised(&herd);
    let console = fs::read_to_string(herd.root.join("console")).unwrap();
    for words in [
        "fifo.log cannot be written: is a FIFO, not a regular file",
        "folder.log cannot be written: is a folder, not a regular file",
        "device.log cannot be written: is a device, not a regular file",
    ] {
        assert!(console.contains(words), "{words}: {console}");
    }
    for name in ["fifo", "folder", "device"] {
        let error = herd.fails(&["log", name], 1);
        assert!(error.contains("not a regular file"), "{error}");
    }
    // A log that is far too long is turned over like one that is full.
    assert!(herd.wait_log("huge", "hello").contains("started, pid"));
    assert_eq!(
        fs::metadata(logs.join("huge.log.1")).unwrap().len(),
        1 << 30
    );
    // The log works again as soon as it can be one.
    fs::remove_file(at("fifo")).unwrap();
    kill(herd.pid("fifo"), libc::SIGKILL);
    herd.wait_log("fifo", "bytes of log were lost before this line");
}

#[test]
fn services_that_have_failed_are_listed_for_others() {
    let herd = Herd::with("web", "command = '/nowhere/x'\n");
    let failed = herd.root.join("run/herd/failed");
    let text = |words: &str| {
        eventually(words, || {
            let text = fs::read_to_string(&failed).ok()?;
            text.contains(words).then_some(text)
        })
    };
    assert_eq!(text("web: failed").lines().count(), 1);
    herd.define("bad", "comand = 'true'\n");
    herd.link("bad");
    herd.run(&["reload"]);
    assert!(text("bad: invalid").contains("web: failed"));
    herd.define("web", "command = ['sleep', '1000']\n");
    herd.run(&["reload"]);
    herd.wait_state("web", "running");
    let rest = eventually("web is not listed", || {
        let text = fs::read_to_string(&failed).ok()?;
        (!text.contains("web")).then_some(text)
    });
    assert!(rest.starts_with("bad: invalid"), "{rest}");
}

/// A command that runs as nobody, to whom all below `root` belongs. `None` if this user
/// is not everyone and may not become another.
fn as_nobody(root: &Path) -> Option<Command> {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let command = || {
        let mut command = Command::new("setpriv");
        command.args(nobody).arg(env!("CARGO_BIN_EXE_herd"));
        command.arg("--root").arg(root);
        command
    };
    let works = command().arg("help").output();
    if !works.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let given = Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(root)
        .status();
    given.unwrap().success().then(command)
}

#[test]
fn what_cannot_be_read_is_named_and_holds_nobody_up() {
    use std::os::unix::fs::PermissionsExt;

    let mut herd = Herd::new();
    let logs = herd.root.join("var/log/herd");
    fs::create_dir_all(&logs).unwrap();
    for name in ["good", "closed", "silent"] {
        herd.define(name, FOREVER);
        herd.link(name);
    }
    fs::write(logs.join("silent.log"), "").unwrap();
    let closed = herd.root.join("etc/herd/available/closed.conf");
    let Some(mut command) = as_nobody(&herd.root) else {
        return eprintln!("not tried: nobody else to be here");
    };
    let shut = fs::Permissions::from_mode(0o000);
    for file in [&closed, &logs.join("silent.log")] {
        std::os::unix::fs::chown(file, Some(0), Some(0)).unwrap();
        fs::set_permissions(file, shut.clone()).unwrap();
    }
    command.arg("daemon");
    herd.start_by(command);
    let status = herd.status("closed");
    assert_eq!(status["state"], "invalid");
    let error = status["error"].as_str().unwrap();
    assert!(error.contains("closed.conf: Permission denied"), "{error}");
    is_supervised(&herd);
    herd.pid("silent");
    let console = eventually("the console tells of the log", || {
        let text = fs::read_to_string(herd.root.join("console")).ok()?;
        text.contains("silent.log cannot be written")
            .then_some(text)
    });
    assert!(console.contains("Permission denied"), "{console}");
    // Both are used as soon as they can be.
    std::os::unix::fs::chown(logs.join("silent.log"), Some(65534), Some(65534)).unwrap();
    fs::set_permissions(logs.join("silent.log"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o644)).unwrap();
    herd.ok(&["reload"]);
    herd.pid("closed");
    kill(herd.pid("silent"), libc::SIGKILL);
    herd.wait_log("silent", "bytes of log were lost before this line");
}
