//! The server under OpenSSH's `sftp`, without SSH between them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use std::io::Write;

/// A folder that is removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sftp-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("far")).unwrap();
        fs::create_dir_all(path.join("near")).unwrap();
        Self(path)
    }

    fn far(&self, name: &str) -> PathBuf {
        self.0.join("far").join(name)
    }

    fn near(&self, name: &str) -> PathBuf {
        self.0.join("near").join(name)
    }

    /// Gives `sftp` commands; the server begins in `far`, the client in `near`.
    fn sftp(&self, arguments: &str, commands: &str) -> Output {
        let far = self.0.join("far");
        let server = format!(
            "{} -d {} {arguments}",
            env!("CARGO_BIN_EXE_sftp-server"),
            far.display()
        );
        let mut sftp = Command::new("sftp")
            .args(["-D", &server, "-b", "-"])
            .current_dir(self.0.join("near"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need sftp: install the package openssh-client");
        let mut input = sftp.stdin.take().unwrap();
        input.write_all(commands.as_bytes()).unwrap();
        drop(input);
        sftp.wait_with_output().unwrap()
    }

    /// The same, which must succeed: what it shows.
    fn fine(&self, commands: &str) -> String {
        let done = self.sftp("", commands);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{commands}: {errors}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// The same, which must fail: the complaint.
    fn fails(&self, arguments: &str, commands: &str) -> String {
        let done = self.sftp(arguments, commands);
        assert!(!done.status.success(), "{commands}");
        String::from_utf8_lossy(&done.stderr).into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let bytes = (0..size).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    bytes.collect()
}

#[test]
fn files_go_both_ways_unchanged() {
    let folder = Folder::new();
    for size in [0, 1, 32_768, 261_119, 261_120, 261_121, 5_000_000] {
        let bytes = noise(size);
        fs::write(folder.near("one"), &bytes).unwrap();
        folder.fine("put one two\nget two three\n");
        assert!(
            fs::read(folder.far("two")).unwrap() == bytes,
            "{size} there"
        );
        assert!(
            fs::read(folder.near("three")).unwrap() == bytes,
            "{size} back"
        );
    }
    // Going on with what is there, both ways.
    fs::write(folder.near("three"), &noise(1_000)[..]).unwrap();
    folder.fine("get -a two three\n");
    assert!(fs::read(folder.near("three")).unwrap() == noise(5_000_000));
    fs::write(folder.far("two"), &noise(1_000)[..]).unwrap();
    folder.fine("put -a one two\n");
    assert!(fs::read(folder.far("two")).unwrap() == noise(5_000_000));
}

#[test]
fn modes_times_and_trees_are_kept() {
    let folder = Folder::new();
    fs::create_dir_all(folder.near("tree/a/b")).unwrap();
    fs::write(folder.near("tree/a/b/file"), "text").unwrap();
    fs::set_permissions(
        folder.near("tree/a/b/file"),
        PermissionsExt::from_mode(0o640),
    )
    .unwrap();
    let file = fs::File::options()
        .write(true)
        .open(folder.near("tree/a/b/file"))
        .unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    file.set_modified(then).unwrap();
    folder.fine("put -pr tree\nget -pr tree back\n");
    for path in [folder.far("tree/a/b/file"), folder.near("back/a/b/file")] {
        let metadata = fs::metadata(path).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o640);
        assert_eq!(metadata.mtime(), 1_000_000_000);
    }
}

#[test]
fn names_are_made_changed_and_removed() {
    let folder = Folder::new();
    fs::write(folder.far("one"), "1").unwrap();
    fs::write(folder.far("two"), "2").unwrap();
    folder.fine("rename one two\nln two hard\nln -s two soft\nmkdir sub\nchmod 600 two\n");
    assert_eq!(fs::read(folder.far("two")).unwrap(), b"1");
    assert_eq!(fs::metadata(folder.far("hard")).unwrap().nlink(), 2);
    assert_eq!(
        fs::metadata(folder.far("two")).unwrap().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::read_link(folder.far("soft")).unwrap().as_os_str(),
        "two"
    );
    // Without OpenSSH's extension a rename overwrites nothing.
    fs::write(folder.far("three"), "3").unwrap();
    folder.fails("", "rename -l two three\n");
    assert_eq!(fs::read(folder.far("three")).unwrap(), b"3");
    folder.fine("rename -l two four\nrm four\nrm soft\nrmdir sub\n");
    assert!(!folder.far("four").exists() && !folder.far("sub").exists());
    folder.fine("cp three copy\n");
    assert_eq!(fs::read(folder.far("copy")).unwrap(), b"3");
}

#[test]
fn listings_and_free_space() {
    let folder = Folder::new();
    for number in 0..450 {
        fs::write(folder.far(&format!("file{number}")), "").unwrap();
    }
    assert_eq!(folder.fine("ls -1\n").matches("file").count(), 450);
    fs::write(folder.far("long"), "12345").unwrap();
    let line = folder.fine("ls -l long\n");
    assert!(
        line.contains("-rw-r--r--") && line.contains(" 5 "),
        "{line}"
    );
    assert!(folder.fine("ls -la\n").contains(" .."));
    let named = folder.fine("ls -ln long\n");
    assert!(named.contains(" 5 "), "{named}");
    let space = folder.fine("df -h\n");
    assert!(space.contains("Capacity"), "{space}");
    let pwd = folder.fine("pwd\n");
    assert!(pwd.contains(&folder.far("").canonicalize().unwrap().display().to_string()));
}

#[test]
fn failures_are_told() {
    let folder = Folder::new();
    fs::write(folder.near("one"), "1").unwrap();
    assert!(folder.fails("", "get nothing\n").contains("not found"));
    folder.fails("", "rmdir nothing\n");
    folder.fails("", "put one nowhere/two\n");
    let refused = folder.fails("-R", "put one two\n");
    assert!(refused.contains("ermission denied"), "{refused}");
    for command in ["mkdir x", "rm x", "rename x y", "ln -s a b", "chmod 600 ."] {
        folder.fails("-R", &format!("{command}\n"));
    }
    assert_eq!(fs::read_dir(folder.far("")).unwrap().count(), 0);
}

#[test]
fn scp_works_too() {
    let folder = Folder::new();
    let server = env!("CARGO_BIN_EXE_sftp-server");
    let home = folder.far("");
    fs::write(folder.far("mark"), "").unwrap();
    // In place of ssh.
    let ssh = folder.near("ssh");
    fs::write(
        &ssh,
        format!("#!/bin/sh\ncd {} && exec {server}\n", home.display()),
    )
    .unwrap();
    fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).unwrap();
    let copied = Command::new("scp")
        .args(["-s", "-S"])
        .arg(&ssh)
        .arg("host:~/mark")
        .arg(folder.near("copied"))
        .output()
        .unwrap();
    assert!(
        copied.status.success(),
        "{}",
        String::from_utf8_lossy(&copied.stderr)
    );
    assert!(folder.near("copied").exists());
}
