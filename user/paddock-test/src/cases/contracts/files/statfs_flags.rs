//! statfs(2): the flags of a mount.
use crate::cases::contracts::prelude::*;

fn flags(path: &CStr) -> Result<u64, Errno> {
    let mut found = [0u64; 32];
    raw!(SYS_statfs, path.as_ptr(), found.as_mut_ptr())?;
    // Behind the longest name and the size of a fragment.
    Ok(found[10])
}

pub fn run(t: &mut Report) -> Outcome {
    const VALID: u64 = 0x20;
    folder("d")?;
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null()););
    let kind = c"tmpfs".as_ptr();
    let all = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    yes!(t; "mounted": mount(kind, c"d".as_ptr(), kind, all, c"size=1m".as_ptr().cast()););
    let three = flags(c"d").map(|it| it & 0xf);
    t.same("three of them", three, Ok(2 | 4 | 8));
    t.same("are valid", flags(c"d").map(|it| it & VALID), Ok(VALID));
    yes!(t; "read only": mount(null(), c"d".as_ptr(), null(), MS_BIND | MS_REMOUNT | MS_RDONLY, null()););
    t.same("that alone", flags(c"d").map(|it| it & 0xf), Ok(1));
    let told = text("/proc/self/mountinfo");
    let line = told.lines().find(|line| line.contains("/statfs_flags/d "));
    let word = line.and_then(|it| it.split(' ').nth(5)).unwrap_or_default();
    t.check("in /proc", word.split(',').any(|it| it == "ro"));
    let mut found = [0i64; 32];
    t.works(
        "how large it is",
        raw!(SYS_statfs, c"d".as_ptr(), found.as_mut_ptr()),
    );
    t.same("as it was told", found[1] * found[2], 1 << 20);
    t.same("its kind", found[0], 0x0102_1994);
    Ok(())
}
