//! fanotify_init(2): FAN_REPORT_FID.
use super::*;

fn one(fd: i32) -> Result<Heard, String> {
    let mut all = heard(fd);
    match all.len() {
        1 => all.pop().ok_or_else(String::new),
        count => Err(format!("{count} events")),
    }
}

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    file("d/f", b"text")?;
    folder("d/e")?;
    let fd = group(FID)?;
    let mask = OPEN | CLOSE_NOWRITE | ATTRIB | DELETE_SELF | MOVE_SELF | ONDIR;
    mark(fd, ADD, mask, "d/f")?;
    mark(fd, ADD, mask | CREATE | DELETE, "d/e")?;
    let (file_handle, dir_handle) = (handle("d/f")?, handle("d/e")?);
    let told = |t: &mut Report, what: &str, mask: u64, handle: &Vec<u8>| -> Outcome {
        let event = one(fd)?;
        let (fd, pid) = (event.fd, event.pid);
        t.same(what, (event.mask, fd, pid), (mask, -1, own_pid()));
        t.same(
            "its handle",
            event.info,
            vec![(1, handle.clone(), String::new())],
        );
        Ok(())
    };
    touch("d/f")?;
    told(t, "a file", OPEN | CLOSE_NOWRITE, &file_handle)?;
    touch("d/e")?;
    told(t, "a folder", OPEN | CLOSE_NOWRITE | ONDIR, &dir_handle)?;
    call!(chmod(c"d/f".as_ptr(), 0o600))?;
    told(t, "its mode", ATTRIB, &file_handle)?;
    file("d/e/g", b"")?;
    told(t, "a name", CREATE, &dir_handle)?;
    folder("d/e/h")?;
    told(t, "a folder's name", CREATE | ONDIR, &dir_handle)?;
    call!(unlink(c"d/e/g".as_ptr()))?;
    told(t, "taken away", DELETE, &dir_handle)?;
    call!(rmdir(c"d/e/h".as_ptr()))?;
    told(t, "a folder's", DELETE | ONDIR, &dir_handle)?;
    call!(rename(c"d/f".as_ptr(), c"d/g".as_ptr()))?;
    told(t, "moved", MOVE_SELF, &file_handle)?;
    call!(unlink(c"d/g".as_ptr()))?;
    told(t, "gone", ATTRIB | DELETE_SELF, &file_handle)?;
    call!(rmdir(c"d/e".as_ptr()))?;
    told(t, "the folder", DELETE_SELF | ONDIR, &dir_handle)?;
    let mut bytes = [0u8; 256];
    let fd = group(FID)?;
    mark(fd, ADD | FILESYSTEM, OPEN, "d")?;
    file("d/f", b"")?;
    touch("d/f")?;
    let length = HEAD + 20 + handle("d/f")?.len();
    t.refused("too short", sys::read(fd, &mut bytes[..length - 1]), EINVAL);
    t.same("it fits", sys::read(fd, &mut bytes[..length]), Ok(length));
    // SAFETY: plain numbers.
    let mut found: statfs = unsafe { std::mem::zeroed() };
    call!(libc::statfs(c"d".as_ptr(), &raw mut found))?;
    // SAFETY: two words.
    let number: [u8; 8] = unsafe { std::mem::transmute(found.f_fsid) };
    t.same("the filesystem's number", &bytes[28..36], &number[..]);
    t.check("is one", number != [0; 8]);
    Ok(())
}
