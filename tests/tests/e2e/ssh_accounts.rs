//! Who may log in, from which file, and how that is told.

use anyhow::{Context, Result};
use paddock_tests::terminal::Terminal;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::keys;
use xtask::machine::{LIMIT, Machine, Reply, machine, run_limited, ssh};

/// A new key pair: the private half's file, the public half's line.
fn key(machine: &Machine, name: &str) -> Result<(PathBuf, String)> {
    let file = machine.folder().join(name);
    keys::generate(&file, name)?;
    let line = std::fs::read_to_string(file.with_extension("pub"))?;
    Ok((file, line.trim().to_owned()))
}

/// A client that logs in as a user with a key.
fn command(machine: &Machine, user: &str, key: &Path, options: &[&str]) -> Result<Command> {
    let known = machine.folder().join("known_hosts");
    let options = [&["-l", user][..], options].concat();
    ssh::command_with(machine.ssh_port(), key, &known, &options)
}

/// Runs a command as a user with a key.
fn run(machine: &Machine, user: &str, key: &Path, options: &[&str], line: &str) -> Result<Reply> {
    let mut command = command(machine, user, key, options)?;
    run_limited(command.arg(line), Vec::new(), LIMIT)
}

fn refused(reply: &Reply) {
    assert!(
        reply.status.code() == Some(255) && reply.errors().contains("Permission denied"),
        "{reply}"
    );
}

/// The kernel's log has such a line; how often.
fn logged(machine: &Machine, text: &str) -> Result<usize> {
    let log = machine.sh("dmesg")?;
    Ok(log.lines().filter(|line| line.contains(text)).count())
}

/// Writes bytes to a file of the guest.
fn write(machine: &Machine, path: &str, bytes: &[u8]) -> Result<()> {
    let reply = machine.ssh_with_input(&format!("cat > {path}"), bytes.to_vec())?;
    anyhow::ensure!(reply.status.success(), "{reply}");
    Ok(())
}

