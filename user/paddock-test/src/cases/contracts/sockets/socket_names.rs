//! getsockname(2), getpeername(2), getsockopt(2): what they refuse, and short room.
use crate::cases::contracts::prelude::*;

fn ask(number: i64, fd: i32, at: usize, length: *mut i32) -> Result<(), Errno> {
    call!(syscall(number, fd, at, length)).map(drop)
}

/// Of a socket that has no name, and of a device.
fn names(t: &mut Report, fd: i32, null: i32) {
    let mut room = [9u8; 128];
    let at = room.as_mut_ptr();
    for (number, what) in [(SYS_getsockname, "name"), (SYS_getpeername, "peer")] {
        let mut length = 128;
        let size = &raw mut length;
        t.refused(
            &format!("{what} closed"),
            ask(number, -1, at.addr(), size),
            EBADF,
        );
        t.refused(
            &format!("{what} of no socket"),
            ask(number, null, at.addr(), size),
            ENOTSOCK,
        );
        t.refused(
            &format!("{what} to nowhere"),
            ask(number, fd, 8, size),
            EFAULT,
        );
        t.refused(
            &format!("{what} with no length"),
            ask(number, fd, at.addr(), 8 as *mut i32),
            EFAULT,
        );
        let mut negative = -1;
        t.refused(
            &format!("{what} of negative length"),
            ask(number, fd, at.addr(), &raw mut negative),
            EINVAL,
        );
        t.works(what, ask(number, fd, at.addr(), size));
        t.same(&format!("{what} is none"), length, 2);
        let mut short = 1;
        t.works(
            &format!("{what} in a byte"),
            ask(number, fd, at.addr(), &raw mut short),
        );
        t.same(&format!("{what} is longer"), short, 2);
    }
}

pub fn run(t: &mut Report) -> Outcome {
    let mut ends = [0; 2];
    call!(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.as_mut_ptr()))?;
    let [fd, other] = ends;
    let null = opened("/dev/null", O_RDWR)?;
    let mut room = [9u8; 128];
    let at = room.as_mut_ptr();
    names(t, fd, null);
    sys::close(other)?;
    let lone = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    let mut length = 128;
    t.refused(
        "nobody's peer",
        ask(SYS_getpeername, lone, at.addr(), &raw mut length),
        ENOTCONN,
    );
    let option = |fd: i32, level: i32, name: i32, length: *mut i32| {
        raw!(SYS_getsockopt, fd, level, name, at, length).map(drop)
    };
    let mut length = 4;
    let size = &raw mut length;
    t.refused("closed", option(-1, SOL_SOCKET, SO_TYPE, size), EBADF);
    t.refused(
        "no socket",
        option(null, SOL_SOCKET, SO_TYPE, size),
        ENOTSOCK,
    );
    t.refused("no level", option(fd, 500, SO_TYPE, size), EOPNOTSUPP);
    t.refused("no option", option(fd, SOL_SOCKET, 9999, size), ENOPROTOOPT);
    t.refused(
        "a length nowhere",
        option(fd, SOL_SOCKET, SO_TYPE, 8 as *mut i32),
        EFAULT,
    );
    t.refused(
        "a value nowhere",
        raw!(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, 8, size),
        EFAULT,
    );
    let mut negative = -1;
    t.refused(
        "a negative length",
        option(fd, SOL_SOCKET, SO_TYPE, &raw mut negative),
        EINVAL,
    );
    let mut short = 1;
    t.works("in a byte", option(fd, SOL_SOCKET, SO_TYPE, &raw mut short));
    t.same("is a byte", (short, i32::from(room[0])), (1, SOCK_STREAM));
    let mut long = 100;
    t.works("much room", option(fd, SOL_SOCKET, SO_TYPE, &raw mut long));
    t.same("four bytes", long, 4);
    Ok(())
}
