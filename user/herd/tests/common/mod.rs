//! A herd below a folder of its own, and what tests ask of it.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A daemon in a temporary folder; both are gone when it is dropped.
pub struct Herd {
    pub root: PathBuf,
    daemon: Option<Child>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Waits for something that the outside shows, at most a minute.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Herd {
    /// A root without definitions; the daemon does not run yet.
    pub fn new() -> Herd {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("herd-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for folder in ["etc/herd/available", "etc/herd/enabled"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        Herd { root, daemon: None }
    }

    /// A running herd with one enabled service.
    pub fn with(name: &str, definition: &str) -> Herd {
        let mut herd = Herd::new();
        herd.define(name, definition);
        herd.link(name);
        herd.start();
        herd
    }

    pub fn define(&self, name: &str, definition: &str) {
        let file = self.root.join(format!("etc/herd/available/{name}.conf"));
        fs::write(file, definition).unwrap();
    }

    pub fn link(&self, name: &str) {
        let link = self.root.join(format!("etc/herd/enabled/{name}.conf"));
        std::os::unix::fs::symlink(format!("../available/{name}.conf"), link).unwrap();
    }

    pub fn start(&mut self) {
        let command = self.command(&["daemon"]);
        self.start_as(command);
    }

    /// Runs herd with a limit of `now` descriptors that it may raise to `most`.
    /// `false` if this system or user has no such limit to give.
    pub fn start_limited(&mut self, now: u32, most: u32) -> bool {
        let set = format!("ulimit -Sn {now} && ulimit -Hn {most}");
        let shell = |rest: &str| {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("{set} && {rest}"));
            command
        };
        if !shell("true").status().is_ok_and(|s| s.success()) {
            return false;
        }
        let mut command = shell("exec \"$0\" daemon");
        command
            .arg(env!("CARGO_BIN_EXE_herd"))
            .env("HERD_ROOT", &self.root);
        self.start_as(command);
        true
    }

    /// Runs herd as process 1 of a process space of its own. `false` if this
    /// system or user may not make one.
    pub fn start_as_first(&mut self) -> bool {
        let unshare = |program: &str| {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--mount-proc", "--kill-child", program]);
            command
        };
        if !unshare("true").status().is_ok_and(|s| s.success()) {
            return false;
        }
        let mut command = unshare(env!("CARGO_BIN_EXE_herd"));
        command.env("HERD_ROOT", &self.root);
        self.start_as(command);
        true
    }

    /// Runs herd with this as its console.
    pub fn start_with_output(&mut self, output: Stdio) {
        let command = self.command(&["daemon"]);
        self.start_saying(command, output);
    }

    /// Runs herd by this command.
    pub fn start_by(&mut self, command: Command) {
        self.start_as(command);
    }

    fn start_as(&mut self, command: Command) {
        let console = fs::File::create(self.root.join("console")).unwrap();
        self.start_saying(command, console.into());
    }

    fn start_saying(&mut self, mut command: Command, output: Stdio) {
        let daemon = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(fs::File::create(self.root.join("errors")).unwrap())
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        eventually("the daemon answers", || {
            self.run(&["status"]).status.success().then_some(())
        });
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_herd"));
        command.arg("--root").arg(&self.root).args(words);
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    pub fn spawn(&self, words: &[&str]) -> Child {
        self.command(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs a command that must succeed; its output.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with `status`; its complaint.
    #[track_caller]
    pub fn fails(&self, words: &[&str], status: i32) -> String {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{words:?}: {error}");
        error
    }

    /// The daemon's view of a service.
    pub fn status(&self, name: &str) -> serde_json::Value {
        let output = self.run(&["status", name, "--json"]);
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        list[0].clone()
    }

    #[track_caller]
    pub fn wait_state(&self, name: &str, state: &str) -> serde_json::Value {
        eventually(&format!("{name} is {state}"), || {
            let status = self.status(name);
            (status["state"] == state).then_some(status)
        })
    }

    #[track_caller]
    pub fn pid(&self, name: &str) -> i32 {
        let status = self.wait_state(name, "running");
        i32::try_from(status["pid"].as_i64().unwrap()).unwrap()
    }

    pub fn log(&self, name: &str) -> String {
        let file = self.root.join(format!("var/log/herd/{name}.log"));
        fs::read_to_string(file).unwrap_or_default()
    }

    #[track_caller]
    pub fn wait_log(&self, name: &str, words: &str) -> String {
        eventually(&format!("{words:?} in the log of {name}"), || {
            let log = self.log(name);
            log.contains(words).then_some(log)
        })
    }

    pub fn signal(&self, signal: i32) {
        kill(self.daemon_pid(), signal);
    }

    pub fn daemon_pid(&self) -> i32 {
        i32::try_from(self.daemon.as_ref().unwrap().id()).unwrap()
    }

    /// Waits for the daemon to leave by itself; how it did.
    pub fn left(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().unwrap();
        eventually("the daemon leaves", || daemon.try_wait().unwrap())
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            kill(i32::try_from(daemon.id()).unwrap(), libc::SIGTERM);
            let _ = daemon.wait();
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

pub fn kill(pid: i32, signal: i32) {
    // SAFETY: `kill` touches no memory of ours.
    unsafe { libc::kill(pid, signal) };
}

/// Whether a process exists and has not ended.
pub fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