/// Makes the account of an ordinary user; the file of the key it logs in with.
fn guest(machine: &Machine) -> Result<PathBuf> {
    let (file, line) = key(machine, "guests")?;
    machine.sh("echo 'guest:x:1000:100::/home/guest:/bin/sh' >> /etc/passwd
         mkdir -p /home/guest/.ssh")?;
    write(machine, "/home/guest/.ssh/authorized_keys", line.as_bytes())?;
    machine.sh("chown -R 1000:100 /home/guest")?;
    Ok(file)
}

#[test]
fn bad_bytes_in_a_file_lock_nobody_out() -> Result<()> {
    let machine = machine("ssh-bad-bytes").up()?;
    let keys = "/root/.ssh/authorized_keys";
    let own = machine.sh(&format!("cat {keys}"))?;
    let (file, line) = key(&machine, "second")?;
    let mut text = b"caf\xe9 \xff\xfe\nmystery=\"1\" ".to_vec();
    text.extend_from_slice(line.as_bytes());
    text.extend_from_slice(format!("\n{}\n", "# padding ".repeat(5000)).as_bytes());
    text.extend_from_slice(own.as_bytes());
    write(&machine, keys, &text)?;
    machine.sh("printf 'b\\377d\\n' >> /etc/passwd; printf '\\377\\n' >> /etc/group")?;
    // Its own key still logs in, and the key after the option does not.
    machine.sh("true")?;
    refused(&run(&machine, "root", &file, &[], "true")?);
    for bad in [
        "authorized_keys:1: not a public key",
        "authorized_keys:2: unknown option `mystery`",
        "/etc/passwd:4: not an account",
        "/etc/group:5: not a group",
    ] {
        assert_eq!(logged(&machine, bad)?, 1, "{bad}");
    }
    let refusal = logged(&machine, "refused publickey for root with SHA256:")?;
    assert_eq!(refusal, 1);
    // More than is read: the first lines count.
    text.splice(0..0, own.bytes());
    text.resize(1 << 20, b'#');
    text.extend_from_slice(b"##\n");
    write(&machine, keys, &text)?;
    machine.sh("true")?;
    assert_eq!(logged(&machine, "only the lines of the first")?, 1);
    machine.done()
}

#[test]
fn options_before_a_key_act() -> Result<()> {
    let machine = machine("ssh-options").up()?;
    let keys = "/root/.ssh/authorized_keys";
    let mut files = Vec::new();
    for options in [
        "restrict,command=\"echo forced; echo was $SSH_ORIGINAL_COMMAND; tty\"",
        "from=\"10.9.0.0/16,!10.0.2.2\"",
        "expiry-time=\"20200101\"",
        "from=\"10.0.2.*\",expiry-time=\"29990101Z\",environment=\"LC_FROM_KEY=1\"",
        "cert-authority",
    ] {
        let (file, line) = key(&machine, &format!("key{}", files.len()))?;
        machine.ssh_with_input(
            &format!("cat >> {keys}"),
            format!("{options} {line}\n").into(),
        )?;
        files.push(file);
    }
    let terminal = run(&machine, "root", &files[0], &["-tt"], "true")?;
    assert!(
        terminal.errors().contains("PTY allocation request failed"),
        "{terminal}"
    );
    let forced = run(&machine, "root", &files[0], &[], "echo asked")?;
    assert_eq!(
        forced.text(),
        "forced\nwas echo asked\nnot a tty\n",
        "{forced}"
    );
    refused(&run(&machine, "root", &files[1], &[], "true")?);
    refused(&run(&machine, "root", &files[2], &[], "true")?);
    let fine = run(&machine, "root", &files[3], &[], "echo [$LC_FROM_KEY]")?;
    assert_eq!(fine.text(), "[]\n", "{fine}");
    refused(&run(&machine, "root", &files[4], &[], "true")?);
    for reason in [
        "the key is not allowed from this address (from)",
        "the key has expired (expiry-time)",
    ] {
        assert_eq!(logged(&machine, reason)?, 1, "{reason}");
    }
    machine.done()
}

/// What keeps the guest out, what ends that, and what the log says of it.
const OBSTACLES: &[(&str, &str, &str)] = &[
    (
        "chmod g+w /home/guest/.ssh",
        "chmod 700 /home/guest/.ssh",
        "/home/guest/.ssh has mode 0720; take `chmod go-w`",
    ),
    (
        "chown 5 /home/guest/.ssh/authorized_keys; chmod 644 /home/guest/.ssh/authorized_keys",
        "chown 1000 /home/guest/.ssh/authorized_keys",
        "authorized_keys belongs to user 5",
    ),
    (
        "chmod o+w /home/guest",
        "chmod 755 /home/guest",
        "/home/guest has mode 0757",
    ),
    (
        "cd /home/guest/.ssh; mv authorized_keys keys; mkfifo authorized_keys",
        "cd /home/guest/.ssh; mv keys authorized_keys",
        "authorized_keys cannot be read: not a regular file",
    ),
    (
        "cd /home/guest/.ssh; mv authorized_keys keys; ln -s /dev/zero authorized_keys",
        "cd /home/guest/.ssh; mv keys authorized_keys",
        "authorized_keys cannot be read: not a regular file",
    ),
    (
        "cd /home/guest/.ssh; mv authorized_keys keys; ln -s /root/.ssh/authorized_keys .",
        "cd /home/guest/.ssh; mv keys authorized_keys",
        "authorized_keys cannot be read: ",
    ),
    (
        "echo 'guest:!:0:0:99999:7:::' >> /etc/shadow",
        "sed -i /guest/d /etc/shadow",
        "the account is locked",
    ),
    (
        "sed -i '/guest/s,/bin/sh,/bin/false,' /etc/passwd",
        "sed -i '/guest/s,/bin/false,/bin/sh,' /etc/passwd",
        "the account's shell is not in /etc/shells",
    ),
    (
        "echo back at ten > /etc/nologin",
        "rm /etc/nologin",
        "there is an /etc/nologin",
    ),
];

#[test]
fn accounts_and_what_keeps_them_out() -> Result<()> {
    let machine = machine("ssh-accounts").up()?;
    let file = guest(&machine)?;
    machine.sh("echo 'users:x:100:
audio:x:29:root,guest
wheel:x:10:guest' >> /etc/group
         chmod 700 /home/guest/.ssh")?;
    // A verbose client shows what the server wants to be read.
    let attempt = || run(&machine, "guest", &file, &["-v"], "id; pwd");
    let said = |reason: &str| {
        let count = logged(&machine, reason)?;
        anyhow::ensure!(count > 0, "the log does not say `{reason}`");
        anyhow::Ok(())
    };
    let reply = attempt()?;
    assert!(
        reply.text().contains("uid=1000(guest) gid=100(users)")
            && reply
                .text()
                .contains("groups=10(wheel),29(audio),100(users)")
            && reply.text().ends_with("/home/guest\n"),
        "{reply}"
    );
    for &(breaks, mends, reason) in OBSTACLES {
        machine.sh(breaks).context(breaks)?;
        let reply = attempt()?;
        refused(&reply);
        said(reason)?;
        if breaks.ends_with("nologin") {
            assert!(reply.errors().contains("\nback at ten"), "{reply}");
        }
        machine.sh(mends).context(mends)?;
        let reply = attempt()?;
        assert!(reply.status.success(), "after `{mends}`: {reply}");
    }
    refused(&run(&machine, "nobody-here", &file, &[], "true")?);
    said("refused publickey for nobody-here with SHA256:")?;
    said("guest logged in by publickey with SHA256:")?;
    said("guest with SHA256:")?;
    machine.done()
}

#[test]
fn what_a_session_finds() -> Result<()> {
    let machine = machine("ssh-session").up()?;
    let file = guest(&machine)?;
    let options = [
        "-o",
        "SetEnv=LANG=C.UTF-8 LC_TIME=C PATH=/evil LD_PRELOAD=/x SSH_TTY=no",
    ];
    let shown = run(&machine, "guest", &file, &options, "env; echo $PPID")?;
    let text = shown.text();
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    assert_eq!(value("LANG"), Some("C.UTF-8"), "{text}");
    assert_eq!(value("LC_TIME"), Some("C"));
    assert!(value("PATH").is_some_and(|path| path.starts_with("/usr/local/sbin:/usr/local/bin:")));
    assert_eq!((value("LD_PRELOAD"), value("SSH_TTY")), (None, None));
    let client: Vec<&str> = value("SSH_CLIENT").unwrap_or_default().split(' ').collect();
    assert!(matches!(client[..], ["10.0.2.2", _, "22"]), "{client:?}");
    let connection = format!("10.0.2.2 {} 10.0.2.15 22", client[1]);
    assert_eq!(value("SSH_CONNECTION"), Some(connection.as_str()));

    // A terminal is its user's, and as the client's.
    let mut terminal = Terminal::start(&command(&machine, "guest", &file, &["-tt"])?, 24, 80)?;
    terminal.expect("$ ")?;
    terminal.press("stat -c 'owner %u %g %a' $(tty); echo tty is $SSH_TTY; echo hi > $(tty)\r")?;
    terminal.expect("owner 1000 5 620")?;
    terminal.expect("tty is /dev/pts/")?;
    terminal.expect("\nhi")?;
    drop(terminal);
    let client = command(&machine, "guest", &file, &["-tt"])?;
    let mut changed = Command::new("sh");
    changed
        .args(["-c", "stty intr ^X erase ^H ixany; exec \"$0\" \"$@\""])
        .arg(client.get_program())
        .args(client.get_args())
        .arg("stty -a; sleep 1000");
    let mut changed = Terminal::start(&changed, 24, 80)?;
    changed.expect("intr = ^X")?;
    changed.expect("erase = ^H")?;
    changed.expect(" ixany")?;
    // The changed key does what it is to do.
    changed.press("\x18")?;
    changed.wait()?;

    let long = format!(": {}; echo fine", "x".repeat(100_000));
    assert_eq!(run(&machine, "guest", &file, &[], &long)?.text(), "fine\n");
    for (cipher, mac) in [
        ("aes128-ctr", "hmac-sha2-512"),
        ("aes256-ctr", "hmac-sha2-256"),
        ("aes256-ctr", "hmac-sha2-512-etm@openssh.com"),
    ] {
        let options = ["-c", cipher, "-m", mac];
        let reply = run(
            &machine,
            "guest",
            &file,
            &options,
            "head -c 300000 /dev/zero | wc -c",
        )?;
        assert_eq!(reply.text().trim(), "300000", "{reply}");
    }
    machine.done()
}
