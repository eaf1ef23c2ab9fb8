//! proc_sys(5): settings that programs change, and what they change.
use crate::cases::contracts::prelude::*;

fn number(name: &str) -> u64 {
    text(name).trim().parse().unwrap_or(u64::MAX)
}

fn set(name: &str, value: &str) -> Outcome {
    std::fs::write(name, value).map_err(|error| format!("{name}: {error}"))
}

/// Does something with another value, and puts the old one back.
fn with(name: &str, value: &str, body: impl FnOnce() -> Outcome) -> Outcome {
    let old = text(name);
    set(name, value)?;
    let done = body();
    set(name, &old)?;
    done
}

fn pipes(t: &mut Report) -> Outcome {
    const F_GETPIPE_SZ: i32 = 1032;
    const F_SETPIPE_SZ: i32 = 1031;
    with("/proc/sys/fs/pipe-max-size", "4096", || {
        let [_, end] = sys::pipe()?;
        t.same("root's pipe", call!(fcntl(end, F_GETPIPE_SZ)), Ok(65_536));
        as_nobody(t, |t| {
            let [_, end] = sys::pipe()?;
            t.same("another's", call!(fcntl(end, F_GETPIPE_SZ)), Ok(4096));
            no!(t; "larger": fcntl(end, F_SETPIPE_SZ, 8192) => EPERM;);
            Ok(())
        })
    })
}

fn shared_memory(t: &mut Report) -> Outcome {
    with("/proc/sys/kernel/shmmax", "8192", || {
        let large = raw!(SYS_shmget, IPC_PRIVATE, 8193, IPC_CREAT | 0o600);
        t.refused("a segment that is too large", large, EINVAL);
        let id = raw!(SYS_shmget, IPC_PRIVATE, 8192, IPC_CREAT | 0o600)?;
        t.works(
            "and one that is not",
            raw!(SYS_shmctl, id, IPC_RMID, 0usize),
        );
        Ok(())
    })
}

fn messages(t: &mut Report) -> Outcome {
    with("/proc/sys/kernel/msgmax", "100", || {
        let id = raw!(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0o600)?;
        let text = [1u64; 32];
        let send = |length: usize| raw!(SYS_msgsnd, id, text.as_ptr(), length, IPC_NOWAIT);
        t.refused("a long message", send(101), EINVAL);
        t.works("a short one", send(100));
        t.works("gone", raw!(SYS_msgctl, id, IPC_RMID, 0usize));
        Ok(())
    })
}

pub fn run(t: &mut Report) -> Outcome {
    pipes(t)?;
    shared_memory(t)?;
    messages(t)?;
    with("/proc/sys/kernel/domainname", "a.domain", || {
        // SAFETY: plain bytes.
        let mut names: utsname = unsafe { std::mem::zeroed() };
        call!(uname(&raw mut names))?;
        let name = names.domainname.map(|byte| byte as u8);
        let name = CStr::from_bytes_until_nul(&name).map_err(|error| error.to_string())?;
        t.same("the domain's name", name, c"a.domain");
        Ok(())
    })?;
    with("/proc/sys/kernel/pid_max", "32768", || {
        let most = number("/proc/sys/kernel/pid_max");
        t.same("numbers", most, 32_768);
        Ok(())
    })?;
    let few = set("/proc/sys/kernel/pid_max", "10");
    t.check("too few", few.is_err());
    for kind in ["instances", "watches"] {
        let by_user = number(&format!("/proc/sys/user/max_inotify_{kind}"));
        let by_fs = number(&format!("/proc/sys/fs/inotify/max_user_{kind}"));
        t.same("inotify's", by_user, by_fs);
    }
    for kind in ["groups", "marks"] {
        let by_user = number(&format!("/proc/sys/user/max_fanotify_{kind}"));
        let by_fs = number(&format!("/proc/sys/fs/fanotify/max_user_{kind}"));
        t.same("fanotify's", by_user, by_fs);
    }
    t.check(
        "whether it is sound",
        number("/proc/sys/kernel/tainted") != u64::MAX,
    );
    Ok(())
}
