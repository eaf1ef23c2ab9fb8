//! Nothing that services write, and nobody who does not read, holds herd up.

mod common;

use std::process::Stdio;

use common::{Herd, alive, eventually, kill};

#[test]
fn one_that_writes_as_fast_as_it_can_holds_nobody_up() {
    let mut herd = Herd::new();
    for name in ["loud", "louder"] {
        herd.define(
            name,
            "command = ['yes', 'a line of some forty characters, no more']\n\
             [log]\nmax_size = '64K'\nkeep = 1\n",
        );
        herd.link(name);
    }
    herd.define("quiet", "command = ['sleep', '1000']\n");
    herd.link("quiet");
    herd.start();
    herd.wait_log("loud", "forty characters");
    for _ in 0..20 {
        let old = herd.pid("quiet");
        herd.ok(&["restart", "quiet"]);
        assert!(!alive(old));
        herd.pid("quiet");
    }
    herd.ok(&["stop", "loud"]);
    herd.ok(&["stop", "louder"]);
    herd.wait_log("loud", "killed by SIGTERM");
    herd.wait_log("louder", "killed by SIGTERM");
}

#[test]
fn a_console_that_nobody_reads_holds_nobody_up() {
    let mut herd = Herd::new();
    herd.define(
        "ends",
        "command = ['true']\nrestart = 'always'\nbackoff = '1ms..1ms'\n",
    );
    herd.link("ends");
    herd.start_with_output(Stdio::piped());
    // Each end is three lines: together more than a pipe holds.
    eventually("many restarts", || {
        (herd.status("ends")["restarts"].as_u64()? > 800).then_some(())
    });
    herd.ok(&["stop", "ends"]);
}

#[test]
fn a_crowd_that_starts_lets_commands_through() {
    let mut herd = Herd::new();
    for n in 0..200 {
        let name = format!("s{n:03}");
        herd.define(&name, "command = ['sleep', '1000']\n");
        herd.link(&name);
    }
    herd.start();
    herd.ok(&["stop", "s199"]);
    herd.wait_state("s199", "stopped");
    let pid = herd.pid("s198");
    kill(pid, libc::SIGKILL);
    eventually("it is started again", || {
        let status = herd.status("s198");
        (status["pid"].as_i64()? != i64::from(pid)).then_some(())
    });
}
