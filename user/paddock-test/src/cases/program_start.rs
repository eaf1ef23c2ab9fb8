//! What a program finds at its start: the vdso, random addresses, and that
//! nobody writes to what runs.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::ffi::{CStr, c_char};
use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

const ADDR_NO_RANDOMIZE: u64 = 0x0040000;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    vdso(report)?;
    addresses(report).map_err(|error| error.to_string())?;
    by_descriptor(report)?;
    busy(report).map_err(|error| error.to_string())
}

type GetTime = extern "C" fn(i32, *mut libc::timespec) -> i32;

/// A value in the memory of the vdso.
fn value<T: Copy>(address: usize) -> T {
    // SAFETY: the callers stay within what the kernel maps for programs to
    // read.
    unsafe { (address as *const T).read_unaligned() }
}

/// The address of a symbol of the vdso, found as a dynamic linker does.
fn symbol(name: &CStr) -> Option<usize> {
    // SAFETY: reads the vector of this process.
    let start = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize;
    if start == 0 {
        return None;
    }
    let segments = start + value::<u64>(start + 32) as usize;
    let count = value::<u16>(start + 56) as usize;
    let segment = |kind| {
        let mut all = (0..count).map(|index| segments + 56 * index);
        all.find(|&at| value::<u32>(at) == kind)
    };
    let load = segment(PT_LOAD)?;
    let bias = start + value::<u64>(load + 8) as usize - value::<u64>(load + 16) as usize;
    let dynamic = bias + value::<u64>(segment(PT_DYNAMIC)? + 16) as usize;
    let entry = |wanted| {
        let mut all = (0..).map(|index| dynamic + 16 * index);
        let at = all.find(|&at| [0, wanted].contains(&value::<u64>(at)))?;
        (value::<u64>(at) == wanted).then(|| bias + value::<u64>(at + 8) as usize)
    };
    let (names, symbols) = (entry(DT_STRTAB)?, entry(DT_SYMTAB)?);
    let count = value::<u32>(entry(DT_HASH)? + 4) as usize;
    let mut all = (1..count).map(|index| symbols + 24 * index);
    let found = all.find(|&at| {
        let own = (names + value::<u32>(at) as usize) as *const c_char;
        // SAFETY: names in the table end with a zero byte.
        unsafe { CStr::from_ptr(own) == name }
    })?;
    Some(bias + value::<u64>(found + 8) as usize)
}

fn by_call(clock: i32) -> Result<i128, Errno> {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    call!(libc::syscall(libc::SYS_clock_gettime, clock, &mut now))?;
    Ok(nanos(&now))
}

