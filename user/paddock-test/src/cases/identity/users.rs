//! Users, groups and capabilities.

use super::rights::bind;
use super::*;

pub fn users(report: &mut Report) -> Outcome {
    child(
        report,
        "root lays its rights down and takes them up",
        |failed| {
            failed.works(0, set_uids(KEEP, USER, KEEP));
            failed.check(1, uids() == Ok([0, USER, 0]));
            failed.refused(
                2,
                call!(libc::mknod(c"/tmp/no".as_ptr(), libc::S_IFCHR, 0x103)),
                libc::EPERM,
            );
            failed.works(3, set_uids(KEEP, 0, KEEP));
            failed.check(4, uids() == Ok([0, 0, 0]));
            failed.works(5, call!(libc::syscall(libc::SYS_setuid, USER)));
            failed.check(6, uids() == Ok([USER, USER, USER]));
            failed.refused(7, call!(libc::syscall(libc::SYS_setuid, 0)), libc::EPERM);
            failed.refused(8, set_uids(OTHER, KEEP, KEEP), libc::EPERM);
            failed.refused(
                9,
                call!(libc::syscall(libc::SYS_setgroups, 0, 0)),
                libc::EPERM,
            );
        },
    )?;
    child(report, "real and effective user change places", |failed| {
        failed.works(0, set_uids(USER, OTHER, OTHER));
        failed.works(1, call!(libc::syscall(libc::SYS_setreuid, OTHER, USER)));
        failed.check(2, uids() == Ok([OTHER, USER, USER]));
        failed.refused(
            3,
            call!(libc::syscall(libc::SYS_setreuid, 5, KEEP)),
            libc::EPERM,
        );
    })?;
    child(report, "groups are sorted, and count", |failed| {
        let groups = [30u32, 10, 20];
        failed.works(
            0,
            call!(libc::syscall(libc::SYS_setgroups, 3, groups.as_ptr())),
        );
        let mut told = [0u32; 3];
        let got = call!(libc::syscall(libc::SYS_getgroups, 3, told.as_mut_ptr()));
        failed.check(1, got == Ok(3) && told == [10, 20, 30]);
        failed.refused(
            2,
            call!(libc::syscall(libc::SYS_getgroups, 2, told.as_mut_ptr())),
            libc::EINVAL,
        );
        failed.refused(
            3,
            call!(libc::syscall(libc::SYS_setgroups, 65_537, 0)),
            libc::EINVAL,
        );
    })?;
    child(report, "the filesystem user opens files", |failed| {
        let old = call!(libc::syscall(libc::SYS_setfsuid, USER));
        failed.check(0, old == Ok(0));
        failed.check(
            1,
            call!(libc::syscall(libc::SYS_setfsuid, KEEP)) == Ok(i64::from(USER)),
        );
        failed.check(2, fs::read("/etc/shadow").is_err());
        failed.check(3, uids() == Ok([0, 0, 0]));
        failed.works(4, call!(libc::syscall(libc::SYS_setfsuid, 0)));
    })
}

/// The effective, permitted and inheritable sets, first words.
pub fn capget() -> Result<[u32; 3], Errno> {
    let header = [0x2008_0522u32, 0];
    let mut sets = [0u32; 6];
    call!(libc::syscall(
        libc::SYS_capget,
        header.as_ptr(),
        sets.as_mut_ptr()
    ))?;
    Ok([sets[0], sets[1], sets[2]])
}

fn capset(effective: u32, permitted: u32, inheritable: u32) -> Result<i64, Errno> {
    let header = [0x2008_0522u32, 0];
    let sets = [effective, permitted, inheritable, 0, 0, 0];
    call!(libc::syscall(
        libc::SYS_capset,
        header.as_ptr(),
        sets.as_ptr()
    ))
}

const CAP_SETPCAP: u32 = 8;
const CAP_NET_BIND_SERVICE: u32 = 10;
const BIND: u32 = 1 << CAP_NET_BIND_SERVICE;

