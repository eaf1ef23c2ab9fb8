//! Control groups (cgroups(7)), where there are any that may be made.

mod memory;

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, Map, call};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let top = match own_group() {
        Some(top) => top,
        None => {
            println!("no cgroup2 here in which groups may be made");
            report.check("that is Linux", !Path::new("/proc/paddock").exists());
            return Ok(());
        }
    };
    let result = checks(report, &top).map_err(|error| error.to_string());
    let _ = fs::write(top.join("cgroup.kill"), "1");
    let _ = soon(|| fs::remove_dir(top.join("low")).is_ok() || !top.join("low").exists());
    let gone = soon(|| fs::remove_dir(&top).is_ok());
    report.check("the group goes", gone);
    result
}

/// A new group below that of this process.
fn own_group() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let place = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (_, place, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup2").then_some(place)
    })?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // One outside what is shown here begins with `..`.
    if own.contains("..") {
        return None;
    }
    let own = Path::new(place).join(own);
    let top = own.join(format!("paddock-test-{}", std::process::id()));
    // Linux has `cgroup.kill` since 5.14. Where there is nobody in it, or it is the
    // root, the group gives controllers to others.
    for controller in ["+pids", "+memory"] {
        let _ = fs::write(top.with_file_name("cgroup.subtree_control"), controller);
    }
    fs::create_dir(&top).ok()?;
    if !top.join("cgroup.kill").exists() {
        let _ = fs::remove_dir(&top);
        return None;
    }
    // A container may show groups into which it may put nobody.
    let moved = start(&top, || 0).and_then(|child| sys::wait(child).map_err(as_io));
    if moved.is_err() {
        let _ = fs::remove_dir(&top);
        return None;
    }
    Some(top)
}

fn checks(report: &mut Report, top: &Path) -> io::Result<()> {
    tree(report, top)?;
    events(report, top)?;
    freezing(report, top)?;
    // Some Linux kernels kill what is put into a group that was killed once.
    born_inside(report, top)?;
    killing(report, top)?;
    if top.join("pids.max").exists() {
        limits(report, top)?;
    }
    if top.join("memory.max").exists() {
        memory::run(report, top)?;
    }
    Ok(())
}

fn soon(condition: impl FnMut() -> bool) -> bool {
    sys::until(condition).is_ok()
}

fn value(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    rest.parse().ok()
}

fn refusal(result: io::Result<()>) -> i32 {
    result
        .err()
        .and_then(|error| error.raw_os_error())
        .unwrap_or(0)
}

/// A process in `group` that does `body` once it is there.
fn start(group: &Path, body: impl FnOnce() -> i32) -> io::Result<i32> {
    let procs = group.join("cgroup.procs");
    let [reader, writer] = sys::pipe().map_err(as_io)?;
    let child = sys::fork(|| {
        let _ = sys::close(writer);
        let _ = sys::read(reader, &mut [0]);
        body()
    });
    let child = child.map_err(as_io)?;
    fs::write(procs, child.to_string())?;
    sys::close(reader).map_err(as_io)?;
    sys::close(writer).map_err(as_io)?;
    Ok(child)
}

fn as_io(error: Errno) -> io::Error {
    io::Error::from_raw_os_error(error.0)
}

fn sleep_long() -> i32 {
    loop {
        sys::sleep_ms(1_000_000);
    }
}

fn tree(report: &mut Report, top: &Path) -> io::Result<()> {
    let low = top.join("low");
    fs::create_dir(&low)?;
    let twice = fs::create_dir(&low);
    report.same("twice", refusal(twice), libc::EEXIST);
    let full = fs::remove_dir(top);
    report.same("with one below", refusal(full), libc::EBUSY);
    let file = fs::write(top.join("new"), "x");
    report.check("no other files", refusal(file) != 0);
    let gone = fs::remove_file(low.join("cgroup.procs"));
    report.same("the files stay", refusal(gone), libc::EPERM);
    let kind = fs::read_to_string(low.join("cgroup.type"))?;
    report.same("type", kind.as_str(), "domain\n");
    let count = value(&top.join("cgroup.stat"), "nr_descendants");
    report.same("descendants", count, Some(1));
    for (name, text, errno) in [
        ("cgroup.procs", "-1", libc::EINVAL),
        ("cgroup.procs", "x", libc::EINVAL),
        ("cgroup.procs", "4194303", libc::ESRCH),
        ("cgroup.freeze", "2", libc::ERANGE),
        ("cgroup.kill", "2", libc::ERANGE),
        ("cgroup.subtree_control", "pids", libc::EINVAL),
        ("cgroup.subtree_control", "+nothing", libc::EINVAL),
        ("cgroup.max.depth", "-1", libc::ERANGE),
    ] {
        let refused = refusal(fs::write(low.join(name), text));
        report.same(&format!("{name}: {text}"), refused, errno);
    }
    fs::write(low.join("cgroup.max.depth"), "0")?;
    let deep = fs::create_dir(low.join("deep"));
    report.same("too deep", refusal(deep), libc::EAGAIN);
    Ok(())
}

