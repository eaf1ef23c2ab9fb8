//! Logging in with certificates that ssh-keygen has made.

mod host;

use std::process::{Command, Output, Stdio};

use host::client::{Folder, Pair, complaints, keygen, output, text};

/// An authority and a client's key in a folder, and a server that has `line`
/// before the authority's key.
fn pair(authority: &[&str], key: &[&str], line: &str) -> Pair {
    let folder = Folder::new();
    let public = keygen(&folder.0.join("ca"), authority);
    keygen(&folder.0.join("key"), key);
    let keys = format!("cert-authority{line} {public}");
    Pair::authorized(folder, &keys, usize::MAX, |_| {})
}

/// Has the authority sign the client's key.
fn sign(pair: &Pair, options: &[&str]) {
    let signed = Command::new("ssh-keygen")
        .arg("-q")
        .arg("-s")
        .arg(pair.folder.0.join("ca"))
        .args(["-I", "a test's \"name\""])
        .args(options)
        .arg(pair.folder.0.join("key.pub"))
        .stderr(Stdio::null())
        .status();
    assert!(signed.expect("ssh-keygen").success(), "{options:?}");
}

const ROOT: &[&str] = &["-n", "someone,root", "-V", "-1h:+1h"];

fn log_in(pair: &Pair, options: &[&str]) -> Output {
    pair.run(options, "echo in")
}

fn refused(pair: &Pair, reason: &str) {
    let done = log_in(pair, &[]);
    assert_eq!(done.status.code(), Some(255), "{reason}: {}", text(&done));
    let log = pair.server.log.lock().unwrap();
    let mut lines = log.iter().filter(|line| line.contains("(certificate "));
    let last = lines.next_back().cloned().unwrap_or_default();
    assert!(last.contains(reason), "not `{reason}`: {log:?}");
}

#[test]
fn every_type_of_key_and_authority() {
    let kinds: [&[&str]; 5] = [
        &["ed25519"],
        &["ecdsa", "-b", "256"],
        &["ecdsa", "-b", "384"],
        &["ecdsa", "-b", "521"],
        &["rsa", "-b", "2048"],
    ];
    for kind in kinds {
        for (authority, key) in [(kind, kinds[0]), (kinds[0], kind)] {
            let pair = pair(authority, key, "");
            sign(&pair, ROOT);
            let done = log_in(&pair, &[]);
            let told = complaints(&done);
            assert_eq!(text(&done), "in\n", "{authority:?} {key:?}: {told}");
            let log = pair.server.log.lock().unwrap();
            let named = log.iter().find(|line| line.starts_with("root logged in"));
            let named = named.expect("a line");
            assert!(
                named.contains("(certificate \"a?test's??name?\" serial 0 of SHA256:"),
                "{named}"
            );
        }
    }
}

#[test]
fn who_when_and_from_where() {
    let pair = pair(&["ed25519"], &["ed25519"], "");
    // The key alone, or with a certificate that is not for it, is nobody's.
    assert!(!log_in(&pair, &[]).status.success());
    sign(&pair, &["-n", "guest"]);
    refused(&pair, "not for this user");
    sign(&pair, &[]);
    refused(&pair, "not for this user");
    sign(&pair, &["-n", "root", "-V", "-2h:-1h"]);
    refused(&pair, "not valid now");
    sign(&pair, &["-n", "root", "-V", "+1h:+2h"]);
    refused(&pair, "not valid now");
    sign(
        &pair,
        &["-n", "root", "-O", "source-address=10.0.0.0/8,192.0.2.1"],
    );
    refused(&pair, "not allowed from this address");
    sign(&pair, &["-n", "root", "-O", "critical:new@example.com=x"]);
    refused(&pair, "unknown critical option");
    sign(&pair, &["-n", "root", "-O", "source-address=127.0.0.0/8"]);
    assert_eq!(text(&log_in(&pair, &[])), "in\n");
    sign(
        &pair,
        &["-n", "root", "-z", "7", "-O", "extension:new@example.com=x"],
    );
    assert_eq!(text(&log_in(&pair, &[])), "in\n");
    // Another authority of the same kind.
    std::fs::rename(pair.folder.0.join("ca"), pair.folder.0.join("old")).unwrap();
    keygen(&pair.folder.0.join("ca"), &["ed25519"]);
    sign(&pair, ROOT);
    refused(&pair, "not listed");
}

#[test]
fn the_line_and_the_certificate_limit_together() {
    let pair = pair(&["ed25519"], &["ed25519"], ",principals=\"admins,ops\"");
    sign(&pair, ROOT);
    refused(&pair, "not for this user");
    sign(&pair, &["-n", "ops", "-O", "force-command=echo forced"]);
    assert_eq!(text(&log_in(&pair, &[])), "forced\n");
    sign(&pair, &["-n", "ops", "-O", "no-pty"]);
    let done = log_in(&pair, &["-tt"]);
    assert!(
        complaints(&done).contains("PTY allocation"),
        "{}",
        complaints(&done)
    );
    sign(&pair, &["-n", "ops", "-O", "clear"]);
    let done = output(pair.ssh(&["-W", "127.0.0.1:1"]));
    assert!(
        complaints(&done).contains("prohibited"),
        "{}",
        complaints(&done)
    );

    let both = self::pair(&["ed25519"], &["ed25519"], ",command=\"echo line\"");
    sign(&both, ROOT);
    assert_eq!(text(&log_in(&both, &[])), "line\n");
    sign(&both, &["-n", "root", "-O", "force-command=echo other"]);
    refused(&both, "its command is not the line's");
}

/// The line must say what it is: an authority's key logs nobody in, and a plain
/// key signs nothing.
#[test]
fn authorities_and_keys_are_not_each_other() {
    let folder = Folder::new();
    let public = keygen(&folder.0.join("ca"), &["ed25519"]);
    keygen(&folder.0.join("key"), &["ed25519"]);
    let plain = Pair::authorized(folder, &public, usize::MAX, |_| {});
    sign(&plain, ROOT);
    refused(&plain, "not listed");
    let authority = pair(&["ed25519"], &["ed25519"], "");
    let mut ssh = authority.ssh_with_key("ca", &[]);
    ssh.arg("echo in");
    assert!(!output(ssh).status.success());
}

/// Any byte of a certificate that is changed spoils it.
#[test]
fn a_forged_certificate_is_refused() {
    let pair = pair(&["ed25519"], &["ed25519"], "");
    sign(&pair, ROOT);
    let file = pair.folder.0.join("key-cert.pub");
    let good = std::fs::read_to_string(&file).unwrap();
    let mut words = good.split(' ');
    let (kind, blob) = (words.next().unwrap(), words.next().unwrap());
    // In the middle of the principals, of the dates, of the signature.
    for part in [0.35, 0.45, 0.55, 0.9] {
        let at = (blob.len() as f64 * part) as usize;
        let mut forged: Vec<u8> = blob.bytes().collect();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        std::fs::write(&file, format!("{kind} {forged} x\n")).unwrap();
        let done = log_in(&pair, &[]);
        assert!(!done.status.success(), "{part}: {}", text(&done));
    }
}
