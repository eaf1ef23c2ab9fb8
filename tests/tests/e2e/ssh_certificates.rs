//! Certificates, and what old or cautious clients agree upon.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use xtask::machine::{LIMIT, Machine, Reply, machine, run_limited};

fn keygen(words: &[&str], file: &Path) -> Result<()> {
    let mut keygen = Command::new("ssh-keygen");
    keygen.arg("-q").args(words).arg(file);
    let made = run_limited(&mut keygen, Vec::new(), LIMIT)?;
    ensure!(made.status.success(), "{words:?}: {made}");
    Ok(())
}

/// Logs in with the key of the machine's folder instead of the usual one.
fn log_in(machine: &Machine, options: &[&str], command: &str) -> Result<Reply> {
    let usual = machine.ssh_command(options)?;
    let own = xtask::keys::own_key();
    let mut ssh = Command::new(usual.get_program());
    for word in usual.get_args() {
        match Path::new(word) == own {
            true => ssh.arg(machine.folder().join("key")),
            false => ssh.arg(word),
        };
    }
    run_limited(ssh.arg(command), Vec::new(), LIMIT)
}

#[test]
fn an_authority_lets_its_users_in() -> Result<()> {
    let machine = machine("ssh-certificates").up()?;
    let (authority, key) = (machine.folder().join("ca"), machine.folder().join("key"));
    keygen(&["-N", "", "-t", "ecdsa", "-b", "521", "-f"], &authority)?;
    keygen(&["-N", "", "-t", "ecdsa", "-b", "521", "-f"], &key)?;
    let public = std::fs::read(authority.with_extension("pub"))?;
    let add = "{ printf 'cert-authority,principals=\"ops\" '; cat; } >> /root/.ssh/authorized_keys";
    let added = machine.ssh_with_input(add, public)?;
    ensure!(added.status.success(), "{added}");

    let authority = authority.to_str().context("a path")?;
    let sign = |principal: &str| {
        let words = ["-s", authority, "-I", "e2e", "-n", principal, "-z", "42"];
        keygen(&words, &key.with_extension("pub"))
    };
    sign("guests")?;
    assert_eq!(log_in(&machine, &[], "true")?.status.code(), Some(255));
    sign("ops")?;
    for options in [
        &[][..],
        &[
            "-o",
            "KexAlgorithms=ecdh-sha2-nistp256",
            "-c",
            "aes128-gcm@openssh.com",
        ],
    ] {
        let reply = log_in(&machine, options, "echo in")?;
        assert_eq!(reply.text(), "in\n", "{options:?}: {reply}");
    }
    let log = machine.sh("dmesg | grep 'certificate \"e2e\" serial 42 of SHA256:'")?;
    for words in ["it is not for this user", "root logged in by publickey"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    // Large numbers are not deep.
    let deep =
        machine.sh("awk '$11 == \"main-loop\" && $9 * 10 > $10 * 8' /proc/paddock/threads")?;
    assert_eq!(deep, "", "the main loop's stack is nearly full");
    machine.done()
}
