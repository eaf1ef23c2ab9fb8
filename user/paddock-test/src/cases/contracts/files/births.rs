//! statx(2): when a file was made, and the marks that its filesystem keeps.
use crate::cases::contracts::prelude::*;

const BTIME: u32 = 0x800;

fn get(path: &CStr, mask: u32) -> Result<libc::statx, Errno> {
    // SAFETY: plain numbers.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let path = path.as_ptr();
    raw!(SYS_statx, AT_FDCWD, path, 0, mask, &raw mut found)?;
    Ok(found)
}

fn born(path: &CStr) -> Result<(i64, u32), Errno> {
    let found = get(path, BTIME)?;
    match found.stx_mask & BTIME {
        0 => Err(Errno(ENODATA)),
        _ => Ok((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
    }
}

pub fn run(t: &mut Report) -> Outcome {
    const KEPT: u64 = 0x10 | 0x20 | 0x40;
    folder("d")?;
    let tmp = CString::new("tmpfs").unwrap_or_default();
    yes!(t; "a table of its own": unshare(CLONE_NEWNS); "private": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null());
        "memory": mount(tmp.as_ptr(), c"d".as_ptr(), tmp.as_ptr(), 0, null()););
    for name in ["f", "d/f"] {
        let mut before = time(0, 0);
        call!(clock_gettime(CLOCK_REALTIME, &raw mut before))?;
        file(name, b"a")?;
        let path = word(name);
        let first = born(&path)?;
        t.check(
            "it was just now",
            (0..=60).contains(&(first.0 - before.tv_sec + 1)),
        );
        sys::sleep_ms(30);
        file(name, b"b")?;
        yes!(t; "another mode": chmod(path.as_ptr(), 0o600););
        t.same("and stays so", born(&path), Ok(first));
        let found = get(&path, BTIME | 0x7ff)?;
        let changed = (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec);
        t.check("it changed later", changed > first);
        t.same("marks are known", found.stx_attributes_mask & KEPT, KEPT);
        t.same("and none is set", found.stx_attributes & KEPT, 0);
    }
    Ok(())
}
