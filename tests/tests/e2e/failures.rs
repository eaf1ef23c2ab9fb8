//! The ways to hang: each mistake is put back in the test kernel, and the
//! kernel itself reports it, with its cause, soon after it was made.
//!
//! The machines have neither disk nor network unless a mistake needs one, and
//! no `paddock.test`: a broken rule is reported and the machine goes on where
//! it can. That a test run would have ended there is a test of its own.

use anyhow::{Context, Result, bail, ensure};
use xtask::machine::{Builder, Machine, machine, test_folder, test_kernel};

/// What becomes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Threads still sleep and wake, tasks still run.
    GoesOn,
    /// It ends by itself, with a report.
    Ends,
    /// It hangs: nobody can do more than say why.
    SleepsForEver,
}
use Then::{Ends, GoesOn, SleepsForEver};

/// A mistake and what the kernel says of it.
struct Mistake {
    /// Its name on the command line, `paddock.mistake=`.
    name: &'static str,
    /// Parts of the report, in this order; several may be in one line.
    report: &'static [&'static str],
    /// What becomes of the machine.
    then: Then,
    /// On how many CPUs it is made.
    cpus: &'static [u32],
}

/// It is about one CPU, whatever the others do.
const ONE: &[u32] = &[1];
/// Other CPUs might hide it, or hide behind it.
const ONE_AND_FOUR: &[u32] = &[1, 4];

const HERE: &str = "kernel/src/fault_injection/";

