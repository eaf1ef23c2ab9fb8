//! setns(2) and the files of network namespaces.
use super::{flags_of, inet};
use crate::cases::contracts::prelude::*;

const USERNS: c_ulong = 0xb701;
const PARENT: c_ulong = 0xb702;
const NSTYPE: c_ulong = 0xb703;
/// Of a socket: the namespace that it was made in.
const SIOCGSKNS: c_ulong = 0x894c;

fn ino(fd: i32) -> Result<u64, Errno> {
    stat_of(fd).map(|it| it.st_ino as u64)
}

pub fn run(t: &mut Report) -> Outcome {
    let outer = opened("/proc/self/ns/net", O_RDONLY)?;
    t.same(
        "its kind",
        raw!(SYS_ioctl, outer, NSTYPE, 0),
        Ok(i64::from(CLONE_NEWNET)),
    );
    t.refused(
        "it has no parent",
        raw!(SYS_ioctl, outer, PARENT, 0),
        EINVAL,
    );
    t.works("it belongs to users", raw!(SYS_ioctl, outer, USERNS, 0));
    let link = std::fs::read_link("/proc/self/ns/net").map_err(|error| error.to_string())?;
    let expected = format!("net:[{}]", ino(outer)?);
    t.same(
        "its name has its inode",
        link.display().to_string(),
        expected,
    );
    let socket = inet(SOCK_STREAM)?;
    let of_socket = raw!(SYS_ioctl, socket, SIOCGSKNS, 0)? as i32;
    t.same("a socket's", ino(of_socket), ino(outer));
    t.same(
        "is closed by execve",
        call!(fcntl(of_socket, F_GETFD)),
        Ok(FD_CLOEXEC),
    );
    let child = sys::fork(|| {
        // SAFETY: takes a number.
        let apart = unsafe { unshare(CLONE_NEWNET) };
        match apart {
            0 => loop {
                sys::sleep_ms(60_000);
            },
            _ => 1,
        }
    })?;
    sys::until_asleep(child)?;
    let inner = opened(&format!("/proc/{child}/ns/net"), O_RDONLY)?;
    t.check("a child's is another", ino(inner)? != ino(outer)?);
    let devices = text(&format!("/proc/{child}/net/dev"));
    t.check(
        "whose interfaces are told",
        devices.contains("lo:") && !devices.contains("eth0"),
    );
    t.refused("of another kind", call!(setns(inner, CLONE_NEWUTS)), EINVAL);
    goes_in_and_back(t, [outer, inner], socket, child)?;
    as_nobody(t, |t| {
        t.refused(
            "who may not enter",
            call!(setns(inner, CLONE_NEWNET)),
            EPERM,
        );
        t.refused("who may not make one", call!(unshare(CLONE_NEWNET)), EPERM);
        t.refused(
            "who may not ask",
            raw!(SYS_ioctl, socket, SIOCGSKNS, 0),
            EPERM,
        );
        Ok(())
    })?;
    t.same("its end", end(child), Ok(End::Killed(SIGKILL)));
    apart(t, |t| {
        yes!(t; "what nobody is in": setns(inner, CLONE_NEWNET););
        t.same("is there", flags_of(inet(SOCK_STREAM)?, "lo"), Ok(8));
        Ok(())
    })
}

/// By the files of both namespaces, and by a process of the inner one; `socket` is of the
/// outer one.
fn goes_in_and_back(t: &mut Report, [outer, inner]: [i32; 2], socket: i32, child: i32) -> Outcome {
    apart(t, |t| {
        yes!(t; "entered": setns(inner, CLONE_NEWNET););
        let own = opened("/proc/self/ns/net", O_RDONLY)?;
        t.same("is the child's", ino(own), ino(inner));
        t.same("it is down", flags_of(inet(SOCK_STREAM)?, "lo"), Ok(8));
        t.same(
            "a socket's is not",
            flags_of(socket, "lo").map(|it| it & 1),
            Ok(1),
        );
        yes!(t; "and back": setns(outer, 0););
        t.same(
            "is up",
            flags_of(inet(SOCK_STREAM)?, "lo").map(|it| it & 1),
            Ok(1),
        );
        let process = raw!(SYS_pidfd_open, child, 0)? as i32;
        yes!(t; "by the process": setns(process, CLONE_NEWNET););
        t.same(
            "it is down again",
            flags_of(inet(SOCK_STREAM)?, "lo"),
            Ok(8),
        );
        Ok(())
    })
}
