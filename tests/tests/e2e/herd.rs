//! The supervisor and the first real service.

use anyhow::{Context, Result};
use paddock_tests::http;
use std::time::Duration;
use xtask::machine::{LIMIT, Machine, machine, test_kernel};

const SOON: Duration = LIMIT;

#[test]
fn the_page_is_served() -> Result<()> {
    let machine = machine("httpd").up()?;
    http::wait_for(machine.http_port(), "/", "It grazes", SOON)?;
    let status = machine.sh("herd status")?;
    assert!(
        status
            .lines()
            .any(|line| line.contains("httpd") && line.contains("running")),
        "{status}"
    );
    assert!(http::get(machine.http_port(), "/no-such-page")?.contains("404"));
    machine.done()
}

/// Prints the process number of httpd.
const PID_OF: &str = "pidof httpd";

fn pid_of(machine: &Machine) -> Result<u32> {
    let pids = machine.sh(PID_OF)?;
    pids.split_whitespace()
        .next()
        .and_then(|pid| pid.parse().ok())
        .with_context(|| format!("pids: {pids:?}"))
}

#[test]
fn a_killed_service_comes_back_twenty_times() -> Result<()> {
    let machine = machine("killed").up()?;
    http::wait_for(machine.http_port(), "/", "It grazes", SOON)?;
    let mut last = 0;
    for time in 1..=20 {
        let pid = pid_of(&machine)?;
        assert_ne!(pid, last, "the service was not started anew");
        last = pid;
        // It had run for a second: the first time it comes back at once, then
        // within the longest wait of its definition.
        machine.sh(&format!("sleep 1.1; kill -9 {pid}"))?;
        machine.sh(&format!(
            "i=0; until herd status httpd | grep -q running && [ \"$({PID_OF})\" != {pid} ]; do \
             i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done"
        ))?;
        http::wait_for(machine.http_port(), "/", "It grazes", SOON)
            .with_context(|| format!("after kill number {time}"))?;
    }
    let log = machine.sh("herd log httpd -n all")?;
    let deaths = log.lines().filter(|line| line.contains("KILL")).count();
    assert!(deaths >= 20, "{deaths} deaths in the log:\n{log}");
    machine.done()
}

#[test]
fn services_are_enabled_and_disabled() -> Result<()> {
    let machine = machine("enable").up()?;
    http::wait_for(machine.http_port(), "/", "It grazes", SOON)?;
    let script = "#!/bin/sh\\necho I tick\\nsetsid setsid env -i /bin/sleep 777 >/dev/null 2>&1 &\\necho up >&3\\nexec sleep 1000\\n";
    machine.sh(&format!(
        "printf '{script}' > /root/tick; chmod +x /root/tick"
    ))?;
    // It is up when it says so, after what it needs, and asked how it is.
    let definitions = "cd /etc/herd/available; \
        printf 'command = \"/root/tick\"\\nready = \"fd:3\"\\nneeds = [\"once\"]\\n\
        [health]\\nprobe = \"tcp:80\"\\nperiod = \"200ms\"\\ntimeout = \"20s\"\\n' > tick.conf; \
        printf 'type = \"oneshot\"\\ncommand = [\"/bin/sh\", \"-c\", \"echo once\"]\\n\
        pre_start = [\"/bin/sh\", \"-c\", \"echo first\"]\\npost_stop = [\"/bin/sh\", \"-c\", \"echo last\"]\\n\
        nofile = 64\\numask = \"027\"\\nno_new_privs = true\\n' > once.conf";
    machine.sh(definitions)?;
    machine.sh("herd config tick && herd enable tick")?;
    machine.sh("herd status tick && herd log tick | grep 'ready after'")?;
    let log = machine.sh("herd status once | grep done && herd log once")?;
    let words: Vec<usize> = ["first", "once", "last"]
        .iter()
        .filter_map(|word| log.find(&format!("out  | {word}")))
        .collect();
    assert!(words.len() == 3 && words.is_sorted(), "{log}");
    machine.sh("i=0; until herd log tick | grep -q 'I tick'; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done")?;
    let daemon = "ps | grep '[s]leep 777'";
    machine.sh(&format!(
        "i=0; until {daemon}; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done"
    ))?;
    machine.sh(&format!("herd stop tick && ! {daemon}"))?;
    assert_eq!(machine.ssh("herd status tick")?.status.code(), Some(1));
    machine.sh("herd start tick && herd disable tick")?;
    a_timer_runs(&machine)?;
    a_bomb_stays_in_its_group(&machine)?;
    a_hog_is_told_from_a_kill(&machine)?;
    units_and_templates_become_services(&machine)?;
    assert_ne!(machine.ssh("herd status tick")?.status.code(), Some(0));
    machine.done()
}

