//! Everything at once, and nothing left behind.

use anyhow::{Context, Result};
use std::time::Duration;
use xtask::machine::machine;
use xtask::stress::{self, Connections, Figures, Plan};

#[test]
fn a_short_stress_run_leaves_nothing_behind() -> Result<()> {
    let summary = stress::run(&Plan {
        time: Duration::from_secs(25),
        smp: None,
    })?;
    assert!(summary.traffic.sessions > 0, "{summary:?}");
    assert!(
        summary.inside.iter().all(|(_, count)| *count > 0),
        "{summary:?}"
    );
    Ok(())
}

/// A crowd leaves no tables behind that are as large as it was.
#[test]
fn a_crowd_of_connections_leaves_nothing_behind() -> Result<()> {
    let crowd = Connections {
        open: 3_000,
        churn: 3_000,
        smp: 1,
    };
    crowd.run().map(drop)
}

/// What a single thread leaves behind is too small for the figures below: a
/// thousand of them tell. In bytes of the heap. What is kept for the greatest
/// number of threads at once grows when a round has more of them than any before;
/// a leak grows with every round.
#[test]
fn a_thread_leaves_not_a_byte() -> Result<()> {
    let machine = machine("threads-leak").up()?;
    let heap = |command: &str| -> Result<u64> {
        let text = machine.sh(&format!(
            "{command} > /dev/null; sync; echo 3 > /proc/sys/vm/drop_caches; sleep 1; cat /proc/paddock/heap"
        ))?;
        let used = text.lines().find_map(|line| line.strip_prefix("used "));
        Ok(used.context("no figure of the heap")?.trim().parse()?)
    };
    heap("paddock-test bench fork 1000")?;
    let mut figures = vec![heap("paddock-test bench fork 10")?];
    let level = |figures: &[u64]| figures.windows(2).any(|pair| pair[1] <= pair[0]);
    while !level(&figures) && figures.len() < 6 {
        figures.push(heap("paddock-test bench fork 2000")?);
    }
    println!("bytes after each 2000 processes: {figures:?}");
    assert!(
        level(&figures),
        "bytes after each 2000 processes: {figures:?}"
    );
    machine.done()
}

/// Some thousands of each, one kind after the other, so that a leak has a
/// name.
#[test]
fn thousands_of_everything_leave_nothing_behind() -> Result<()> {
    let machine = machine("leaks")
        .with(|config| config.mem = "512M".into())
        .up()?;
    let kinds = [
        ("forks", "paddock-test bench fork 2000"),
        ("programs", "paddock-test bench exec 500"),
        ("pipes", "paddock-test bench pipe 5000"),
        ("files in memory", "paddock-test bench file 2000"),
        ("processes", "paddock-test stress 3 /root processes"),
        ("threads", "paddock-test stress 3 /root threads"),
        ("execs among threads", "paddock-test stress 3 /root execs"),
        ("files", "paddock-test stress 3 /root files"),
        ("signals", "paddock-test stress 3 /root signals"),
        ("connections", "paddock-test stress 3 /root tcp"),
        ("local sockets", "paddock-test stress 3 /root unix"),
        ("pipes of many", "paddock-test stress 3 /root pipes"),
        ("epolls", "paddock-test stress 3 /root epolls"),
    ];
    let mut leaks = Vec::new();
    for (kind, command) in kinds {
        machine.sh(command)?;
        let before = Figures::settled(&machine, None)?;
        machine.sh(command)?;
        let after = Figures::settled(&machine, Some(&before))?;
        println!("{kind}: {after}");
        leaks.extend(
            after
                .leak_since(&before)
                .map(|leak| format!("{kind}: {leak}")),
        );
    }
    machine.sh("true")?;
    let before = Figures::settled(&machine, None)?;
    for _ in 0..50 {
        machine.sh("true")?;
    }
    let after = Figures::settled(&machine, Some(&before))?;
    leaks.extend(
        after
            .leak_since(&before)
            .map(|leak| format!("sessions: {leak}")),
    );
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    machine.off()
}