fn events(report: &mut Report, top: &Path) -> io::Result<()> {
    let (low, name) = (top.join("low"), top.join("cgroup.events"));
    let mut file = fs::File::open(&name)?;
    let mut read = || {
        let mut text = String::new();
        io::Seek::rewind(&mut file)?;
        io::Read::read_to_string(&mut file, &mut text)?;
        io::Result::Ok((text.contains("populated 1"), file.as_raw_fd()))
    };
    let (populated, fd) = read()?;
    report.check("nobody is there", !populated);
    let poll = |ms| {
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLPRI,
            revents: 0,
        };
        let count = call!(libc::poll(&mut poll, 1, ms));
        count.map(|count| (count, poll.revents))
    };
    report.same("nothing is new", poll(0), Ok((0, 0)));
    let notes = call!(libc::inotify_init1(libc::IN_CLOEXEC)).map_err(as_io)?;
    let path = CString::new(name.as_os_str().as_encoded_bytes())?;
    call!(libc::inotify_add_watch(
        notes,
        path.as_ptr(),
        libc::IN_MODIFY
    ))
    .map_err(as_io)?;
    let child = start(&low, sleep_long)?;
    let news = (1, libc::POLLPRI | libc::POLLERR);
    report.same("it is told", poll(60_000), Ok(news));
    report.check("somebody is there", read()?.0);
    let noted = sys::read(notes, &mut [0; 4096]).map_err(as_io)?;
    report.check("by inotify, too", noted >= 16);
    let listed = fs::read_to_string(low.join("cgroup.procs"))?;
    report.same("who", listed.trim(), child.to_string().as_str());
    let of = fs::read_to_string(format!("/proc/{child}/cgroup"))?;
    report.check("of whom", of.trim_end().ends_with("/low"));
    let full = fs::remove_dir(&low);
    report.same("it is in use", refusal(full), libc::EBUSY);
    sys::kill(child, libc::SIGKILL).map_err(as_io)?;
    report.same("its end is told", poll(60_000), Ok(news));
    report.check("before it is waited for", !read()?.0);
    sys::wait(child).map_err(as_io)?;
    sys::close(notes).map_err(as_io)?;
    Ok(())
}

/// A process that counts, in memory that is shared.
fn freezing(report: &mut Report, top: &Path) -> io::Result<()> {
    let low = top.join("low");
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    let map = Map::new(4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1).map_err(as_io)?;
    let child = start(&low, || {
        let mut count = 0u8;
        loop {
            count = count.wrapping_add(1);
            map.write(0, count);
        }
    })?;
    let moves = || {
        let before = map.read(0);
        soon(|| map.read(0) != before)
    };
    report.check("it runs", moves());
    fs::write(top.join("cgroup.freeze"), "1")?;
    let frozen = |path: &Path| value(&path.join("cgroup.events"), "frozen");
    report.check("it freezes", soon(|| frozen(top) == Some(1)));
    report.same("below, too", frozen(&low), Some(1));
    let at = map.read(0);
    sys::sleep_ms(50);
    report.same("it stands", map.read(0), at);
    fs::write(top.join("cgroup.freeze"), "0")?;
    report.check("it goes on", moves());
    report.same("as told", frozen(top), Some(0));
    fs::write(low.join("cgroup.freeze"), "1")?;
    report.check("again", soon(|| frozen(&low) == Some(1)));
    sys::kill(child, libc::SIGTERM).map_err(as_io)?;
    let ended = sys::wait(child).map_err(as_io)?;
    report.same("a signal ends it", ended, End::Killed(libc::SIGTERM));
    fs::write(low.join("cgroup.freeze"), "0")?;
    let used = value(&top.join("cpu.stat"), "usage_usec");
    report.check("its time is kept", used.is_some_and(|used| used > 0));
    Ok(())
}

