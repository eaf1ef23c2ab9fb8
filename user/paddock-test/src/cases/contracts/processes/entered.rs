//! setns(2): namespaces by their files and by a process.
use crate::cases::contracts::prelude::*;

fn of(name: &str) -> Result<i32, Errno> {
    let path = CString::new(format!("/proc/self/ns/{name}")).unwrap_or_default();
    call!(open(path.as_ptr(), O_RDONLY))
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let names = of("uts")?;
    let go = |fd: i32, kind: i32| raw!(SYS_setns, fd, kind);
    let plain = call!(open(c"f".as_ptr(), O_RDONLY))?;
    t.refused("a closed one", go(-1, 0), EBADF);
    t.refused("a file", go(plain, 0), EINVAL);
    t.refused("a file of a kind", go(plain, CLONE_NEWUTS), EINVAL);
    t.refused("of another kind", go(names, CLONE_NEWIPC), EINVAL);
    t.refused("no kind", go(names, 1), EINVAL);
    t.works("its own", go(names, CLONE_NEWUTS));
    as_nobody(t, |t| {
        t.refused("who may not", go(names, CLONE_NEWUTS), EPERM);
        Ok(())
    })?;
    let host = text("/proc/sys/kernel/hostname");
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let apart = raw!(SYS_unshare, CLONE_NEWUTS);
        let named = raw!(SYS_sethostname, c"contract".as_ptr(), 8);
        let _ = sys::write(writer, if apart.and(named).is_ok() { b"x" } else { b"-" });
        sys::sleep_ms(60_000);
        0
    })?;
    let mut byte = [0];
    sys::read(reader, &mut byte)?;
    t.same("a child has its own", byte, *b"x");
    t.same(
        "not this one",
        text("/proc/sys/kernel/hostname"),
        host.clone(),
    );
    let process = raw!(SYS_pidfd_open, child, 0)? as i32;
    t.refused("a process, of nothing", go(process, 0), EINVAL);
    t.works("a process's names", go(process, CLONE_NEWUTS));
    t.same(
        "are these now",
        text("/proc/sys/kernel/hostname"),
        "contract\n".into(),
    );
    t.works("back", go(names, 0));
    t.same("as at first", text("/proc/sys/kernel/hostname"), host);
    let link = |name: &str| std::fs::read_link(name).map(|it| it.display().to_string());
    let theirs = link(&format!("/proc/{child}/ns/uts")).map_err(|error| error.to_string())?;
    let own = link("/proc/self/ns/uts").map_err(|error| error.to_string())?;
    t.check("they differ", own != theirs && own.starts_with("uts:["));
    end(child)?;
    Ok(())
}
