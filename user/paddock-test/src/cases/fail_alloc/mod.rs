//! Every allocation that the kernel makes for a program fails once: each time
//! the program gets an errno, or nothing, and what it had is still there.
//!
//! A group of calls is run again and again, with the first allocation failing,
//! then the second, and so on, until there are no more. Only the test kernel
//! can do that (`/proc/paddock/fail_alloc`).

mod files;
mod memory;
mod processes;
mod sockets;
mod system;

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call};

/// What a group of calls comes to: the first error that it met is no fault, as
/// long as it is [allowed](expected); what was found wrong is one.
type Calls = fn(&mut Scene) -> Result<(), Errno>;

const GROUPS: &[(&str, Calls)] = &[
    ("files in memory", files::in_memory),
    ("files on the disk", files::on_disk),
    ("file locks", files::locks),
    ("mapped files", files::mapped),
    ("pipes", files::pipes),
    ("memory", memory::mappings),
    ("processes", processes::forks),
    ("threads", processes::threads),
    ("programs", processes::programs),
    ("signals", processes::signals),
    ("unix sockets", sockets::unix),
    ("tcp", sockets::tcp),
    ("udp", sockets::udp),
    ("events", system::events),
    ("terminals", system::terminals),
    ("proc", system::proc_files),
    ("settings", system::settings),
];

/// More allocations than a group can have: something repeats for ever.
const TOO_MANY: u64 = 20_000;

/// What a group of calls finds wrong.
#[derive(Default)]
pub struct Scene {
    /// Which allocation fails, if one does.
    number: Option<u64>,
    faults: Vec<String>,
}

impl Scene {
    /// A value that must be as expected, whatever failed before.
    pub fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.faults
                .push(format!("{what}: found {found:?}, expected {expected:?}"));
        }
    }
}

/// What a call may say for want of memory.
fn expected(errno: Errno) -> bool {
    [libc::ENOMEM, libc::ENOBUFS, libc::EAGAIN, libc::ENOSPC].contains(&errno.0)
}

/// Where the kernel is told which allocation fails.
struct Switch(i32);

impl Switch {
    fn open() -> Result<Switch, Errno> {
        let path = c"/proc/paddock/fail_alloc";
        call!(libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC)).map(Switch)
    }

    fn set(&self, text: &str) -> Result<(), Errno> {
        sys::write(self.0, text.as_bytes()).map(drop)
    }

    /// How many there have been since it was set.
    fn tried(&self) -> Result<u64, Errno> {
        let mut text = [0u8; 32];
        let count = call!(libc::pread(self.0, text.as_mut_ptr().cast(), text.len(), 0))?;
        let text = std::str::from_utf8(&text[..count.unsigned_abs()]).unwrap_or_default();
        text.trim().parse().map_err(|_| Errno(libc::EIO))
    }
}

/// `[GROUP [FROM]]`: one group only, from some allocation on.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let switch = match Switch::open() {
        Err(Errno(libc::ENOENT)) => {
            eprintln!("only the test kernel has /proc/paddock/fail_alloc");
            std::process::exit(2);
        }
        other => other?,
    };
    let from = super::number(words, 1, 0u64)?;
    let mut points = 0;
    let wanted = words.first();
    for (name, calls) in GROUPS {
        if wanted.is_some_and(|wanted| wanted != name) {
            continue;
        }
        // Once without a failure: what is only made once is made then.
        let mut scene = Scene::default();
        report.works(&format!("{name}, with memory enough"), calls(&mut scene));
        let count = sweep(report, &switch, name, *calls, from)?;
        println!("{name}: {count} allocations");
        points += count;
    }
    println!("{points} allocations failed");
    Ok(())
}

fn sweep(
    report: &mut Report,
    switch: &Switch,
    name: &str,
    calls: Calls,
    from: u64,
) -> Result<u64, String> {
    for number in from..TOO_MANY {
        let mut scene = Scene {
            number: Some(number),
            ..Scene::default()
        };
        switch.set(&number.to_string())?;
        let result = calls(&mut scene);
        switch.set("off")?;
        for fault in &scene.faults {
            report.fail(&format!("{name}, allocation {number}"), fault);
        }
        match result {
            Err(errno) if !expected(errno) => {
                report.fail(
                    &format!("{name}, allocation {number}"),
                    &String::from(errno),
                );
            }
            _ => {}
        }
        if switch.tried()? <= number {
            return Ok(number - from);
        }
    }
    report.fail(name, "there is no end of allocations");
    Ok(TOO_MANY)
}