/// All of them.
const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "timer-conflict",
        report: &[
            "watchdog: timer conflict: Embassy's timer ",
            // Whoever had the scheduler set its timer last.
            " at kernel/src/thread/timer.rs:",
            "who does not own it",
        ],
        cpus: ONE,
        then: SleepsForEver,
    },
    Mistake {
        name: "timer-interrupt-off",
        report: &[
            "watchdog: timer conflict: an alarm of Embassy's timer is ",
            " late: interrupt 27 is disabled",
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "scheduler-interrupt-off",
        report: &[
            "watchdog: timer conflict: the scheduler's timer of cpu 0 is ",
            " late: interrupt 30 is disabled",
        ],
        cpus: ONE,
        then: GoesOn,
    },
    Mistake {
        name: "interrupt-storm",
        report: &[
            "watchdog: interrupt storm: Embassy's timer (interrupt 27) ",
            "left armed",
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "busy-wait",
        report: &["watchdog: busy wait: main-loop step HerdOutput "],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "priority-inversion",
        report: &[
            "violation: blocking call in atomic section at ",
            HERE,
            "; began at ",
            HERE,
        ],
        cpus: ONE,
        then: GoesOn,
    },
    Mistake {
        name: "priority-inversion-unchecked",
        report: &[
            "watchdog: preemption off: ",
            "(main-loop), for ",
            HERE,
            "main-loop step Tasks",
            "(main-loop) has waited ",
            " ms for Filesystem",
            "(holder) took at ",
            HERE,
            "(holder) is Ready",
        ],
        cpus: ONE,
        then: SleepsForEver,
    },
    Mistake {
        name: "sleep-under-spin-lock",
        report: &[
            "violation: blocking call in atomic section at ",
            HERE,
            "; began at ",
            HERE,
        ],
        cpus: ONE,
        then: GoesOn,
    },
    Mistake {
        name: "wait-in-network-section",
        report: &[
            "violation: blocking call in atomic section at ",
            HERE,
            "; began at ",
            HERE,
        ],
        cpus: ONE,
        then: GoesOn,
    },
    Mistake {
        name: "file-call-in-task",
        report: &[
            "violation: blocking call in async poll at crates/vfs/",
            "; began at kernel/src/main_loop.rs",
        ],
        cpus: ONE,
        then: GoesOn,
    },
    Mistake {
        name: "opposite-lock-orders",
        report: &[
            "violation: lock FdTable ",
            HERE,
            "Filesystem",
            " held since ",
            HERE,
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "sleep-in-interrupt",
        report: &["violation: blocking call in interrupt at ", HERE],
        cpus: ONE,
        then: GoesOn,
    },
    Mistake {
        name: "wrong-lock-in-interrupt",
        report: &["violation: lock Leaf taken in an interrupt at ", HERE],
        cpus: ONE,
        then: GoesOn,
    },
    Mistake {
        name: "recursive-lock",
        report: &["violation: ", "Filesystem", HERE, " held since ", HERE],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "lost-wake-up",
        report: &[
            "watchdog: lost wake-up: thread ",
            "(mistake) is blocked, and nobody has a waker of it",
            "lose_wake_up",
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "section-kept-in-switch",
        report: &[
            "violation: blocking call in atomic section at kernel/src/thread/switch.rs",
            "; began at ",
            HERE,
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "interrupt-missing",
        report: &[
            "watchdog: interrupt missing: vda has answered, but its interrupt ",
            " is disabled",
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "network-interrupt-missing",
        report: &[
            "watchdog: interrupt missing: virtio-net has answered, but its interrupt ",
            " is disabled",
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "runaway-thread",
        report: &[
            "watchdog: runaway thread: thread ",
            "(mistake) has run for ",
            "run_away",
        ],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
    Mistake {
        name: "stack-overflow",
        report: &[
            "PANIC: kernel stack overflow",
            "deeper",
            "(mistake), System, stack ",
        ],
        cpus: ONE_AND_FOUR,
        then: Ends,
    },
    Mistake {
        name: "thread-exhaustion",
        report: &["refused: EAGAIN", "a thread again"],
        cpus: ONE_AND_FOUR,
        then: GoesOn,
    },
];

/// What is about interrupts, and the four failures: made with a GICv3, too.
const WITH_GICV3: &[&str] = &[
    "timer-conflict",
    "timer-interrupt-off",
    "scheduler-interrupt-off",
    "interrupt-storm",
    "busy-wait",
    "priority-inversion",
    "priority-inversion-unchecked",
    "sleep-in-interrupt",
    "wrong-lock-in-interrupt",
    "interrupt-missing",
    "network-interrupt-missing",
    "runaway-thread",
];

/// A test kernel with this mistake, without disk and network.
fn with_mistake(name: &str) -> Result<Builder> {
    let kernel = test_kernel()?;
    let mut builder = machine(name).with(|config| {
        config.kernel = kernel;
        config.mem = "512M".into();
    });
    if name != "interrupt-missing" {
        builder = builder.no_disk();
    }
    if name != "network-interrupt-missing" {
        builder = builder.no_net();
    }
    let words = "herd=off ip=10.0.2.15/24,10.0.2.2 paddock.watchdog_report_ms=500";
    Ok(builder.append(&format!("{words} paddock.mistake={name}")))
}

/// Without `paddock.test`: what is wrong is reported, and not fatal.
fn forgiving(builder: Builder) -> Builder {
    builder.with(|config| {
        config.append.retain(|word| word != "paddock.test");
        config.semihosting = false;
    })
}

/// Makes the mistake, and looks for the report and at its time.
fn is_reported(name: &str) -> Result<()> {
    let mistake = MISTAKES.iter().find(|mistake| mistake.name == name);
    let mistake = mistake.context("it is not in the table")?;
    for &cpus in mistake.cpus {
        is_reported_on(mistake, cpus, 2)?;
    }
    let most = mistake.cpus.iter().max().context("no CPUs")?;
    match WITH_GICV3.contains(&name) {
        true => is_reported_on(mistake, *most, 3),
        false => Ok(()),
    }
}

/// Seconds of guest time within which a report must come.
const IN_TIME: f64 = 2.0;
/// How often a report may be late: guest time goes on while the host has other
/// things to do, and a kernel that is late by itself is so every time.
const TRIES: u32 = 3;

/// Makes the mistake with so many CPUs and this interrupt controller.
fn is_reported_on(mistake: &Mistake, cpus: u32, gic: u32) -> Result<()> {
    let what = format!("{}, {cpus} CPUs, GICv{gic}", mistake.name);
    for _ in 0..TRIES {
        let took = report_on(mistake, cpus, gic)?;
        println!("{what}: reported after {took:.3} s of guest time");
        if took < IN_TIME {
            return Ok(());
        }
    }
    bail!("{what}: reported after more than {IN_TIME} s, {TRIES} times")
}

/// Seconds of guest time from the mistake to its report.
fn report_on(mistake: &Mistake, cpus: u32, gic: u32) -> Result<f64> {
    let name = mistake.name;
    let builder = with_mistake(name)?.smp(cpus);
    let mut machine = forgiving(builder).with(|config| config.gic = gic).start()?;
    machine.expect(&format!("mistake: {name}"))?;
    for part in mistake.report {
        machine.expect(part)?;
    }
    match mistake.then {
        GoesOn => {
            machine.console().again();
            machine.expect("mistake: the machine goes on")?;
        }
        Ends => drop(machine.wait_for_end()?),
        SleepsForEver => {}
    }
    let took = seconds_to_report(&mut machine, mistake)?;
    machine.complained()?;
    Ok(took)
}

/// Guest time from the mistake to the first line of the report.
fn seconds_to_report(machine: &mut Machine, mistake: &Mistake) -> Result<f64> {
    let text = machine.console().text();
    let mut lines = text.lines();
    let made = stamp(&mut lines, &format!("mistake: {}", mistake.name))?;
    Ok(stamp(&mut lines, mistake.report[0])? - made)
}

/// Seconds since the guest's boot at which it printed the next line that
/// contains `text`.
fn stamp<'a>(lines: &mut impl Iterator<Item = &'a str>, text: &str) -> Result<f64> {
    let line = lines
        .find(|line| line.contains(text))
        .with_context(|| format!("no line with `{text}`"))?;
    let stamp = line
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    let (seconds, _) = stamp.with_context(|| format!("no time in `{line}`"))?;
    Ok(seconds.trim().parse()?)
}

/// QEMU's reset leaves the interrupts that were being handled active in its
/// GICv2: the next boot takes interrupts all the same.
#[test]
fn a_reset_within_an_interrupt() -> Result<()> {
    let builder = machine("reset-in-interrupt").no_disk().no_net();
    let kernel = test_kernel()?;
    let builder = builder.with(|config| config.kernel = kernel).smp(1);
    let builder = builder.append("herd=off paddock.scene=endless-interrupt");
    let mut machine = forgiving(builder.controlled()).start()?;
    for _ in 0..3 {
        machine.expect("scene: endless interrupt")?;
        machine.reset()?;
    }
    machine.expect("scene: endless interrupt")?;
    machine.complained()
}

macro_rules! each_is_reported {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() -> Result<()> {
                is_reported($name)
            }
        )*

        #[test]
        fn every_mistake_of_the_table_has_its_test() {
            let tested = [$($name),*];
            let listed: Vec<_> = MISTAKES.iter().map(|mistake| mistake.name).collect();
            assert_eq!(listed, tested);
        }
    };
}

each_is_reported! {
    failure_timer_conflict: "timer-conflict",
    failure_timer_interrupt_off: "timer-interrupt-off",
    failure_scheduler_interrupt_off: "scheduler-interrupt-off",
    failure_interrupt_storm: "interrupt-storm",
    failure_busy_wait: "busy-wait",
    failure_priority_inversion: "priority-inversion",
    failure_priority_inversion_unchecked: "priority-inversion-unchecked",
    failure_sleep_under_spin_lock: "sleep-under-spin-lock",
    failure_wait_in_network_section: "wait-in-network-section",
    failure_file_call_in_task: "file-call-in-task",
    failure_opposite_lock_orders: "opposite-lock-orders",
    failure_sleep_in_interrupt: "sleep-in-interrupt",
    failure_wrong_lock_in_interrupt: "wrong-lock-in-interrupt",
    failure_recursive_lock: "recursive-lock",
    failure_lost_wake_up: "lost-wake-up",
    failure_section_kept_in_switch: "section-kept-in-switch",
    failure_interrupt_missing: "interrupt-missing",
    failure_network_interrupt_missing: "network-interrupt-missing",
    failure_runaway_thread: "runaway-thread",
    failure_stack_overflow: "stack-overflow",
    failure_thread_exhaustion: "thread-exhaustion",
}

/// Where `paddock.test` is on the command line, as in every other test, a
/// broken rule is the end.
#[test]
fn a_violation_ends_a_test_run() -> Result<()> {
    let mut machine = with_mistake("sleep-under-spin-lock")?.start()?;
    machine.expect("PANIC at ")?;
    machine.expect("violation: blocking call in atomic section")?;
    let status = machine.wait_for_end()?;
    ensure!(status.code() == Some(101), "QEMU ended with {status}");
    machine.complained()
}

/// The scene of the priority inversion without the mistake: the waiter lends
/// its priority, so the holder runs although it was preempted by force.
#[test]
fn the_preempted_holder_of_a_lock_goes_on() -> Result<()> {
    for cpus in [1, 4] {
        let kernel = test_kernel()?;
        let mut machine = machine("inversion-scene")
            .no_disk()
            .no_net()
            .smp(cpus)
            .with(|config| config.kernel = kernel)
            .append("herd=off paddock.scene=priority-inversion")
            .start()?;
        machine.expect("scene: played 10000 times in ")?;
        machine.expect("; preempted ")?;
        machine.expect(" times")?;
        let text = machine.console().text();
        let preempted = text.rsplit_once("; preempted ");
        let count = preempted.and_then(|(_, rest)| rest.split(' ').next());
        let count: u32 = count.context("no count")?.parse()?;
        ensure!(count > 1000, "the holder was preempted only {count} times");
        machine.done()?;
    }
    Ok(())
}

/// The shipped kernel has no mistakes to put back, and does not take the word
/// for them in silence.
#[test]
fn the_shipped_kernel_has_no_mistakes() -> Result<()> {
    let image = std::fs::read(test_folder().join("Image"))?;
    let of_tests = std::fs::read(test_kernel()?)?;
    let contains = |image: &[u8], text: &str| {
        image
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    for mistake in MISTAKES {
        ensure!(
            contains(&of_tests, mistake.name),
            "{} is gone",
            mistake.name
        );
        ensure!(!contains(&image, mistake.name), "{} is there", mistake.name);
    }
    let mut machine = machine("unmistaken")
        .no_disk()
        .no_net()
        .append("herd=off paddock.mistake=stack-overflow")
        .start()?;
    machine.expect("command line: paddock.mistake: unknown")?;
    machine.expect("ssh: listening")?;
    machine.done()
}
