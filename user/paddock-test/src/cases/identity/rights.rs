//! What an ordinary user may not do, and what one user's processes are to
//! another's.

use super::*;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Binds a TCP socket to a port of the loopback.
pub fn bind(port: u16) -> Result<i32, Errno> {
    let socket = call!(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0))?;
    let on = 1i32;
    call!(libc::setsockopt(
        socket,
        libc::SOL_SOCKET,
        libc::SO_REUSEADDR,
        (&raw const on).cast(),
        4
    ))?;
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    let bound = call!(libc::bind(socket, (&raw const address).cast(), 16));
    sys::close(socket)?;
    bound
}

pub fn rights(report: &mut Report) -> Outcome {
    child(report, "what an ordinary user may not", |failed| {
        failed.works(0, become_user(USER));
        the_machine(failed);
        files_and_mounts(failed);
        process_1(failed);
        its_own(failed);
    })
}

/// Its ports, processes, name and clock.
fn the_machine(failed: &mut Vec<i32>) {
    let init = 1;
    failed.refused(1, bind(80), libc::EACCES);
    failed.works(2, bind(18_080));
    failed.refused(3, sys::kill(init, 0), libc::EPERM);
    let mut set = [0xffu8; 8];
    failed.refused(
        4,
        call!(libc::syscall(
            libc::SYS_sched_setaffinity,
            init,
            8,
            set.as_mut_ptr()
        )),
        libc::EPERM,
    );
    failed.refused(
        5,
        call!(libc::setpriority(libc::PRIO_PROCESS as _, 1, 5)),
        libc::EPERM,
    );
    failed.refused(6, call!(libc::chroot(c"/".as_ptr())), libc::EPERM);
    failed.refused(7, call!(libc::sethostname(c"no".as_ptr(), 2)), libc::EPERM);
    let time = libc::timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    failed.refused(
        8,
        call!(libc::clock_settime(libc::CLOCK_REALTIME, &time)),
        libc::EPERM,
    );
}

/// Nodes, the log, mounts, the power, and times of access.
fn files_and_mounts(failed: &mut Vec<i32>) {
    let device = call!(libc::mknod(c"/tmp/a-device".as_ptr(), libc::S_IFCHR, 0x103));
    failed.refused(9, device, libc::EPERM);
    let fifo = std::ffi::CString::new(format!("/tmp/fifo-{}", std::process::id()));
    let fifo = fifo.unwrap_or_default();
    failed.works(
        10,
        call!(libc::mknod(fifo.as_ptr(), libc::S_IFIFO | 0o600, 0)),
    );
    let _ = fs::remove_file(fifo.to_string_lossy().as_ref());
    let clear = call!(libc::syscall(libc::SYS_syslog, 5, 0, 0));
    failed.refused(11, clear, libc::EPERM);
    let mount = call!(libc::mount(
        c"/tmp".as_ptr(),
        c"/tmp".as_ptr(),
        c"".as_ptr(),
        libc::MS_BIND,
        std::ptr::null()
    ));
    failed.refused(12, mount, libc::EPERM);
    failed.refused(13, call!(libc::umount2(c"/proc".as_ptr(), 0)), libc::EPERM);
    let command = call!(libc::syscall(
        libc::SYS_reboot,
        0xfee1_dead_u32,
        672_274_793,
        0,
        0
    ));
    failed.refused(14, command, libc::EPERM);
    let noatime = libc::O_RDONLY | libc::O_NOATIME;
    failed.refused(
        15,
        call!(libc::open(c"/etc/passwd".as_ptr(), noatime)),
        libc::EPERM,
    );
}

/// What the superuser's process uses, and its limits.
fn process_1(failed: &mut Vec<i32>) {
    for (number, file) in ["maps", "environ", "exe"].iter().enumerate() {
        let path = format!("/proc/1/{file}");
        let found = match *file {
            "exe" => fs::read_link(&path).map(drop),
            _ => fs::read(&path).map(drop),
        };
        let refused = found.is_err_and(|e| e.raw_os_error() == Some(libc::EACCES));
        failed.check(16 + number as i32, refused);
    }
    failed.check(19, fs::read_dir("/proc/1/fd").is_err());
    failed.check(20, fs::read_to_string("/proc/1/stat").is_ok());
    let limit = libc::rlimit {
        rlim_cur: 10,
        rlim_max: 10,
    };
    let nothing = std::ptr::null_mut::<libc::rlimit>();
    failed.refused(
        21,
        call!(libc::syscall(
            libc::SYS_prlimit64,
            1,
            libc::RLIMIT_NOFILE,
            &raw const limit,
            nothing
        )),
        libc::EPERM,
    );
}

/// What is the user's own.
fn its_own(failed: &mut Vec<i32>) {
    failed.works(22, call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, 5)));
    failed.check(
        23,
        call!(libc::getpriority(libc::PRIO_PROCESS as _, 0)) == Ok(5),
    );
    failed.refused(
        24,
        call!(libc::setpriority(libc::PRIO_PROCESS as _, 0, 4)),
        libc::EACCES,
    );
    failed.check(
        25,
        fs::read("/proc/self/maps").is_ok_and(|maps| !maps.is_empty()),
    );
}

pub fn others(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let target = sys::fork(|| {
        let ready = become_user(USER);
        let _ = sys::write(writer, &[u8::from(ready.is_ok())]);
        sys::sleep_ms(60_000);
        0
    })?;
    sys::read(reader, &mut [0])?;
    child(report, "one user and another's process", |failed| {
        failed.works(0, become_user(OTHER));
        failed.refused(1, sys::kill(target, libc::SIGTERM), libc::EPERM);
        failed.check(2, fs::read_dir(format!("/proc/{target}/fd")).is_err());
    })?;
    child(
        report,
        "a user's own process that became it is not dumpable",
        |failed| {
            failed.works(0, become_user(USER));
            failed.works(1, sys::kill(target, 0));
            failed.check(2, fs::read(format!("/proc/{target}/maps")).is_err());
            failed.check(
                3,
                fs::metadata(format!("/proc/{target}/maps")).is_ok_and(|m| m.uid() == 0),
            );
            failed.works(4, sys::kill(target, libc::SIGKILL));
        },
    )?;
    report.same("it is gone", sys::wait(target)?, End::Killed(libc::SIGKILL));
    for fd in [reader, writer] {
        sys::close(fd)?;
    }
    Ok(())
}
