//! Whatever programs take all of, the rest of the system goes on: an errno
//! for them, their memory back at their end, and the operator gets in.

use anyhow::{Context, Result};
use paddock_tests::{bomb, load};
use std::process::Child;
use std::time::{Duration, Instant};
use xtask::machine::{Machine, machine, test_kernel};

/// How long a login, and a command of herd's, may take on a host that is busy
/// with other machines; `operator_gets_in` takes the best of three.
const OPERATOR_LIMIT: Duration = Duration::from_secs(2);
/// Kilobytes by which free memory may differ before and after: what the
/// kernel keeps of names and statistics.
const SLACK_KB: u64 = 512;
const COMES_BACK_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn an_allocation_that_fails_is_an_errno() -> Result<()> {
    let kernel = test_kernel()?;
    let machine = machine("fail-alloc")
        .with(|config| config.kernel = kernel)
        .up()?;
    let reply = machine.ssh("paddock-test fail-alloc; exit $?")?;
    let text = reply.text();
    assert!(reply.status.success(), "{text}");
    let points: u64 = text
        .lines()
        .find_map(|line| line.strip_suffix(" allocations failed")?.parse().ok())
        .with_context(|| format!("no count in {text}"))?;
    assert!(
        points > 500,
        "{points} allocations are too few to be all:\n{text}"
    );
    assert_eq!(machine.sh("cat /proc/paddock/violations")?, "0\n");
    machine.done()
}

/// Free memory in kilobytes, without what is kept only to be quicker.
fn free_kb(machine: &Machine) -> Result<u64> {
    let text = machine.sh("sync; echo 3 > /proc/sys/vm/drop_caches; grep MemFree /proc/meminfo")?;
    let number = text.split_whitespace().nth(1);
    number
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("no number in {text}"))
}

/// What is free once it is what was free before, or after a while: some of what a
/// program had is given back behind its end.
fn free_again_kb(machine: &Machine, before: u64) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let after = free_kb(machine)?;
        if after + SLACK_KB >= before || begun.elapsed() > COMES_BACK_WITHIN {
            return Ok(after);
        }
    }
}

