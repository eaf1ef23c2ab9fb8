//! proc(5): what programs read there before they begin.
use crate::cases::contracts::prelude::*;

fn number(path: &str) -> Option<u64> {
    text(path).trim().parse().ok()
}

pub fn run(t: &mut Report) -> Outcome {
    for (path, least) in [
        ("/proc/sys/kernel/pid_max", 301),
        ("/proc/sys/kernel/threads-max", 20),
        ("/proc/sys/fs/file-max", 100),
        ("/proc/sys/fs/nr_open", 1024),
        ("/proc/sys/fs/pipe-max-size", 4096),
        ("/proc/sys/kernel/msgmni", 1),
        ("/proc/sys/kernel/msgmax", 1),
        ("/proc/sys/kernel/msgmnb", 1),
        ("/proc/sys/kernel/shmmni", 1),
        ("/proc/sys/kernel/shmmax", 1),
        ("/proc/sys/kernel/shmall", 1),
        ("/proc/sys/kernel/ngroups_max", 65_536),
        ("/proc/sys/kernel/cap_last_cap", 30),
        ("/proc/sys/vm/max_map_count", 1000),
        ("/proc/sys/net/core/somaxconn", 1),
        ("/proc/sys/fs/inotify/max_user_watches", 1),
        ("/proc/sys/fs/mqueue/msg_max", 1),
    ] {
        t.check(path, number(path).is_some_and(|it| it >= least));
    }
    let lines = |path: &str| text(path).lines().count();
    for path in [
        "/proc/mounts",
        "/proc/filesystems",
        "/proc/cpuinfo",
        "/proc/devices",
    ] {
        t.check(path, lines(path) > 0);
    }
    t.check(
        "a random word",
        text("/proc/sys/kernel/random/uuid").len() == 37,
    );
    t.check(
        "another each time",
        text("/proc/sys/kernel/random/uuid") != text("/proc/sys/kernel/random/uuid"),
    );
    let boot = text("/proc/sys/kernel/random/boot_id");
    t.check(
        "one for the boot",
        boot.len() == 37 && boot == text("/proc/sys/kernel/random/boot_id"),
    );
    let status = |name: &str| field("/proc/self/status", name);
    // SAFETY: has no conditions.
    let own = unsafe { getpid() }.to_string();
    t.same(
        "who it is",
        (status("Pid"), status("Tgid")),
        (own.clone(), own),
    );
    t.same("its mask", status("Umask").len(), 4);
    t.same("its threads", status("Threads"), "1".into());
    t.check("its memory", status("VmRSS").ends_with(" kB"));
    let switches = ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"];
    t.check(
        "how often it waited",
        switches
            .iter()
            .all(|name| status(name).parse::<u64>().is_ok()),
    );
    Ok(())
}
