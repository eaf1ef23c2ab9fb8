//! Events, terminals, `/proc`, and what is asked and set of the system.

use super::Scene;
use super::files::{Fd, list, open, path};
use crate::sys::{self, Errno, call};

pub fn events(scene: &mut Scene) -> Result<(), Errno> {
    let epoll = Fd(call!(libc::epoll_create1(libc::EPOLL_CLOEXEC))?);
    let event = Fd(call!(libc::eventfd(
        1,
        libc::EFD_NONBLOCK | libc::EFD_CLOEXEC
    ))?);
    let timer = Fd(call!(libc::timerfd_create(
        libc::CLOCK_MONOTONIC,
        libc::TFD_NONBLOCK | libc::TFD_CLOEXEC
    ))?);
    let inner = Fd(call!(libc::epoll_create1(libc::EPOLL_CLOEXEC))?);
    for fd in [event.0, timer.0, inner.0] {
        let mut wanted = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: fd as u64,
        };
        call!(libc::epoll_ctl(
            epoll.0,
            libc::EPOLL_CTL_ADD,
            fd,
            &mut wanted
        ))?;
    }
    let mut ready = [libc::epoll_event { events: 0, u64: 0 }; 4];
    let count = call!(libc::epoll_wait(epoll.0, ready.as_mut_ptr(), 4, 0))?;
    scene.same("ready", count, 1);
    let soon = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: 0,
            tv_nsec: 1,
        },
    };
    call!(libc::timerfd_settime(
        timer.0,
        0,
        &soon,
        std::ptr::null_mut()
    ))?;
    let mut entries = [event.0, timer.0].map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    call!(libc::poll(entries.as_mut_ptr(), 2, 1000))?;
    // SAFETY: all zeroes are a value of this plain structure.
    let mut set: libc::fd_set = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours, and the descriptor below its size.
    unsafe { libc::FD_SET(event.0, &mut set) };
    let nothing = std::ptr::null_mut();
    call!(libc::select(
        event.0 + 1,
        &mut set,
        nothing,
        nothing,
        std::ptr::null_mut()
    ))
    .map(drop)
}

pub fn terminals(_: &mut Scene) -> Result<(), Errno> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK;
    let master = open("/dev/ptmx", flags)?;
    let unlock = 0i32;
    call!(libc::ioctl(master.0, libc::TIOCSPTLCK, &unlock))?;
    let mut number = 0u32;
    call!(libc::ioctl(master.0, libc::TIOCGPTN, &mut number))?;
    let slave = open(&format!("/dev/pts/{number}"), flags)?;
    sys::write(master.0, b"one line\n")?;
    sys::read(slave.0, &mut [0; 64])?;
    sys::write(slave.0, b"an answer\n")?;
    sys::read(master.0, &mut [0; 64]).map(drop)
}

pub fn proc_files(_: &mut Scene) -> Result<(), Errno> {
    const FILES: &[&str] = &[
        "cpuinfo",
        "interrupts",
        "loadavg",
        "meminfo",
        "mounts",
        "net/tcp",
        "self/cmdline",
        "self/environ",
        "self/fdinfo/0",
        "self/limits",
        "self/maps",
        "self/mountinfo",
        "self/oom_score",
        "self/stat",
        "self/statm",
        "self/status",
        "stat",
        "sys/kernel/random/uuid",
        "uptime",
        "version",
    ];
    for name in FILES {
        let file = match open(&format!("/proc/{name}"), libc::O_RDONLY) {
            // Not every kernel has all of them.
            Err(Errno(libc::ENOENT)) => continue,
            other => other?,
        };
        while sys::read(file.0, &mut [0; 4096])? > 0 {}
    }
    let mut target = [0u8; 256];
    for name in ["cwd", "exe", "root", "fd/0"] {
        call!(libc::readlink(
            path(&format!("/proc/self/{name}")).as_ptr(),
            target.as_mut_ptr().cast(),
            target.len()
        ))?;
    }
    for folder in ["/proc", "/proc/self/fd", "/proc/self/task", "/proc/sys"] {
        list(folder)?;
    }
    Ok(())
}

pub fn settings(scene: &mut Scene) -> Result<(), Errno> {
    // SAFETY: all zeroes are a value of these plain structures.
    let (mut names, mut info, mut cpus): (libc::utsname, libc::sysinfo, libc::cpu_set_t) =
        unsafe { std::mem::zeroed() };
    call!(libc::uname(&mut names))?;
    call!(libc::sysinfo(&mut info))?;
    call!(libc::sched_getaffinity(0, size_of_val(&cpus), &mut cpus))?;
    call!(libc::sched_setaffinity(0, size_of_val(&cpus), &cpus))?;
    let mut groups = vec![0; 40];
    groups.iter_mut().zip(1..).for_each(|(to, from)| *to = from);
    call!(libc::setgroups(groups.len(), groups.as_ptr()))?;
    let result = look_at_groups(scene, &groups);
    // SAFETY: takes none of the groups.
    while unsafe { libc::setgroups(0, groups.as_ptr()) } != 0 {}
    result?;
    let mut folder = [0u8; 256];
    if call!(libc::chdir(c"/tmp".as_ptr())).is_ok() {
        // SAFETY: the buffer is ours.
        let got = unsafe { libc::getcwd(folder.as_mut_ptr().cast(), folder.len()) };
        if got.is_null() {
            return Err(Errno(sys::errno()));
        }
    }
    call!(libc::prctl(libc::PR_SET_NAME, c"fail-alloc".as_ptr())).map(drop)
}

fn look_at_groups(scene: &mut Scene, groups: &[libc::gid_t]) -> Result<(), Errno> {
    let mut found = vec![0; 64];
    let count = call!(libc::getgroups(64, found.as_mut_ptr()))?;
    scene.same("groups", &found[..count.unsigned_abs() as usize], groups);
    Ok(())
}
