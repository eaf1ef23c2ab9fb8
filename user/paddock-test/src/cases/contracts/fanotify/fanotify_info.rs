//! fanotify(7): what /proc/PID/fdinfo tells of a group.
use super::*;

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    file("d/f", b"")?;
    let fd = int!(SYS_fanotify_init, CONTENT | NONBLOCK, O_RDWR)?;
    mark(fd, ADD, OPEN | OPEN_PERM, "d/f")?;
    mark(fd, ADD | IGNORED_MASK | SURV_MODIFY, ACCESS, "d/f")?;
    mark(fd, ADD | MOUNT, CLOSE_WRITE | ONDIR, "d")?;
    mark(fd, ADD | FILESYSTEM | IGNORE | SURV_MODIFY, OPEN, "d")?;
    let info = text(&format!("/proc/self/fdinfo/{fd}"));
    let lines: Vec<_> = info
        .lines()
        .filter_map(|line| line.strip_prefix("fanotify "))
        .collect();
    t.same("a line for the group and each mark", lines.len(), 4);
    let own = lines.first().copied().unwrap_or_default();
    t.check("the group", own.starts_with("flags:6 event-flags:"));
    let line = |start: &str| lines.iter().copied().find(|line| line.starts_with(start));
    let inode = line("ino:").unwrap_or_default();
    let words: Vec<_> = inode.split_whitespace().collect();
    let ino = format!("ino:{:x}", status("d/f")?.st_ino);
    t.same("an inode", words.first().copied(), Some(&*ino));
    t.same(
        "its events",
        words.get(2..5),
        Some(&["mflags:40", "mask:10020", "ignored_mask:1"][..]),
    );
    let handle: String = handle("d/f")?
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    let last = format!("f_handle:{handle}");
    t.same("its handle", words.last().copied(), Some(&*last));
    let mount = line("mnt_id:").unwrap_or_default();
    t.check(
        "a mount",
        mount.ends_with(" mflags:0 mask:40000008 ignored_mask:0"),
    );
    let whole = line("sdev:").unwrap_or_default();
    t.check(
        "a filesystem",
        whole.ends_with(" mflags:440 mask:0 ignored_mask:20"),
    );
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    let link = link.map_err(|error| error.to_string())?;
    t.same("its name", link.to_str(), Some("anon_inode:[fanotify]"));
    Ok(())
}
