//! The operator's last resort: the monitor, asked for by name, and found in
//! place of a shell when there can be none.

use anyhow::{Context, Result, bail, ensure};
use paddock_tests::bomb;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use xtask::disk::{self, Contents};
use xtask::machine::{LIMIT, Machine, Reply, machine, run_limited, test_folder, test_programs};

/// Within how long a login reaches the monitor, whatever is broken.
const PROMISED: Duration = Duration::from_secs(5);

/// A command, or lines of input, for whoever logs in as `user`.
fn login(machine: &Machine, user: &str, command: &str, input: &str) -> Result<Reply> {
    let mut ssh = machine.ssh_command(&["-l", user])?;
    if !command.is_empty() {
        ssh.arg(command);
    }
    run_limited(&mut ssh, input.as_bytes().to_vec(), LIMIT)
        .with_context(|| format!("{user}: {command}{input}"))
}

fn monitor(machine: &Machine, command: &str) -> Result<Reply> {
    login(machine, "monitor", command, "")
}

/// What the monitor says to a command that goes well.
fn ask(machine: &Machine, command: &str) -> Result<String> {
    let reply = monitor(machine, command)?;
    ensure!(reply.status.success(), "{command}: {reply}");
    Ok(reply.text())
}

/// Logs root in for a shell, and expects the monitor and its reason.
fn falls_back(machine: &Machine, reason: &str) -> Result<()> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        let reply = login(machine, "root", "", "status\nexit\n")?;
        best = best.min(begun.elapsed());
        let text = reply.text();
        ensure!(
            text.contains("There is no shell") && text.contains(reason),
            "not `{reason}`: {reply}"
        );
        ensure!(text.contains("watchdog"), "no status: {reply}");
    }
    ensure!(best < PROMISED, "{reason}: the monitor came after {best:?}");
    Ok(())
}

#[test]
fn the_monitor_at_any_time() -> Result<()> {
    for cpus in [1, 4] {
        let machine = machine("monitor").smp(cpus).up()?;
        machine.sh("i=0; until herd status httpd | grep -q running; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done")?;
        tells_and_acts(&machine, cpus)?;
        restarts_herd(&machine)?;
        refuses(&machine)?;
        machine.off()?;
    }
    Ok(())
}