/// As often as it is to, and when an operator asks.
fn a_timer_runs(machine: &Machine) -> Result<()> {
    machine.sh(
        "printf 'command = [\"/bin/sh\", \"-c\", \"echo ran >> /tmp/ran\"]\n\
         type = \"timer\"\nschedule = \"every 1s\"\n' \
         > /etc/herd/available/often.conf; herd enable often",
    )?;
    machine.sh("i=0; until [ $(wc -l < /tmp/ran) -ge 3 ]; do i=$((i+1)); \
         [ $i -lt 300 ] || exit 1; sleep 0.1; done")?;
    machine.sh("herd start often; herd disable often && herd status often | grep stopped")?;
    Ok(())
}

/// It makes processes until it may not, and keeps them.
fn a_bomb_stays_in_its_group(machine: &Machine) -> Result<()> {
    machine.sh(
        "printf 'command = \"/bin/paddock-test exhaust fork 0 hold\"\npids_max = 40\n' \
         > /etc/herd/available/bomb.conf; herd enable bomb >/dev/null",
    )?;
    let group = "/sys/fs/cgroup/herd/bomb";
    machine.sh(&format!(
        "i=0; until grep -q 'max [1-9]' {group}/pids.events; do i=$((i+1)); \
         [ $i -lt 300 ] || exit 1; sleep 0.1; done"
    ))?;
    let status = machine.sh("herd status bomb")?;
    assert!(status.contains(group), "{status}");
    let tasks = machine.sh(&format!("cat {group}/pids.peak"))?;
    assert_eq!(tasks, "40\n", "{status}");
    machine.sh("herd stop bomb && [ -z \"$(pidof paddock-test)\" ]")?;
    machine.sh(&format!("[ ! -e {group} ]"))?;
    Ok(())
}

/// It takes more memory than it may, again and again; nobody else is killed.
fn a_hog_is_told_from_a_kill(machine: &Machine) -> Result<()> {
    let other = "herd status httpd | grep '^pid'";
    let before = machine.sh(other)?;
    machine.sh(
        "printf 'command = [\"/bin/sh\", \"-c\", \"sleep 1; tail /dev/zero\"]\nmemory_max = \"8M\"\n' \
         > /etc/herd/available/hog.conf; herd enable hog >/dev/null; :",
    )?;
    machine.sh(
        "i=0; until herd why hog | grep -q 'killed for want of memory'; do i=$((i+1)); \
         [ $i -lt 300 ] || exit 1; sleep 0.1; done",
    )?;
    machine.sh("herd stop hog; ! herd log hog -n all | grep -q 'this machine has no'")?;
    assert_eq!(machine.sh(other)?, before);
    // What is in memory counts, and is shown.
    let shown = machine.sh("herd status httpd --json")?;
    let memory = shown.split("\"memory\":").nth(1).unwrap_or_default();
    let memory = memory
        .trim_start()
        .split(|c: char| !c.is_ascii_digit())
        .next();
    let memory: u64 = memory.unwrap_or_default().parse().unwrap_or(0);
    assert!(memory > 4096, "{shown}");
    Ok(())
}

