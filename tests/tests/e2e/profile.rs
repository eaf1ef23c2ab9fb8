//! The profiler, as an operator uses it on a machine that runs.

use anyhow::Result;
use xtask::machine::machine;
use xtask::profile::Stacks;

const FILE: &str = "/proc/paddock/profile";

/// A program of many small system calls on one CPU and a loop of its own on another:
/// both are seen, with the stacks of the kernel and of the program, after they have
/// ended too.
#[test]
fn the_kernel_and_programs_are_seen() -> Result<()> {
    let machine = machine("profile").smp(2).up()?;
    machine.sh(&format!("echo start 1999 > {FILE}"))?;
    let busy = machine.ssh(&format!("echo start > {FILE}"))?;
    assert!(busy.errors().contains("busy"), "it started twice: {busy}");
    machine.sh("(i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done) & \
         paddock-test bench zero 200000; wait")?;
    machine.sh(&format!("echo stop > {FILE}"))?;
    let text = machine.sh(&format!("cat {FILE}"))?;
    assert_eq!(
        machine.sh(&format!("cat {FILE}"))?,
        text,
        "it goes on counting"
    );

    let folded = Stacks::of_test_machine(&text)?.folded();
    let calls =
        |line: &&String| line.starts_with("paddock-test;") && line.contains("trap_system_call_[k]");
    assert!(folded.iter().any(|line| calls(&line)), "{text}");
    let loops = |line: &&String| line.starts_with("sh;/bin/busybox+0x");
    assert!(folded.iter().any(|line| loops(&line)), "{text}");

    for wrong in ["start 0", "start 10001", "start 5 5", "start x", "begin"] {
        let reply = machine.ssh(&format!("echo {wrong} > {FILE}"))?;
        assert!(
            reply.errors().contains("Invalid argument"),
            "{wrong}: {reply}"
        );
    }
    let nobody = machine.ssh(&format!("su -s /bin/sh nobody -c 'cat {FILE}'"))?;
    assert!(nobody.errors().contains("ermission denied"), "{nobody}");
    machine.done()
}