fn tells_and_acts(machine: &Machine, cpus: u32) -> Result<()> {
    let status = ask(machine, "status")?;
    for part in ["system   Paddock", "disk     vda answers", "/bin/herd runs"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(status.contains(&format!("{cpus} CPUs")), "{status}");
    assert!(ask(machine, "threads")?.contains(" main-loop\n"));
    assert!(ask(machine, "memory")?.contains("kernel heap"));
    assert!(ask(machine, "dmesg")?.contains("ssh: listening"));
    assert_eq!(ask(machine, "dmesg 3")?.lines().count(), 3);
    assert!(ask(machine, "help")?.contains("reboot [now]"));
    ask(machine, "locks")?;
    ask(machine, "sync")?;

    let pid = machine.sh("sleep 1000 >/dev/null 2>&1 & echo $!")?;
    let pid = pid.trim();
    let line = format!("{pid:>5} ");
    assert!(
        ask(machine, "ps")?
            .lines()
            .any(|known| known.starts_with(&line))
    );
    ask(machine, &format!("kill {pid} KILL"))?;
    machine.sh(&format!("while kill -0 {pid} 2>/dev/null; do :; done"))?;
    assert_eq!(monitor(machine, "kill 32000")?.status.code(), Some(1));

    let typo = monitor(machine, "stauts")?;
    assert_eq!(typo.status.code(), Some(2));
    assert!(typo.errors().contains("did you mean \"status\"?"), "{typo}");
    // In a dialogue, with the last line unfinished.
    let talk = login(machine, "monitor", "", "memory\nherd\n\nls\nlocks")?;
    assert!(talk.text().contains("process 1"), "{talk}");
    assert!(talk.errors().contains("no shell"), "{talk}");
    Ok(())
}

fn restarts_herd(machine: &Machine) -> Result<()> {
    let before = machine.sh("herd status httpd --json")?;
    ask(machine, "herd restart")?;
    machine.sh("i=0; until herd status httpd 2>/dev/null | grep -q running; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done")?;
    let after = machine.sh("herd status httpd --json")?;
    assert_ne!(before, after, "another instance runs");
    // Only one, and it has its port.
    let servers = machine.sh("for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -c '^[^ ]*httpd'; true")?;
    assert_eq!(servers, "1\n");
    let herd = ask(machine, "herd")?;
    assert!(herd.contains("was killed by signal 9"), "{herd}");
    Ok(())
}

/// The keys are root's, as they are now, without those for one command.
fn refuses(machine: &Machine) -> Result<()> {
    machine.sh("cp -p /root/.ssh/authorized_keys /root/keys")?;
    machine.sh("sed -i 's/^ssh/command=\"cp -p \\/root\\/keys \\/root\\/.ssh\\/authorized_keys\" ssh/' /root/.ssh/authorized_keys")?;
    let bound = monitor(machine, "status")?;
    assert!(bound.errors().contains("Permission denied"), "{bound}");
    machine.sh("it is the forced command that runs")?;
    ask(machine, "status")?;
    Ok(())
}

#[test]
fn a_stalled_disk() -> Result<()> {
    for cpus in [1, 4] {
        let machine = machine("stalled").smp(cpus).controlled().alone().up()?;
        machine.sh("sync; echo 3 > /proc/sys/vm/drop_caches")?;
        machine.throttle_disk(Some(1))?;
        falls_back(&machine, "vda has not answered")?;
        let told = ask(&machine, "status")?;
        assert!(told.contains("vda has not answered"), "{told}");
        machine.throttle_disk(None)?;
        assert_eq!(machine.sh("echo back")?, "back\n");
        // The kernel has told how long the disk was away.
        machine.complained()?;
    }
    Ok(())
}

/// A disk whose process 1 ends at once when it is started first.
fn disk_with_a_herd_that_dies() -> Result<PathBuf> {
    let folder = test_folder();
    let script = folder.join("once");
    std::fs::write(
        &script,
        "#!/bin/sh\n[ -e /tmp/once ] && exec /bin/herd\n>/tmp/once; exit 3\n",
    )?;
    std::fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    let image = folder.join("herd-dies.img");
    let contents = Contents {
        add: vec![(script, "/root/once".into())],
        ..Contents::default()
    };
    disk::make(&image, &contents, &test_programs()?)?;
    Ok(image)
}

/// Waits until process 1 has ended, and is told how.
fn ended_with_3(machine: &Machine) -> Result<()> {
    let begun = Instant::now();
    let mut herd = ask(machine, "herd")?;
    while !herd.contains("does not run") {
        ensure!(begun.elapsed() < LIMIT, "{herd}");
        herd = ask(machine, "herd")?;
    }
    ensure!(herd.contains("exited with 3"), "{herd}");
    Ok(())
}

/// Asks the monitor for the memory until it is full as it answers: each time
/// that a process is killed for it, it is not.
fn answers_with_memory_full(machine: &Machine) -> Result<()> {
    let mut memory = String::new();
    for _ in 0..50 {
        let begun = Instant::now();
        memory = ask(machine, "memory")?;
        ensure!(begun.elapsed() < PROMISED, "after {:?}", begun.elapsed());
        let free: u32 = memory
            .lines()
            .find_map(|line| {
                line.strip_prefix("free")?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .context("no free memory told")?;
        if free < 24 << 10 {
            return Ok(());
        }
    }
    bail!("memory is not full: {memory}")
}

#[test]
fn no_shell_no_herd_no_memory() -> Result<()> {
    let image = disk_with_a_herd_that_dies()?;
    for cpus in [1, 4] {
        let mut machine = machine("no-shell")
            .smp(cpus)
            .alone()
            .disk(&image)
            .append("init=/root/once")
            .up()?;
        ended_with_3(&machine)?;
        ask(&machine, "herd restart")?;
        machine.sh("i=0; until herd status httpd 2>/dev/null | grep -q running; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done")?;

        machine.sh(&format!(
            "{}; while [ $(awk '/^MemFree/ {{ print $2 }}' /proc/meminfo) -gt 20000 ]; do :; done",
            bomb::start_with_full_tmp()
        ))?;
        answers_with_memory_full(&machine)?;
        machine.sh(bomb::STOP_WITH_FULL_TMP)?;

        machine.sh("sync; mv /bin/sh /bin/sh.away")?;
        falls_back(&machine, "No such file")?;
        let command = login(&machine, "root", "true", "")?;
        assert_eq!(command.status.code(), Some(254), "{command}");
        assert!(command.errors().contains("ssh monitor@"), "{command}");
        machine.console().skip();
        // The client hears of the end: it is not left waiting for a machine that is gone.
        let reply = monitor(&machine, "reboot")?;
        assert_eq!(reply.status.code(), Some(255), "{reply}");
        machine.expect("Paddock 0.")?;
        machine.expect("ssh: listening")?;
        // Once a boot: a port that is closed for the reboot stays closed.
        let console = machine.console().text();
        assert_eq!(console.matches("ssh: listening").count(), 2, "{console}");
        machine.done()?;
    }
    Ok(())
}