/// A unit of systemd's, and two of one template.
fn units_and_templates_become_services(machine: &Machine) -> Result<()> {
    machine.sh(
        "printf '[Unit]\nAfter=network.target httpd.service\n[Service]\nExecStart=/bin/sleep 1001\n' \
         > /tmp/unit.service",
    )?;
    let told = machine.sh("herd import /tmp/unit.service && herd enable unit")?;
    assert!(
        told.contains("not carried over") && told.contains("network.target"),
        "{told}"
    );
    machine.sh(
        "ps | grep -q '[s]leep 1001' && herd tree | grep -q 'after httpd' && herd disable unit",
    )?;
    machine.sh(
        "echo 'command = \"/bin/sleep 100%i\"' > /etc/herd/available/nap@.conf; \
         herd enable nap@2 nap@3 && ps | grep -q '[s]leep 1002' && ps | grep -q '[s]leep 1003'",
    )?;
    machine.sh("herd stop 'nap@*' && herd disable 'nap@*' && ! ps | grep '[s]leep 100[23]'")?;
    machine.sh("herd completion bash | grep -q 'complete -F _herd herd'")?;
    Ok(())
}

/// A service with a socket, and one that is started by its clients, which come all the
/// time. What the first answers.
fn keeps_a_socket(machine: &Machine) -> Result<String> {
    // herd may die meanwhile: then it is asked again.
    machine.sh(
        "printf 'command = \"/bin/paddock-test listen-fds\"\nsockets = [\"tcp:7001\"]\n' \
         > /etc/herd/available/kept.conf; \
         printf 'command = \"/bin/paddock-test listen-fds 1\"\ntype = \"socket\"\n\
         sockets = [\"tcp:7002\"]\n' > /etc/herd/available/lazy.conf; \
         i=0; until herd enable kept lazy >/dev/null 2>&1; do \
         i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done; \
         i=0; until paddock-test ask 7002 >/dev/null; do \
         i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done; \
         : > /tmp/refused; (for i in $(seq 60); do \
         paddock-test ask 7001 >/dev/null || echo refused >> /tmp/refused; \
         paddock-test ask 7002 >/dev/null || echo lazily refused >> /tmp/refused; \
         sleep 0.1; done) >/dev/null 2>&1 &",
    )?;
    machine.sh("paddock-test ask 7001")
}

#[test]
fn services_outlive_herd() -> Result<()> {
    let kernel = test_kernel()?;
    let mut machine = machine("herd-dies")
        .with(|config| config.kernel = kernel)
        .append("paddock.scene=herd-dies")
        .up()?;
    let kept = keeps_a_socket(&machine)?;
    machine.expect("scene: herd has died often enough")?;
    http::wait_for(machine.http_port(), "/", "It grazes", SOON)?;
    let runs = "i=0; until herd status httpd | grep -q running; do i=$((i+1)); \
                [ $i -lt 300 ] || exit 1; sleep 0.1; done";
    machine.sh(runs)?;
    let pids = machine.sh(PID_OF)?;
    assert_eq!(pids.split_whitespace().count(), 1, "{pids}");
    let log = machine.sh("herd log httpd -n all")?;
    assert!(log.contains("runs on under a new herd"), "{log}");
    // Nobody was refused, and the same one answers.
    let log = machine.sh("herd log kept -n all; cat /tmp/refused")?;
    assert!(log.contains("runs on under a new herd"), "{log}");
    assert!(!log.contains("refused"), "{log}");
    assert_eq!(machine.sh("paddock-test ask 7001")?, kept);
    // What was taken over is supervised.
    let pid = pid_of(&machine)?;
    machine.sh(&format!("kill -9 {pid}"))?;
    machine.sh(&format!(
        "i=0; until [ \"$({PID_OF})\" != {pid} ] && {PID_OF}; do i=$((i+1)); \
         [ $i -lt 600 ] || exit 1; sleep 0.1; done"
    ))?;
    let log = machine.sh("herd log httpd -n all")?;
    assert!(log.contains("killed by SIGKILL"), "{log}");
    machine.done()
}