/// Those that make themselves independent do not get away.
fn killing(report: &mut Report, top: &Path) -> io::Result<()> {
    let low = top.join("low");
    let child = start(&low, || {
        for _ in 0..2 {
            match sys::fork(|| 0) {
                Ok(_) => {}
                Err(_) => return 1,
            }
        }
        // SAFETY: takes nothing.
        unsafe { libc::setsid() };
        let far = sys::fork(|| {
            // SAFETY: takes nothing.
            unsafe { libc::setsid() };
            match sys::fork(|| {
                loop {
                    let _ = sys::fork(|| 0).map(sys::wait);
                }
            }) {
                Ok(_) => 0,
                Err(_) => 1,
            }
        });
        far.map_or(1, |_| sleep_long())
    })?;
    let count = || {
        let listed = fs::read_to_string(low.join("cgroup.procs")).unwrap_or_default();
        listed.lines().count()
    };
    report.check("there are several", soon(|| count() >= 2));
    fs::write(top.join("cgroup.kill"), "1")?;
    let ended = sys::wait(child).map_err(as_io)?;
    report.same("the first", ended, End::Killed(libc::SIGKILL));
    report.check("and all others", soon(|| count() == 0));
    let again = fs::write(top.join("cgroup.kill"), "1");
    report.same("nobody is left", refusal(again), 0);
    Ok(())
}

/// `CLONE_INTO_CGROUP` (clone(2)).
fn born_inside(report: &mut Report, top: &Path) -> io::Result<()> {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let dir = fs::File::open(top.join("low"))?;
    let wrong = fs::File::open("/proc/self/cgroup")?;
    let clone = |fd: i32, size: usize| {
        let mut words = [0u64; 11];
        words[0] = INTO_CGROUP;
        words[4] = libc::SIGCHLD as u64;
        words[10] = fd as u64;
        // SAFETY: the structure is as long as is said; the child goes on alone,
        // and ends before it returns.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, words.as_mut_ptr(), size) };
        if pid == 0 {
            let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let inside = own.trim_end().ends_with("/low");
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(!inside)) };
        }
        sys::checked(pid as i32)
    };
    let child = clone(dir.as_raw_fd(), 88);
    if let Some(child) = report.works("a child inside", child) {
        let ended = sys::wait(child).map_err(as_io)?;
        report.same("it is there", ended, End::Exited(0));
    }
    report.refused("no group", clone(wrong.as_raw_fd(), 88), libc::EBADF);
    report.refused("no descriptor", clone(-1, 88), libc::EINVAL);
    report.refused("too short", clone(dir.as_raw_fd(), 80), libc::EINVAL);
    Ok(())
}

fn limits(report: &mut Report, top: &Path) -> io::Result<()> {
    // Whoever has ended counts until somebody has waited for it.
    let current = top.join("pids.current");
    let nobody = || fs::read_to_string(&current).is_ok_and(|text| text == "0\n");
    report.check("nobody is counted", soon(nobody));
    fs::write(top.join("pids.max"), "4")?;
    let child = start(&top.join("low"), || {
        let mut made = 0;
        loop {
            match sys::fork(sleep_long) {
                Ok(_) => made += 1,
                Err(Errno(error)) => break if made == 3 { error } else { 255 },
            }
        }
    })?;
    let ended = sys::wait(child).map_err(as_io)?;
    report.same("no more than that", ended, End::Exited(libc::EAGAIN));
    let text = fs::read_to_string(&current)?;
    report.same("so many are there", text.as_str(), "3\n");
    let hits = value(&top.join("pids.events"), "max");
    report.same("it was hit", hits, Some(1));
    fs::write(top.join("pids.max"), "max")?;
    fs::write(top.join("cgroup.kill"), "1")?;
    report.check("they go", soon(nobody));
    Ok(())
}