pub fn capabilities(report: &mut Report) -> Outcome {
    let mut header = [1u32, 0];
    report.refused(
        "an unknown version",
        call!(libc::syscall(
            libc::SYS_capget,
            header.as_mut_ptr(),
            [0u32; 6].as_mut_ptr()
        )),
        libc::EINVAL,
    );
    report.same("is told the known one", header[0], 0x2008_0522);
    child(report, "capabilities are laid down for good", |failed| {
        failed.check(
            0,
            capget().is_ok_and(|[effective, ..]| effective & BIND != 0),
        );
        failed.works(1, capset(0, BIND, 0));
        failed.check(2, capget() == Ok([0, BIND, 0]));
        failed.works(3, capset(BIND, BIND, 0));
        failed.refused(4, capset(BIND, BIND | 1, 0), libc::EPERM);
        failed.refused(5, capset(BIND, 0, 0), libc::EPERM);
    })?;
    child(report, "PR_SET_KEEPCAPS keeps them", |failed| {
        failed.works(0, prctl(libc::PR_SET_KEEPCAPS, 1));
        failed.works(1, set_uids(USER, USER, USER));
        failed.check(2, capget().is_ok_and(|[e, p, _]| e == 0 && p & BIND != 0));
        failed.works(3, capset(BIND, BIND, BIND));
        failed.check(4, bind(81).is_ok());
    })?;
    child(report, "the bounding set", |failed| {
        let cap = u64::from(CAP_NET_BIND_SERVICE);
        failed.check(0, prctl(libc::PR_CAPBSET_READ, cap) == Ok(1));
        failed.works(1, prctl(libc::PR_CAPBSET_DROP, cap));
        failed.check(2, prctl(libc::PR_CAPBSET_READ, cap) == Ok(0));
        failed.refused(3, prctl(libc::PR_CAPBSET_DROP, 63), libc::EINVAL);
        failed.works(4, become_user(USER));
        failed.refused(5, prctl(libc::PR_CAPBSET_DROP, 0), libc::EPERM);
    })?;
    child(report, "the ambient set", |failed| {
        let ambient = |what: i32, cap: u64| {
            call!(libc::prctl(
                libc::PR_CAP_AMBIENT,
                what as u64,
                cap,
                0u64,
                0u64
            ))
        };
        let cap = u64::from(CAP_NET_BIND_SERVICE);
        failed.refused(0, ambient(libc::PR_CAP_AMBIENT_RAISE, cap), libc::EPERM);
        let all = capget().map_or(0, |[_, permitted, _]| permitted);
        failed.works(1, capset(all, all, BIND));
        failed.works(2, ambient(libc::PR_CAP_AMBIENT_RAISE, cap));
        failed.check(3, ambient(libc::PR_CAP_AMBIENT_IS_SET, cap) == Ok(1));
        failed.works(4, capset(all, all, 0));
        failed.check(5, ambient(libc::PR_CAP_AMBIENT_IS_SET, cap) == Ok(0));
        failed.works(6, ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0));
        failed.refused(7, ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 1), libc::EINVAL);
    })?;
    child(report, "securebits are locked", |failed| {
        failed.check(0, prctl(libc::PR_GET_SECUREBITS, 0) == Ok(0));
        failed.works(1, prctl(libc::PR_SET_SECUREBITS, 3));
        failed.check(2, prctl(libc::PR_GET_SECUREBITS, 0) == Ok(3));
        failed.refused(3, prctl(libc::PR_SET_SECUREBITS, 0), libc::EPERM);
        failed.refused(4, prctl(libc::PR_SET_SECUREBITS, 1 << 12), libc::EPERM);
        let all = capget().map_or(0, |[_, permitted, _]| permitted);
        let rest = all & !(1 << CAP_SETPCAP);
        failed.works(5, capset(rest, rest, 0));
        failed.refused(6, prctl(libc::PR_SET_SECUREBITS, 7), libc::EPERM);
    })
}