/// Sockets that herd keeps: clients wait for the next instance, and for the next herd.
#[test]
fn clients_wait_for_an_instance_and_for_herd() -> Result<()> {
    let machine = machine("sockets").up()?;
    machine.sh(
        "printf 'command = \"/bin/paddock-test listen-fds\"\nrestart = \"always\"\n\
         sockets = [\"tcp:7001\", \"udp:7003\", { listen = \"unix:/run/kept/x\", name = \"control\" }]\n\
         pre_start = \"sleep 1\"\n' > /etc/herd/available/kept.conf; \
         printf 'command = \"/bin/paddock-test listen-fds 1\"\ntype = \"socket\"\n\
         sockets = [\"tcp:7002\"]\n' > /etc/herd/available/lazy.conf; \
         herd enable kept lazy",
    )?;
    let ask = |port: u16| machine.sh(&format!("paddock-test ask {port}"));
    let first = ask(7001)?;
    machine.sh(
        "herd log kept | grep '3 sockets: kept:kept:control' && ls -l /run/kept/x | grep '^srw-rw-rw'",
    )?;
    // Nobody accepts for at least the second that it takes to begin.
    let pid = first.trim().trim_start_matches("pid ");
    let second = machine.sh(&format!(
        "kill -9 {pid}; while [ -e /proc/{pid} ]; do :; done; paddock-test ask 7001"
    ))?;
    assert!(second.starts_with("pid ") && second != first, "{second}");
    machine.sh("herd status lazy | grep listening")?;
    let served = ask(7002)?;
    assert!(served.starts_with("pid "), "{served}");
    assert_ne!(ask(7002)?, served);
    machine.sh("herd upgrade")?;
    assert_eq!(ask(7001)?, second);
    assert!(ask(7002)?.starts_with("pid "));
    machine.sh(
        "i=0; until herd status lazy | grep listening; do i=$((i+1)); \
         [ $i -lt 300 ] || exit 1; sleep 0.1; done",
    )?;
    machine.sh("herd stop kept lazy")?;
    for port in [7001, 7002] {
        machine.sh(&format!("! paddock-test ask {port}"))?;
    }
    machine.sh("herd start kept && paddock-test ask 7001 && herd stop kept")?;
    machine.done()
}

/// Two hundred services that end as soon as they begin, and a clock that is a year ahead
/// and then a year behind.
#[test]
fn the_operator_gets_in_beside_two_hundred_crash_loops() -> Result<()> {
    let machine = machine("crash-loops")
        .with(|config| config.mem = "256M".to_owned())
        .alone()
        .up()?;
    machine.sh(
        "printf 'command = \"/bin/false\"\nbackoff = \"100ms..2s\"\n' \
         > /etc/herd/available/crash@.conf; cd /etc/herd/enabled; i=0; \
         while [ $i -lt 200 ]; do ln -s ../available/crash@.conf crash@$i.conf; i=$((i+1)); \
         done; herd reload",
    )?;
    machine.sh(
        "i=0; until herd status crash@199 | grep -q 'in a crash loop'; do i=$((i+1)); \
         [ $i -lt 300 ] || exit 1; sleep 0.1; done",
    )?;
    // By the machine's own clock: each login begins and ends between two looks at it.
    let now = || -> Result<Duration> {
        let text = machine.sh("cat /proc/uptime")?;
        let seconds = text
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok());
        Ok(Duration::from_secs_f64(
            seconds.with_context(|| text.clone())?,
        ))
    };
    let mut times = Vec::new();
    let mut last = now()?;
    for _ in 0..5 {
        let next = now()?;
        times.push(next.saturating_sub(last));
        last = next;
    }
    times.sort();
    eprintln!("a login and a command beside 200 crash loops: {times:?}");
    assert!(times[2] < Duration::from_secs(1), "{times:?}");
    for date in ["2028-01-01 00:00:00", "2026-01-01 00:00:00"] {
        machine.sh(&format!("date -u -s '{date}'"))?;
        let before = machine.sh("herd status crash@7 --json | grep restarts")?;
        machine.sh(&format!(
            "i=0; while [ \"$(herd status crash@7 --json | grep restarts)\" = '{}' ]; do \
             i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done",
            before.trim_end()
        ))?;
        let pid = pid_of(&machine)?;
        machine.sh(&format!(
            "kill -9 {pid}; i=0; until [ \"$({PID_OF})\" != {pid} ] && {PID_OF}; do i=$((i+1)); \
             [ $i -lt 300 ] || exit 1; sleep 0.1; done"
        ))?;
    }
    machine.sh("herd stop 'crash@*'")?;
    machine.done()
}
