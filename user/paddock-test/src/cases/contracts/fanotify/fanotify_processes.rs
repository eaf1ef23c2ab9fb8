//! fanotify_init(2): FAN_REPORT_PIDFD, FAN_REPORT_TID.
use super::*;

const OF_PROCESS: u8 = 4;

fn process_of(event: &Heard) -> Option<i32> {
    let record = event.info.iter().find(|it| it.0 == OF_PROCESS)?;
    Some(i32::from_le_bytes(number(&record.1, 0)))
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = group(PIDFD)?;
    mark(fd, ADD, OPEN, "f")?;
    touch("f")?;
    let event = heard(fd).pop().ok_or("none")?;
    let process = process_of(&event).unwrap_or(-9);
    t.check("a descriptor", process >= 0);
    let line = line_of(&format!("/proc/self/fdinfo/{process}"), "Pid:");
    t.same("of who opened it", line, own_pid().to_string());
    t.same(
        "closed by execve",
        call!(fcntl(process, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    t.same("beside the file's", name_of(event.fd), "f".to_owned());
    let end = sys::in_child(|| unless(touch("f").is_ok()));
    t.same("a child", end, Ok(End::Exited(0)));
    let event = heard(fd).pop().ok_or("none")?;
    t.same("has ended", process_of(&event), Some(-1));
    let fd = group(TID)?;
    mark(fd, ADD, OPEN, "f")?;
    let thread = std::thread::spawn(|| touch("f").map(|()| sys::tid()));
    let tid = thread.join().map_err(|_| "a thread")??;
    touch("f")?;
    let ids: Vec<_> = heard(fd).iter().map(|it| it.pid).collect();
    t.same("threads are told apart", ids, vec![tid, own_pid()]);
    Ok(())
}
