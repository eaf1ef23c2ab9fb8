//! fanotify(7): too many events; FAN_UNLIMITED_QUEUE.
use super::*;

const SETTING: &str = "/proc/sys/fs/fanotify/max_queued_events";

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    let before = text(SETTING);
    t.same("as it is", before.trim(), "16384");
    file(SETTING, b"8")?;
    let (some, all) = (group(0)?, group(UNLIMITED_QUEUE)?);
    file(SETTING, before.as_bytes())?;
    for fd in [some, all] {
        mark(fd, ADD | MOUNT, OPEN, "d")?;
    }
    for number in 0..12 {
        file(&format!("d/{number}"), b"")?;
    }
    let events = heard(some);
    t.same("so many, and one", events.len(), 9);
    let last = events.last().ok_or("none")?;
    t.same("that some are lost", (last.mask, last.fd), (Q_OVERFLOW, -1));
    for event in &events[..8] {
        sys::close(event.fd)?;
    }
    t.same("all", heard(all).len(), 12);
    touch("d/0")?;
    hears(t, some, "it goes on", &[(OPEN, "0")]);
    Ok(())
}
