//! prctl(2): PR_SET_NAME, in /proc too.
use crate::cases::contracts::prelude::*;

fn set(name: &CStr) -> Result<i64, Errno> {
    raw!(SYS_prctl, PR_SET_NAME, name.as_ptr(), 0, 0, 0)
}

pub fn run(t: &mut Report) -> Outcome {
    let id = sys::tid();
    let task = format!("/proc/self/task/{id}/comm");
    t.works("a name", set(c"a name"));
    t.same("of the process", text("/proc/self/comm"), "a name\n".into());
    t.same("of its thread", text(&task), "a name\n".into());
    t.same(
        "in its status",
        field("/proc/self/status", "Name"),
        "a name".into(),
    );
    let stat = text("/proc/self/stat");
    t.check("and in its line", stat.contains(" (a name) "));
    t.works("a long one", set(c"0123456789abcdefg"));
    t.same(
        "is cut",
        text("/proc/self/comm"),
        "0123456789abcde\n".into(),
    );
    let write = |path: &str, name: &str| std::fs::write(path, name).map_err(|_| Errno(EIO));
    t.works("written", write("/proc/self/comm", "other"));
    let mut name = [0u8; 16];
    t.works(
        "asked",
        raw!(SYS_prctl, PR_GET_NAME, name.as_mut_ptr(), 0, 0, 0),
    );
    t.same("is that", &name[..6], b"other\0".as_slice());
    t.works("no name", set(c""));
    t.same("is one", text("/proc/self/comm"), "\n".into());
    t.works("of a child", set(c"parent"));
    let child = sys::in_child(|| i32::from(text("/proc/self/comm") != "parent\n"))?;
    t.same("is its parent's", child, End::Exited(0));
    t.refused(
        "asked nowhere",
        raw!(SYS_prctl, PR_GET_NAME, 8, 0, 0, 0),
        EFAULT,
    );
    let other = std::thread::spawn(|| {
        let done = set(c"thread");
        (done, text(&format!("/proc/self/task/{}/comm", sys::tid())))
    });
    let found = other.join().map_err(|_| "a thread ended")?;
    t.same("a thread has its own", found, (Ok(0), "thread\n".into()));
    t.same(
        "the first keeps its",
        text("/proc/self/comm"),
        "parent\n".into(),
    );
    Ok(())
}
