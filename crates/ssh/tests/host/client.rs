//! The OpenSSH client with keys and files of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use paddock_ssh::Config;

use super::server::Server;

/// A folder that is removed when the test is over.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "pssh-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a key pair; the public half's line.
pub fn keygen(file: &Path, kind: &[&str]) -> String {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-C", "a test's key", "-t"])
        .args(kind)
        .arg("-f")
        .arg(file)
        .status()
        .expect("these tests need ssh-keygen: install the package openssh-client");
    assert!(made.success());
    fs::read_to_string(file.with_extension("pub")).expect("the public key")
}

/// A server, and a client that may log in to it.
pub struct Pair {
    pub server: Server,
    pub folder: Folder,
}

impl Pair {
    pub fn new() -> Self {
        Self::with(&["ed25519"], usize::MAX, |_| {})
    }

    /// One whose key has options before it.
    pub fn with_options(options: &str) -> Self {
        Self::made(&["ed25519"], &format!("{options} "), usize::MAX, |_| {})
    }

    pub fn with(kind: &[&str], most: usize, adjust: impl FnOnce(&mut Config)) -> Self {
        Self::made(kind, "", most, adjust)
    }

    fn made(kind: &[&str], options: &str, most: usize, adjust: impl FnOnce(&mut Config)) -> Self {
        let folder = Folder::new();
        let public = keygen(&folder.0.join("key"), kind);
        Self::authorized(folder, &format!("{options}{public}"), most, adjust)
    }

    /// One with these authorized keys; the client's is `key` in the folder.
    pub fn authorized(
        folder: Folder,
        keys: &str,
        most: usize,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let server = Server::start(keys, most, adjust);
        let known = format!(
            "[127.0.0.1]:{} {}\n",
            server.address.port(),
            server.host_key
        );
        fs::write(folder.0.join("known"), known).expect("known hosts");
        Self { server, folder }
    }

    /// `ssh` up to and with the destination.
    pub fn ssh(&self, options: &[&str]) -> Command {
        self.ssh_with_key("key", options)
    }

    pub fn ssh_with_key(&self, key: &str, options: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
        ]);
        command.args([
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentityAgent=none",
        ]);
        command.arg("-o").arg(format!(
            "UserKnownHostsFile={}",
            self.folder.0.join("known").display()
        ));
        command.arg("-i").arg(self.folder.0.join(key));
        command
            .arg("-p")
            .arg(self.server.address.port().to_string());
        command.args(options).arg("root@127.0.0.1");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command line to its end.
    pub fn run(&self, options: &[&str], line: &str) -> Output {
        let mut command = self.ssh(options);
        command.arg(line);
        output(command)
    }
}

/// Runs a client to its end.
pub fn output(mut command: impl std::borrow::BorrowMut<Command>) -> Output {
    command
        .borrow_mut()
        .output()
        .expect("these tests need ssh: install the package openssh-client")
}

/// Runs a client with all of its input given.
pub fn output_of(mut command: Command, input: Vec<u8>) -> Output {
    let mut child: Child = command.stdin(Stdio::piped()).spawn().expect("ssh");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("wait");
    let _ = writer.join();
    output
}

/// What the client printed, with its complaints if it failed.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
