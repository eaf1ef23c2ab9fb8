//! What programs may expect of the kernel: the same program passes on Linux.

use anyhow::Result;
use xtask::contracts::TOOLS;
use xtask::machine::{LIMIT, machine, run_limited};

#[test]
fn every_case_of_paddock_test_passes() -> Result<()> {
    let machine = machine("programs").up()?;
    let cases = machine.sh("paddock-test list")?;
    let mut failed = Vec::new();
    for case in cases
        .split_whitespace()
        .filter(|case| !TOOLS.contains(case))
    {
        let argument = if case == "elf-hostile" { "/tmp" } else { "" };
        let mut command = machine.ssh_command(&[])?;
        // BusyBox's shell ignores SIGQUIT, and so would a program that it runs
        // in its own place; one that it forks for has the default again.
        command.arg(format!("cd /tmp; paddock-test {case} {argument}; exit $?"));
        match run_limited(&mut command, Vec::new(), LIMIT) {
            // Wrong usage: the case is a part of other tests.
            Ok(reply) if [Some(0), Some(2)].contains(&reply.status.code()) => {}
            Ok(reply) => failed.push(format!("{case}: {}", without_ok(&reply.to_string()))),
            Err(error) => failed.push(format!("{case}: {error:#}")),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {}:\n{}",
        failed.len(),
        cases.lines().count(),
        failed.join("\n")
    );
    machine.done()
}

/// What a case printed, without the lines of what was as it should be.
fn without_ok(told: &str) -> String {
    let rest = told
        .lines()
        .filter(|line| !line.starts_with("ok ") && !line.is_empty());
    rest.collect::<Vec<_>>().join("\n")
}

/// By itself, since whoever goes wrong there takes others along.
#[test]
fn control_groups() -> Result<()> {
    let machine = machine("cgroups").up()?;
    let told = machine.sh("paddock-test cgroup")?;
    for line in [
        "ok no more than that",
        "ok in a system call, too",
        "ok all are killed",
    ] {
        assert!(told.contains(line), "{told}");
    }
    machine.done()
}

/// Of this machine, and of the one that gives it its address.
#[test]
fn echoes_come_back() -> Result<()> {
    let machine = machine("ping").up()?;
    let own = machine.sh("ip -4 -o addr show dev eth0")?;
    assert!(own.contains("10.0.2.15"), "{own}");
    for command in [
        "ping -c 2 -W 60 127.0.0.1",
        "ping -c 2 -W 60 -s 1400 10.0.2.15",
        "ping -c 2 -W 60 10.0.2.2",
        "ping6 -c 2 -W 60 ::1",
    ] {
        let told = machine.sh(command)?;
        assert!(told.contains("2 packets received"), "{command}: {told}");
    }
    machine.done()
}

/// By the C library's resolver, which wants to be told at once that a server is not there.
#[test]
fn names_are_resolved() -> Result<()> {
    let machine = machine("names").up()?;
    let told = machine.sh(
        "printf 'nameserver 127.0.0.9\nnameserver 127.0.0.1\n' > /etc/resolv.conf
        paddock-test name-server 127.0.0.1:53 10.0.2.2 > /dev/null 2>&1 &
        until grep -q ' 0100007F:0035 ' /proc/net/udp; do sleep 0.1; done
        ping -c 1 -W 60 gateway.test
        kill $!",
    )?;
    assert!(
        told.contains("PING gateway.test (10.0.2.2)") && told.contains("1 packets received"),
        "{told}"
    );
    machine.done()
}

#[test]
fn the_shell_and_its_tools() -> Result<()> {
    let machine = machine("tools").up()?;
    let cases = [
        ("echo a b c | tr a-z A-Z | cut -d' ' -f2", "B\n"),
        ("seq 1 1000 | sort -rn | head -3 | xargs", "1000 999 998\n"),
        (
            "for i in 3 1 2; do echo $i; done | sort | tr -d '\\n'",
            "123",
        ),
        ("x=$(cat /etc/hostname); echo ${#x}", "7\n"),
        (
            "awk 'BEGIN { for (i = 0; i < 5; i++) s += i; print s }'",
            "10\n",
        ),
        (
            "echo hello | sed 's/l*o/p/' | md5sum | cut -c1-8",
            "62cd25bc\n",
        ),
        (
            "cd /tmp && tar cf t.tar /etc/passwd 2>/dev/null && tar tf t.tar",
            "etc/passwd\n",
        ),
        ("echo compress me | gzip | gunzip", "compress me\n"),
        ("(sleep 0.1; echo later) & echo now; wait", "now\nlater\n"),
        (
            "find /srv -name '*.html' -exec basename {} ';'",
            "index.html\n",
        ),
        ("stat -c '%a %u' /root/.ssh/authorized_keys", "600 0\n"),
        ("cat < /proc/self/stat | cut -d' ' -f2", "(cat)\n"),
        (
            "readlink /etc/herd/enabled/httpd.conf",
            "../available/httpd.conf\n",
        ),
        (
            "mount -t cgroup2 | cut -d' ' -f3; stat -f -c %t /sys/fs/cgroup; cat /proc/self/cgroup",
            "/sys/fs/cgroup\n63677270\n0::/\n",
        ),
        // What makes itself independent stays in its group.
        (
            "cd /sys/fs/cgroup; echo +pids > cgroup.subtree_control; mkdir t; \
             sh -c 'echo 0 > t/cgroup.procs; setsid sh -c \"setsid sleep 999 & sleep 999\" & :'; \
             until [ $(cat t/pids.current) -ge 2 ]; do sleep 0.1; done; echo 1 > t/cgroup.kill; \
             until grep -q 'populated 0' t/cgroup.events; do sleep 0.1; done; rmdir t",
            "",
        ),
        ("wget -q -O - http://127.0.0.1/ | grep -c grazes", "1\n"),
    ];
    let mut wrong = Vec::new();
    for (command, expected) in cases {
        let reply = machine.ssh(command)?;
        if reply.text() != expected {
            wrong.push(format!("`{command}` gives {reply}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    machine.done()
}