#[test]
fn what_a_user_filled_comes_back() -> Result<()> {
    let machine = machine("fills").up()?;
    // Once, so that what is only made once is there.
    machine.sh("paddock-test exhaust pipes")?;
    let before = free_kb(&machine)?;
    let mut wrong = Vec::new();
    for kind in ["pipes", "sockets", "tcp", "bytes", "names"] {
        // Four at once, then many in turn.
        let round = format!(
            "for i in 1 2 3 4; do paddock-test exhaust {kind} 100$i & done; wait; \
             for i in 1 2 3 4 5; do paddock-test exhaust {kind}; done; rm -rf /tmp/*"
        );
        machine.sh(&round)?;
        let after = free_again_kb(&machine, before)?;
        if after + SLACK_KB < before {
            wrong.push(format!("{kind}: {before} kB were free, {after} kB are"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let users = machine.sh("cat /proc/paddock/users")?;
    assert_eq!(
        users.lines().count(),
        2,
        "nobody else owes anything: {users}"
    );
    machine.done()
}

/// A program in the guest that holds what it took, until it is dropped.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hold(machine: &Machine, what: &str) -> Result<Holder> {
    let mut ssh = machine.ssh_command(&[])?;
    ssh.arg(format!("paddock-test exhaust {what} hold"));
    ssh.stdout(std::process::Stdio::null());
    Ok(Holder(ssh.spawn()?))
}

/// The best of three times for a command.
fn best_of_three(machine: &Machine, command: &str) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let (result, took) = load::undisturbed(machine, || machine.sh(command))?;
        result?;
        best = best.min(took);
    }
    Ok(best)
}

/// Logs in, and has herd stop and start a service.
fn operator_gets_in(machine: &Machine, beside: &str) -> Result<()> {
    for command in ["true", "herd stop httpd; herd start httpd"] {
        let took = best_of_three(machine, command)?;
        assert!(
            took < OPERATOR_LIMIT,
            "`{command}` took {took:?} beside {beside}"
        );
    }
    Ok(())
}

/// Waits until a user has at least so many tasks.
fn wait_for_tasks(machine: &Machine, uid: u32, least: u32) -> Result<()> {
    machine.sh(&format!(
        "n=0; while [ $n -lt {least} ]; do \
         n=$(awk '$1 == {uid} {{ print $2 }}' /proc/paddock/users); n=${{n:-0}}; done"
    ))?;
    Ok(())
}

const KILL_ALL: &str = "while killall -9 paddock-test 2>/dev/null; do :; done; rm -rf /tmp/*; true";

#[test]
fn the_operator_gets_in_beside_bombs() -> Result<()> {
    let machine = machine("bombs").smp(1).alone().up()?;
    for (what, tasks) in [("fork", 700), ("threads", 100), ("children", 700)] {
        let _holder = hold(&machine, &format!("{what} 1000"))?;
        wait_for_tasks(&machine, 1000, tasks)?;
        operator_gets_in(&machine, what)?;
        machine.sh(KILL_ALL)?;
    }
    machine.off()
}

/// A service of root's has no limit but the machine's memory: it takes all of
/// that, and the operator gets in and ends it.
#[test]
fn the_operator_ends_a_service_that_takes_all() -> Result<()> {
    let machine = machine("root-bombs").smp(1).alone().up()?;
    for (what, tasks) in [("fork", 800), ("children", 1000), ("zombies", 1000)] {
        machine.sh(&bomb::start(what))?;
        wait_for_tasks(&machine, 0, tasks)?;
        let login = best_of_three(&machine, "true")?;
        assert!(login < OPERATOR_LIMIT, "{what}: logged in after {login:?}");
        let (result, took) =
            load::undisturbed(&machine, || machine.sh("herd stop bomb >/dev/null"))?;
        result?;
        println!("{what}: logged in after {login:?}, stopped after {took:?}");
        let limit = bomb::STOP_TIMEOUT + OPERATOR_LIMIT;
        assert!(took < limit, "{what}: stopped after {took:?}");
        machine.sh("herd disable bomb >/dev/null")?;
    }
    machine.off()
}

/// A process that is killed for its memory while it works ends before it works on,
/// whoever asked for memory, and takes nothing of what is kept for the operator.
#[test]
fn a_hog_that_works_ends_when_it_is_killed() -> Result<()> {
    let machine = machine("working-hogs").smp(1).up()?;
    for _ in 0..3 {
        let other = machine.sh("paddock-test exhaust sockets 1000 spin | \
             { read held; paddock-test exhaust sockets 1001; }")?;
        assert!(other.starts_with("sockets "), "{other}");
        machine.sh("while killall -0 paddock-test 2>/dev/null; do :; done")?;
    }
    let killed = machine.sh("dmesg | grep -c 'killed process .* uid 1000,'")?;
    assert_eq!(killed, "3\n");
    machine.done()
}

/// Hundreds of processes that want memory at once wait for what is given back, and
/// for no lock: each would be late by all those before it.
#[test]
fn many_without_memory_wait_for_no_lock() -> Result<()> {
    let machine = machine("many-hogs")
        .smp(1)
        .append("paddock.watchdog_lock_ms=500")
        .up()?;
    machine.sh(&format!(
        "{}; until [ $(dmesg | grep -c 'killed process') -ge 12 ]; do sleep 0.2; done; {}",
        bomb::start_with_full_tmp(),
        bomb::STOP_WITH_FULL_TMP
    ))?;
    machine.done()
}

/// Whoever wants all memory goes, and nobody else, however often.
#[test]
fn the_hog_is_killed_and_nobody_else() -> Result<()> {
    let machine = machine("hogs").up()?;
    machine.sh("sleep 1000 >/dev/null 2>&1 & echo $! > /tmp/sleeper")?;
    for _ in 0..5 {
        let end = machine.sh("paddock-test fault oom >/dev/null 2>&1; echo $?")?;
        assert_eq!(end, "137\n");
    }
    machine.sh("kill -0 $(cat /tmp/sleeper) && herd status | grep -q running")?;
    let killed = machine.sh("dmesg | grep -c 'out of memory: killed process'")?;
    assert_eq!(killed, "5\n");
    let others = machine.sh("dmesg | grep 'killed process' | grep -vc paddock-test; true")?;
    assert_eq!(others, "0\n");
    machine.off()
}
