//! What the kernel tells of its own threads and locks, and the watchdog's
//! limits.

use anyhow::{Context, Result};
use xtask::gdb;
use xtask::machine::{Builder, LIMIT, Machine, machine, run_limited, test_folder, test_kernel};
use xtask::qemu::free_port;

/// The lines of `/proc/paddock/threads` about the thread `name`.
fn thread_of<'a>(text: &'a str, name: &str) -> Result<Vec<&'a str>> {
    let mut lines = text.lines();
    let first = lines
        .find(|line| line.ends_with(&format!(" {name}")))
        .with_context(|| format!("no thread {name} in\n{text}"))?;
    let rest = lines.take_while(|line| line.starts_with("  "));
    Ok(std::iter::once(first).chain(rest).collect())
}

/// The table of threads at a moment at which the flusher and herd both sleep, with
/// the ways that led there.
fn both_asleep(machine: &Machine) -> Result<String> {
    let mut text = String::new();
    for _ in 0..100 {
        text = machine.sh("cat /proc/paddock/threads")?;
        let flusher = thread_of(&text, "flusher")?.join("\n");
        let herd = thread_of(&text, "herd")?.join("\n");
        if flusher.contains(" Blocked ")
            && flusher.contains(" thread_trampoline+0x")
            && herd.contains("::syscall::")
            && herd.contains(" user_sync+0x")
        {
            return Ok(text);
        }
    }
    anyhow::bail!("never: {text}")
}

#[test]
fn threads_and_locks_can_be_read() -> Result<()> {
    let machine = machine("threads").up()?;
    let text = both_asleep(&machine)?;
    let flusher = thread_of(&text, "flusher")?;
    let fields: Vec<_> = flusher[0].split(' ').collect();
    let header: Vec<_> = text.lines().next().unwrap_or_default().split(' ').collect();
    let field = |name: &str| -> Result<&str> {
        let at = header.iter().position(|field| *field == name);
        let at = at.with_context(|| format!("no column {name}"))?;
        fields.get(at).copied().context("a short line")
    };
    assert_eq!((field("class")?, field("state")?), ("System", "Blocked"));
    let (used, size): (usize, usize) = (field("stack")?.parse()?, field("stack_size")?.parse()?);
    assert!(used > 0 && used < size / 2, "{used} of {size}");

    // The reader holds no sleeping lock while it lists them.
    machine.sh("cat /proc/paddock/locks")?;
    machine.done()
}

#[test]
fn the_limits_can_be_set() -> Result<()> {
    let machine = machine("watchdog-limits")
        .append("paddock.watchdog_report_ms=4000 paddock.watchdog_lock_ms=none")
        .up()?;
    let show = || machine.sh("cat /proc/paddock/watchdog");
    assert!(show()?.starts_with("warn_ms 100\nreport_ms 4000\nlock_ms 10000\n"));
    machine.sh("echo warn_ms 250 >/proc/paddock/watchdog")?;
    assert!(show()?.starts_with("warn_ms 250\nreport_ms 4000\nlock_ms 10000\n"));
    let refused = machine.ssh("echo warn_ms 0 >/proc/paddock/watchdog")?;
    assert!(!refused.status.success());
    assert!(show()?.contains("\nreports 0\n"));
    assert!(
        machine
            .sh("dmesg")?
            .contains("paddock.watchdog_lock_ms: expected milliseconds")
    );
    machine.done()
}

#[test]
fn the_debugger_shows_threads_and_processors() -> Result<()> {
    let port = free_port()?;
    let machine = machine("gdb")
        .smp(2)
        .with(|config| {
            let listen = format!("tcp:127.0.0.1:{port}");
            config.extra.extend(["-gdb".into(), listen.into()]);
        })
        .up()?;
    let mut gdb = gdb::command(&test_folder().join("kernel.elf"), port)?;
    for command in ["threads", "cpus", "locks", "bt 4"] {
        gdb.args(["-ex", &format!("paddock {command}")]);
    }
    gdb.args(["-batch", "-ex", "detach"]);
    let text = run_limited(&mut gdb, Vec::new(), LIMIT)?.text();
    let shows = |part: &str| assert!(text.contains(part), "no `{part}` in\n{text}");
    shows(" main-loop ");
    shows(" async-fs        paddock_kernel::async_fs::work\n");
    shows("cpu 0: ");
    shows("cpu 1: ");
    shows("thread 4 (flusher), Blocked\n");
    shows("paddock_kernel::fs::flusher::run, inlined\n");
    assert_eq!(machine.sh("echo goes on")?, "goes on\n");
    machine.done()
}