fn nanos(time: &libc::timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Its clocks are those of the system calls, to the nanosecond.
fn vdso(report: &mut Report) -> Result<(), String> {
    let name = match cfg!(target_arch = "aarch64") {
        true => c"__kernel_clock_gettime",
        false => c"__vdso_clock_gettime",
    };
    let Some(address) = symbol(name) else {
        report.fail("vdso", "has no clock_gettime");
        return Ok(());
    };
    // SAFETY: the function of that name in the vdso.
    let get: GetTime = unsafe { std::mem::transmute(address) };
    let read = |clock| {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        (get(clock, &mut now), nanos(&now))
    };
    let precise = [
        libc::CLOCK_REALTIME,
        libc::CLOCK_MONOTONIC,
        libc::CLOCK_MONOTONIC_RAW,
        libc::CLOCK_BOOTTIME,
        libc::CLOCK_PROCESS_CPUTIME_ID,
        libc::CLOCK_THREAD_CPUTIME_ID,
    ];
    for clock in precise {
        let (before, between, after) = (by_call(clock)?, read(clock), by_call(clock)?);
        let in_order = before <= between.1 && between.1 <= after;
        report.check("vdso: a clock", between.0 == 0 && in_order);
    }
    let [coarse, no] = [read(libc::CLOCK_REALTIME_COARSE).0, read(99).0];
    report.same("vdso: coarse", coarse, 0);
    report.same("vdso: no clock", no, -libc::EINVAL);
    set_clock(report, &read)
}

/// A clock that is set is set for both.
fn set_clock(report: &mut Report, read: &dyn Fn(i32) -> (i32, i128)) -> Result<(), String> {
    let now = read(libc::CLOCK_REALTIME).1;
    let at = |nanos: i128| libc::timespec {
        tv_sec: (nanos / 1_000_000_000) as i64,
        tv_nsec: (nanos % 1_000_000_000) as i64,
    };
    const LATER: i128 = 1_000_000_000_000;
    match call!(libc::clock_settime(libc::CLOCK_REALTIME, &at(now + LATER))) {
        // Not the superuser of this machine.
        Err(Errno(libc::EPERM)) => return Ok(()),
        result => result.map(drop)?,
    }
    let seen = read(libc::CLOCK_REALTIME).1;
    let since = seen - LATER;
    call!(libc::clock_settime(libc::CLOCK_REALTIME, &at(since)))?;
    report.check("vdso: the clock was set", since >= now);
    Ok(())
}

/// Where a child's stack and vdso are.
fn places() -> std::io::Result<Vec<String>> {
    let child = Command::new("cat").arg("/proc/self/maps").output()?;
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let is_wanted = |line: &&str| line.ends_with("[stack]") || line.ends_with("[vdso]");
    let start = |line: &str| line.split('-').next().unwrap_or_default().to_owned();
    Ok(text.lines().filter(is_wanted).map(start).collect())
}

/// Addresses are random unless personality(2) says otherwise.
fn addresses(report: &mut Report) -> std::io::Result<()> {
    let seen: Vec<_> = (0..4).map(|_| places()).collect::<std::io::Result<_>>()?;
    report.check(
        "stack and vdso",
        seen.iter().all(|places| places.len() == 2),
    );
    report.check("random", seen.iter().any(|places| *places != seen[0]));
    let set = |personality: u64| call!(libc::personality(personality));
    let before = set(0xffff_ffff).map_err(|_| std::io::Error::last_os_error())?;
    report.check("personality", set(ADDR_NO_RANDOMIZE).is_ok());
    let (one, other) = (places()?, places()?);
    report.check("personality is kept", set(before as u64).is_ok());
    report.same("not random", one, other);
    Ok(())
}

/// execveat(2): a program that is open, in a folder, and a link to it.
fn by_descriptor(report: &mut Report) -> Result<(), Errno> {
    let open = |path: &CStr| call!(libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC));
    let run = |fd: i32, path: &CStr, flags: i32| {
        let words = [c"paddock-test", c"exit", c"7"].map(CStr::as_ptr);
        let arguments = [words[0], words[1], words[2], std::ptr::null()];
        let environment = [std::ptr::null::<c_char>()];
        sys::in_child(|| {
            let result = call!(libc::syscall(
                libc::SYS_execveat,
                fd,
                path.as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
                flags
            ));
            result.err().map_or(0, |Errno(errno)| 100 + errno)
        })
    };
    let (own, folder) = (open(c"/proc/self/exe")?, open(c"/proc/self")?);
    let empty = run(own, c"", libc::AT_EMPTY_PATH);
    report.same("an open program", empty, Ok(End::Exited(7)));
    report.same("in a folder", run(folder, c"exe", 0), Ok(End::Exited(7)));
    let link = run(folder, c"exe", libc::AT_SYMLINK_NOFOLLOW);
    report.same("a link", link, Ok(End::Exited(100 + libc::ELOOP)));
    let nothing = run(own, c"", 0);
    report.same("no path", nothing, Ok(End::Exited(100 + libc::ENOENT)));
    let flags = run(folder, c"exe", 1);
    report.same("flags", flags, Ok(End::Exited(100 + libc::EINVAL)));
    for fd in [own, folder] {
        call!(libc::close(fd))?;
    }
    Ok(())
}

/// A program that runs cannot be written, one that is written cannot run.
fn busy(report: &mut Report) -> std::io::Result<()> {
    let path = std::env::temp_dir().join(format!("busy-{}", std::process::id()));
    fs::copy(std::env::current_exe()?, &path)?;
    let write = || OpenOptions::new().write(true).open(&path);
    let mut child = Command::new(&path)
        .args(["sleep", "1", "1000000"])
        .stdout(Stdio::null())
        .spawn()?;
    let error = |result: std::io::Result<()>| result.err().and_then(|error| error.raw_os_error());
    let busy = Some(libc::ETXTBSY);
    report.same("it runs: write", error(write().map(drop)), busy);
    let cut = |path: &std::path::Path| {
        let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default();
        call!(libc::truncate(name.as_ptr(), 0)).map_err(|Errno(errno)| errno)
    };
    report.same("it runs: truncate", cut(&path), Err(libc::ETXTBSY));
    report.check("it runs: read", fs::read(&path).is_ok());
    child.kill()?;
    child.wait()?;
    let writer = write();
    report.check("it has ended", writer.is_ok());
    let run = || {
        let mut command = Command::new(&path);
        command.arg("list").stdout(Stdio::null());
        command.status().map(drop)
    };
    report.same("it is open for writing", error(run()), busy);
    drop(writer);
    report.same("it is not", error(run()), None);
    fs::remove_file(&path)
}
