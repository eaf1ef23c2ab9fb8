//! The memory controller.

use super::{as_io, sleep_long, soon, start, value};
use crate::report::Report;
use crate::sys::{self, End, Map};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;
/// What Linux's own for a group may come to beside what is tested.
const SLACK: u64 = 2 << 20;

pub fn run(report: &mut Report, top: &Path) -> io::Result<()> {
    // Where there is swap, a limit does not kill.
    let _ = fs::write(top.join("memory.swap.max"), "0");
    counting(report, top)?;
    shared(report, top)?;
    limit(report, top)?;
    whole(report, top)?;
    shrinking(report, top)
}

fn current(top: &Path) -> u64 {
    let text = fs::read_to_string(top.join("memory.current"));
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(u64::MAX)
}

fn touch(map: &Map, length: usize) {
    (0..length)
        .step_by(PAGE)
        .for_each(|offset| map.write(offset, 1));
}

/// Words that parent and child share, charged to the parent.
fn words() -> io::Result<Map> {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let map = Map::new(PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1).map_err(as_io)?;
    map.write(0, 0);
    Ok(map)
}

/// Waits in a child until the parent has come to `step`.
fn wait_for(words: &Map, step: u8) {
    while words.read(0) < step {
        sys::sleep_ms(5);
    }
}

/// Whatever is touched, forked, written to after that and unmapped: it is all counted
/// once, and gone in the end.
fn counting(report: &mut Report, top: &Path) -> io::Result<()> {
    let before = current(top);
    report.check("nobody has any", before < SLACK);
    let words = words()?;
    let child = start(&top.join("low"), || {
        let Ok(map) = Map::memory(8 * MIB) else {
            return 1;
        };
        touch(&map, 8 * MIB);
        words.write(1, 1);
        wait_for(&words, 1);
        // Half of it is copied.
        let second = sys::fork(|| {
            touch(&map, 4 * MIB);
            words.write(1, 2);
            wait_for(&words, 2);
            0
        });
        let ended = second.and_then(sys::wait);
        words.write(1, 3);
        wait_for(&words, 3);
        drop(map);
        words.write(1, 4);
        wait_for(&words, 4);
        i32::from(ended != Ok(End::Exited(0)))
    })?;
    // Linux charges ahead and keeps what it has charged for a while, on each CPU.
    let exact = Path::new("/proc/paddock").exists();
    let kept = if exact { 0 } else { SLACK };
    let has = |mib: u64| {
        let now = current(top) + kept;
        let least = before + (mib << 20);
        (least..least + kept + SLACK).contains(&now)
    };
    for (step, mib) in [(1, 8), (2, 12), (3, 8), (4, 0)] {
        let came = soon(|| words.read(1) == step);
        report.check(&format!("step {step}"), came);
        report.check(&format!("{mib} MiB are counted"), soon(|| has(mib)));
        if step == 1 {
            let anonymous = value(&top.join("memory.stat"), "anon");
            let expected = 8 << 20..(8 << 20) + SLACK;
            report.check(
                "as anonymous",
                anonymous.is_some_and(|anonymous| expected.contains(&anonymous)),
            );
        }
        words.write(0, step);
    }
    let ended = sys::wait(child).map_err(as_io)?;
    report.same("it ends well", ended, End::Exited(0));
    report.check("all is given back", soon(|| current(top) <= before + kept));
    let peak = fs::read_to_string(top.join("memory.peak")).unwrap_or_default();
    // Linux before 5.19 has none.
    let peak = peak.trim().parse().unwrap_or(12u64 << 20);
    report.check("the most is kept", peak >= 12 << 20);
    Ok(())
}

/// Memory that is shared belongs to whose process touched it first, and goes with the
/// last.
fn shared(report: &mut Report, top: &Path) -> io::Result<()> {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let map = Map::new(4 * MIB, protection, flags, -1).map_err(as_io)?;
    let child = start(&top.join("low"), || {
        touch(&map, 4 * MIB);
        0
    })?;
    sys::wait(child).map_err(as_io)?;
    let count = || value(&top.join("memory.stat"), "shmem");
    report.check("it stays where it was", soon(|| count() == Some(4 << 20)));
    drop(map);
    report.check("and goes with the last", soon(|| count() == Some(0)));
    Ok(())
}

/// Takes more than the group may have.
fn hog() -> i32 {
    match Map::memory(64 * MIB) {
        Ok(map) => {
            touch(&map, 64 * MIB);
            0
        }
        Err(_) => 1,
    }
}

fn limit(report: &mut Report, top: &Path) -> io::Result<()> {
    let events = top.join("memory.events");
    fs::write(top.join("memory.max"), "16M")?;
    let max = fs::read_to_string(top.join("memory.max"))?;
    report.same("the limit", max.as_str(), "16777216\n");
    let child = start(&top.join("low"), hog)?;
    let ended = sys::wait(child).map_err(as_io)?;
    report.same("it is killed", ended, End::Killed(libc::SIGKILL));
    report.same("that is counted", value(&events, "oom_kill"), Some(1));
    let hits = value(&events, "max");
    report.check("the limit was hit", hits.is_some_and(|hits| hits > 0));
    let peak = fs::read_to_string(top.join("memory.peak")).unwrap_or_default();
    let peak = peak.trim().parse().unwrap_or(0u64);
    report.check("and held", peak <= 16 << 20);
    // A system call that writes to memory of its own finds none either.
    let child = start(&top.join("low"), || {
        let Ok(map) = Map::memory(64 * MIB) else {
            return 1;
        };
        let Ok(file) = fs::File::open("/dev/zero") else {
            return 2;
        };
        map.fill_from(file.as_raw_fd()).map_or(3, |_| 0)
    })?;
    let ended = sys::wait(child).map_err(as_io)?;
    report.same("in a system call, too", ended, End::Killed(libc::SIGKILL));
    report.same("counted as well", value(&events, "oom_kill"), Some(2));
    report.check("nothing is left", soon(|| current(top) < SLACK));
    fs::write(top.join("memory.max"), "max")
}

/// `memory.oom.group`: those that did nothing go as well.
fn whole(report: &mut Report, top: &Path) -> io::Result<()> {
    if fs::write(top.join("memory.oom.group"), "1").is_err() {
        return Ok(());
    }
    fs::write(top.join("memory.max"), "16M")?;
    let quiet = start(&top.join("low"), sleep_long)?;
    let loud = start(&top.join("low"), hog)?;
    for child in [quiet, loud] {
        let ended = sys::wait(child).map_err(as_io)?;
        report.same("all are killed", ended, End::Killed(libc::SIGKILL));
    }
    fs::write(top.join("memory.oom.group"), "0")?;
    fs::write(top.join("memory.max"), "max")
}

/// A limit below what there is kills at once.
fn shrinking(report: &mut Report, top: &Path) -> io::Result<()> {
    let words = words()?;
    let child = start(&top.join("low"), || {
        let map = Map::memory(8 * MIB);
        if let Ok(map) = &map {
            touch(map, 8 * MIB);
        }
        words.write(1, 1);
        sleep_long()
    })?;
    report.check("it has some", soon(|| words.read(1) == 1));
    fs::write(top.join("memory.max"), "1M")?;
    let ended = sys::wait(child).map_err(as_io)?;
    report.same("it is too much", ended, End::Killed(libc::SIGKILL));
    fs::write(top.join("memory.max"), "max")
}