/// Stopped where the first waiter says that it waits for too long.
#[test]
fn the_debugger_shows_locks() -> Result<()> {
    let kernel = test_kernel()?;
    let port = free_port()?;
    let machine = machine("gdb-locks")
        .no_disk()
        .no_net()
        .append("herd=off paddock.watchdog_lock_ms=400 paddock.mistake=lock-chain")
        .with(|config| {
            config.kernel = kernel;
            config.gdb = Some(port);
        })
        .start()?;
    let mut gdb = gdb::command(&test_folder().join("kernel-test.elf"), port)?;
    for command in [
        "tbreak paddock_sync_lock_stalled",
        "continue",
        "paddock locks",
    ] {
        gdb.args(["-ex", command]);
    }
    gdb.args(["-batch", "-ex", "kill"]);
    let reply = run_limited(&mut gdb, Vec::new(), LIMIT)?;
    let text = reply.text();
    let shown: Vec<_> = text.lines().filter(|line| line.contains("Inode")).collect();
    assert_eq!(shown.len(), 2, "{reply}");
    for (line, holder) in shown.iter().zip(["(reader)", "(between)"]) {
        assert!(
            line.contains(&format!("{holder}, taken at {HERE}")),
            "{reply}"
        );
    }
    for waiter in ["(between)", "(mistake)"] {
        assert!(
            text.contains(&format!("{waiter} waits in {HERE}")),
            "{reply}"
        );
    }
    machine.done()
}

/// Makes a mistake of the test kernel, and looks for these parts of what the
/// watchdog says, in this order.
fn is_reported(mistake: &str, cpus: u32, parts: &[&str]) -> Result<()> {
    is_reported_by(machine(mistake), 150, mistake, cpus, parts)
}

/// As [`is_reported`], by a machine like this, with this limit (ms) for
/// reports.
fn is_reported_by(
    builder: Builder,
    report_ms: u32,
    mistake: &str,
    cpus: u32,
    parts: &[&str],
) -> Result<()> {
    let kernel = test_kernel()?;
    let mut machine = builder
        .no_disk()
        .no_net()
        .smp(cpus)
        .append(&format!("paddock.watchdog_report_ms={report_ms}"))
        .append("herd=off paddock.watchdog_lock_ms=400")
        .append(&format!("paddock.mistake={mistake}"))
        .with(|config| config.kernel = kernel)
        .start()?;
    machine.expect(&format!("mistake: {mistake}"))?;
    for part in parts {
        let either: Vec<&str> = part.split(OR).collect();
        machine.console().wait_for_one_of(&either, LIMIT)?;
    }
    machine.console().again();
    machine.expect("mistake: the machine goes on")?;
    machine.complained()
}

/// Between texts of which one is expected.
const OR: &str = " || ";

const HERE: &str = "kernel/src/fault_injection/lasting.rs:";

#[test]
fn a_section_without_preemption_is_reported() -> Result<()> {
    let parts = [
        "watchdog: warning: preemption off: cpu 0, thread ",
        "watchdog: preemption off: cpu 0, thread ",
        "(mistake), for ",
        HERE,
        "watchdog:   back-trace of thread ",
        "fault_injection::lasting::preemption_off+0x",
        "watchdog: thread not run: thread ",
        "(left-waiting), System, ready for ",
        "which runs thread ",
        "(mistake), System",
    ];
    // A busy CPU looks every 100 ms: there are several looks between the
    // warning and the report.
    let machine = machine("preemption-off");
    is_reported_by(machine, 500, "preemption-off", 1, &parts)
}

/// By the CPU itself while it lasts, and where there is another also by that.
#[test]
fn masked_interrupts_are_reported() -> Result<()> {
    let itself = [
        "watchdog: interrupts off: cpu ",
        "(mistake), for ",
        " ms and still",
        HERE,
        "fault_injection::lasting::interrupts_off+0x",
    ];
    let other = [
        "watchdog: no timer interrupts: cpu ",
        "(mistake), for ",
        "has preemption off for ",
        HERE,
    ];
    is_reported("interrupts-off", 1, &itself)?;
    is_reported("interrupts-off", 2, &itself)?;
    let gicv3 = machine("interrupts-off").with(|config| config.gic = 3);
    is_reported_by(gicv3, 150, "interrupts-off", 1, &itself)?;
    is_reported("interrupts-off", 2, &other)
}

#[test]
fn a_long_step_is_reported() -> Result<()> {
    let parts = [
        "watchdog: main-loop step: Tasks for ",
        "watchdog:   back-trace of thread 0 (main-loop):",
        "(interrupted)",
    ];
    is_reported("step-lasts", 1, &parts)
}

#[test]
fn a_report_comes_out_past_a_stuck_console() -> Result<()> {
    let parts = [
        "watchdog: no timer interrupts: cpu ",
        "(mistake), for ",
        " holds Console at ",
        "kernel/src/console/output.rs:",
        // If its own check for masked interrupts comes in just then, it does tell.
        "takes no interrupts and does not tell || fault_injection::lasting::console_stuck+0x",
    ];
    is_reported("console-stuck", 2, &parts)
}

#[test]
fn a_chain_of_waiters_is_followed_to_its_end() -> Result<()> {
    let parts = [
        "watchdog: blocked on lock: thread ",
        "(mistake) has waited ",
        "watchdog:   thread ",
        "(mistake) has waited ",
        "watchdog:   which thread ",
        "(between) took at kernel/src/fault_injection/lasting.rs:",
        "(between) has waited ",
        "watchdog:   which thread ",
        "(reader) took at kernel/src/fault_injection/lasting.rs:",
        "(reader) is Blocked",
        "back-trace of thread ",
        "fault_injection::lasting::lock_chain+0x",
        "back-trace of thread ",
        "(reader):",
        "thread::sleep_",
    ];
    is_reported("lock-chain", 1, &parts)
}
