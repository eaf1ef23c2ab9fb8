//! Every case on Linux, whose behaviour is the measure.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_paddock-test"))
        .args(words)
        .output()
        .unwrap()
}

#[track_caller]
fn passes(case: &str) {
    let output = run(&[case]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with(&format!("PASS {case}\n")), "{text}");
}

macro_rules! cases {
    ($($name:ident: $case:literal;)*) => {
        $(#[test]
        fn $name() {
            passes($case);
        })*
    };
}

cases! {
    faults: "faults";
    fork_cow: "fork-cow";
    exec_many: "exec-many";
    pipes: "pipes";
    cgroup: "cgroup";
    threads: "threads";
    cpus: "cpus";
    signals: "signals";
    timers: "timers";
    signal_io: "signal-io";
    mmap: "mmap";
    fp: "fp";
    files: "files";
    order: "order";
    process_vm: "process-vm";
    proc_files: "proc-files";
    bad_pointers: "bad-pointers";
    errors: "errors";
    tcp_loopback: "tcp-loopback";
    tcp_reset: "tcp-reset";
    unix: "unix";
    poll: "poll";
    epoll: "epoll";
    wait: "wait";
    elf_hostile: "elf-hostile";
}

#[test]
fn faults_kill_by_their_signal() {
    for (kind, signal) in [
        ("null", libc::SIGSEGV),
        ("kernel", libc::SIGSEGV),
        ("undef", libc::SIGILL),
        ("recurse", libc::SIGSEGV),
    ] {
        assert_eq!(
            run(&["fault", kind]).status.signal(),
            Some(signal),
            "{kind}"
        );
    }
}

#[test]
fn sleeping_takes_its_time() {
    let output = run(&["sleep", "5", "10"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let ns = text.split("elapsed_ns=").nth(1).unwrap();
    let ns: u64 = ns.split_whitespace().next().unwrap().parse().unwrap();
    assert!(ns >= 50_000_000, "{text}");
}

#[test]
fn streams_have_the_hash_they_should() {
    let made = run(&["make-stream", "100000", "7"]).stdout;
    assert_eq!(made.len(), 100_000);
    let expected = run(&["hash-stream", "100000", "7"]).stdout;
    let mut child = Command::new(env!("CARGO_BIN_EXE_paddock-test"))
        .arg("hash-stream")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &made).unwrap();
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().stdout, expected);
}

#[test]
fn everything_at_once() {
    let output = run(&["stress", "3"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for worker in ["processes=", "threads=", "files=", "tcp=", "epolls="] {
        assert!(text.contains(worker), "{text}");
    }
}

#[test]
fn wrong_usage_is_status_2() {
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["no-such-case"]).status.code(), Some(2));
}
