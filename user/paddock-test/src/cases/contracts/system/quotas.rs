//! quotactl(2), quotactl_fd(2): what is refused, in which order.
use crate::cases::contracts::prelude::*;

const SYNC: u32 = 0x80_0001;
const ON: u32 = 0x80_0002;
const GET_FORMAT: u32 = 0x80_0004;
const GET: u32 = 0x80_0007;
const SET: u32 = 0x80_0008;

fn quota(command: u32, kind: u32, device: Option<&CStr>, id: i32) -> Result<i32, Errno> {
    let mut block = [0u64; 16];
    let device = device.map_or(null(), CStr::as_ptr);
    int!(
        SYS_quotactl,
        command << 8 | kind,
        device,
        id,
        block.as_mut_ptr()
    )
}

fn of_file(fd: i32, command: u32, kind: u32, id: i32, to: *mut u64) -> Result<i32, Errno> {
    int!(SYS_quotactl_fd, fd, command << 8 | kind, id, to)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    t.refused("no kind", quota(GET, 3, Some(c"no"), 0), EINVAL);
    t.refused("no device", quota(GET, 0, None, 0), ENODEV);
    t.same("all are synced", quota(SYNC, 0, None, 0), Ok(0));
    t.refused("nothing", quota(GET, 0, Some(c"no"), 0), ENOENT);
    t.refused("a file", quota(GET, 0, Some(c"f"), 0), ENOTBLK);
    t.refused(
        "a device of bytes",
        quota(GET, 1, Some(c"/dev/null"), 0),
        ENOTBLK,
    );
    let device = raw!(SYS_quotactl, GET << 8, -1isize, 0, 0);
    t.refused("no address", device, EFAULT);
    let mut block = [0u64; 16];
    let to = block.as_mut_ptr();
    t.refused("no descriptor", of_file(-1, GET, 0, 0, to), EBADF);
    let fd = opened("/", O_RDONLY)?;
    t.refused("no kind", of_file(fd, GET, 3, 0, to), EINVAL);
    t.refused("none is kept", of_file(fd, GET, 0, 0, to), ESRCH);
    t.refused("nor has a format", of_file(fd, GET_FORMAT, 1, 0, to), ESRCH);
    t.refused("no such command", of_file(fd, 0x80_0099, 0, 0, to), EINVAL);
    t.refused("nobody's", of_file(fd, GET, 0, -1, to), EINVAL);
    t.refused("no address", of_file(fd, SET, 0, 0, 8 as *mut u64), EFAULT);
    t.refused("on", of_file(fd, ON, 0, 2, to), EINVAL);
    as_nobody(t, |t| {
        let id = NOBODY as i32;
        t.refused("one's own", of_file(fd, GET, 0, id, to), ESRCH);
        t.refused("another's", of_file(fd, GET, 0, 0, to), EPERM);
        t.refused("to set", of_file(fd, SET, 0, id, to), EPERM);
        Ok(())
    })
}
