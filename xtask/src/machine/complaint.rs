//! What a kernel says when it complains of itself.

/// What the kernel prints when it finds a fault in itself.
const COMPLAINTS: &[&str] = &[
    "PANIC",
    "violation:",
    "watchdog: preemption off",
    "watchdog: interrupts off",
    "watchdog: no timer interrupts",
    "watchdog: blocked on lock",
    "watchdog: main-loop step",
    "watchdog: thread not run",
    "watchdog: runaway thread",
    "watchdog: interrupt missing",
    "watchdog: timer conflict",
    "watchdog: interrupt storm",
    "watchdog: busy wait",
    "watchdog: lost wake-up",
];

/// Lines of a report that are shown of it.
const REPORT_LINES: usize = 12;

/// The first report in what a kernel printed in which it complains of itself.
pub fn first(console: &str) -> Option<String> {
    let is_complaint = |line: &&str| COMPLAINTS.iter().any(|complaint| line.contains(complaint));
    let lines: Vec<_> = console.lines().collect();
    let first = lines.iter().position(is_complaint)?;
    let report = &lines[first..lines.len().min(first + REPORT_LINES)];
    Some(report.join("\n"))
}
