//! `/etc/ssh/paddock.toml`, and what an interactive login is told.

use anyhow::{Result, ensure};
use paddock_tests::terminal::Terminal;
use std::process::Stdio;
use xtask::machine::{LIMIT, Machine, Reply, machine, run_limited};

const FILE: &str = "/etc/ssh/paddock.toml";

fn write(machine: &Machine, text: &str) -> Result<Reply> {
    let command =
        format!("cat > {FILE}.new && mv {FILE}.new {FILE} && echo reload > /proc/paddock/ssh");
    machine.ssh_with_input(&command, text.as_bytes().to_vec())
}

fn set(machine: &Machine, text: &str) -> Result<()> {
    let reply = write(machine, text)?;
    ensure!(reply.status.success(), "{text}: {reply}");
    Ok(())
}

pub(crate) fn greeting(machine: &Machine) -> Result<String> {
    let mut ssh = machine.ssh_command(&["-tt"])?;
    let reply = run_limited(&mut ssh, b"exit\n".to_vec(), LIMIT)?;
    Ok(reply.text())
}

#[test]
fn settings_are_read_again_and_mistakes_change_nothing() -> Result<()> {
    let machine = machine("ssh-settings").up()?;
    // A session from before goes on through all of it.
    let mut old = machine.ssh_command(&["-tt"])?;
    let mut old = Terminal::start(old.stdin(Stdio::null()), 24, 80)?;
    old.expect("Welcome to Paddock")?;
    old.expect("# ")?;

    set(
        &machine,
        "banner = 'Private property.'\nmotd = false\n[limits]\ntries = 2\n",
    )?;
    let mut loud = machine.ssh_command(&["-v"])?;
    let reply = run_limited(loud.arg("true"), Vec::new(), LIMIT)?;
    assert!(reply.errors().contains("Private property."), "{reply}");
    assert!(!greeting(&machine)?.contains("Welcome"));

    let nested = write(
        &machine,
        "addresses = [[[[22]]]]\nlimits = {a={a={a={}}}}\n",
    )?;
    assert!(!nested.status.success(), "{nested}");
    let broken = write(&machine, "motd = true\nbaner = 'x'\nports = [70000]\n")?;
    assert!(!broken.status.success(), "{broken}");
    // Found broken once more by each login, and told of once.
    for _ in 0..3 {
        assert!(!greeting(&machine)?.contains("Welcome"));
    }
    let log = machine.sh("dmesg | grep paddock.toml:")?;
    let told: Vec<_> = log.lines().filter(|line| line.contains("baner")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(
        told[0].contains("paddock.toml:2: no setting is called baner, did you mean \"banner\"?")
    );
    assert!(
        log.contains("paddock.toml:3: 70000 is not between 1 and 65535"),
        "{log}"
    );
    let shown = machine.sh("cat /proc/paddock/ssh")?;
    assert!(
        shown.starts_with("mistake /etc/ssh/paddock.toml:2"),
        "{shown}"
    );
    assert!(
        shown.contains("tries 2"),
        "the last good ones stay: {shown}"
    );

    // Without being told: the next login finds the file changed.
    machine.sh(&format!("echo 'deny_users = [\"r??t\"]' > {FILE}"))?;
    let denied = machine.ssh("true")?;
    assert_eq!(denied.status.code(), Some(255), "{denied}");
    let denied = run_limited(
        machine.ssh_command(&["-l", "monitor"])?.arg("status"),
        Vec::new(),
        LIMIT,
    )?;
    assert!(denied.errors().contains("Permission denied"), "{denied}");
    old.press(&format!("rm {FILE}; echo go''ne\r"))?;
    old.expect("gone")?;
    assert_eq!(machine.sh("echo in")?, "in\n");
    assert!(machine.sh("dmesg")?.contains("in deny_users"));

    other_ports(&machine)?;
    what_has_failed(&machine)?;
    // Reading nested brackets is not deep.
    let deep = machine.sh("awk '$11 == \"async-fs\" && $9 * 3 > $10 * 2' /proc/paddock/threads")?;
    assert_eq!(deep, "", "threads that used most of their stacks");
    old.press("echo st''ill here\r")?;
    old.expect("still here")?;
    machine.done()
}

/// Another port beside and instead of the usual one, seen from inside.
fn other_ports(machine: &Machine) -> Result<()> {
    let jump = |port: u16| -> Result<Reply> {
        let mut ssh = machine.ssh_command(&["-v", "-W", &format!("127.0.0.1:{port}")])?;
        run_limited(&mut ssh, b"SSH-2.0-x\r\n".to_vec(), LIMIT)
    };
    set(machine, "ports = [22, 2022]\n")?;
    assert!(jump(2022)?.text().starts_with("SSH-2.0-"));
    set(machine, "ports = [22]\naddresses = ['10.0.2.15']\n")?;
    assert!(jump(2022)?.errors().contains("connection failed"));
    assert!(
        !jump(22)?.text().starts_with("SSH-2.0-"),
        "not on this address"
    );
    machine.sh("rm /etc/ssh/paddock.toml")?;
    Ok(())
}

fn what_has_failed(machine: &Machine) -> Result<()> {
    machine.sh(
        "echo 'command = [\"/nowhere/x\"]' > /etc/herd/available/gone.conf; herd enable gone; \
         i=0; until grep -q gone /run/herd/failed; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done",
    )?;
    let told = greeting(machine)?;
    let failed = told.find("failed service: gone: failed");
    ensure!(failed.is_some() && failed < told.find("Welcome"), "{told}");
    machine.sh("touch /root/.hushlogin")?;
    ensure!(!greeting(machine)?.contains("Welcome"));
    Ok(())
}

/// A damaged host key is told of and left alone.
#[test]
fn a_damaged_host_key_is_never_replaced() -> Result<()> {
    let mut machine = machine("host-key").up()?;
    let key = "/etc/ssh/ssh_host_ed25519_key";
    let sum = machine.sh(&format!("sed -i 2d {key}; sync; sha256sum {key}"))?;
    machine.console().skip();
    let _ = machine.ssh("reboot");
    machine.expect("the host key file is damaged")?;
    machine.expect("TEMPORARY")?;
    machine.expect("ssh: listening")?;
    std::fs::remove_file(machine.folder().join("known_hosts"))?;
    assert_eq!(machine.sh(&format!("sha256sum {key}"))?, sum);
    machine.off()
}
