//! mmap and its relatives.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Map, call};

const PAGE: usize = 4096;
const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_WRITE;

/// That an access in a child is answered with a signal.
fn dies(report: &mut Report, name: &str, signal: i32, access: impl FnOnce()) -> Outcome {
    let end = sys::in_child(|| {
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            // SAFETY: the default action needs nothing of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        access();
        0
    })?;
    report.same(name, end, End::Killed(signal));
    Ok(())
}

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    anonymous(report)?;
    protection(report)?;
    holes(report)?;
    fixed(report)?;
    code(report)?;
    heap(report)?;
    refusals(report)?;
    let folder = folder(words, "mmap")?;
    let outcome = of_files(report, &folder);
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    outcome
}

fn anonymous(report: &mut Report) -> Outcome {
    let map = Map::memory(1 << 20)?;
    report.same("it begins on a page", map.start.addr() % PAGE, 0);
    let zero = (0..1 << 20).step_by(PAGE / 2).all(|at| map.read(at) == 0);
    report.check("new memory is zero", zero);
    (0..1 << 20)
        .step_by(PAGE)
        .for_each(|at| map.write(at, (at / PAGE) as u8));
    let kept = (0..1 << 20)
        .step_by(PAGE)
        .all(|at| map.read(at) == (at / PAGE) as u8);
    report.check("memory keeps what is written", kept);
    let huge = Map::new(
        1 << 32,
        READ | WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        -1,
    )?;
    huge.write((1 << 32) - 1, 1);
    report.same("four gigabytes, barely used", huge.read((1 << 32) - 1), 1);
    Ok(())
}

fn protection(report: &mut Report) -> Outcome {
    let map = Map::memory(3 * PAGE)?;
    map.write(PAGE, 7);
    map.protect(PAGE, PAGE, READ)?;
    report.same("read-only memory is read", map.read(PAGE), 7);
    dies(report, "but not written", libc::SIGSEGV, || {
        map.write(PAGE, 1)
    })?;
    map.write(0, 1);
    map.write(2 * PAGE, 1);
    report.check("its neighbours are as they were", true);
    map.protect(PAGE, PAGE, libc::PROT_NONE)?;
    dies(report, "nothing allowed", libc::SIGSEGV, || {
        map.read(PAGE);
    })?;
    map.protect(PAGE, PAGE, READ | WRITE)?;
    report.same("allowed again, the contents are there", map.read(PAGE), 7);
    let kernel = call!(libc::mprotect(
        std::ptr::without_provenance_mut(super::fault::KERNEL),
        PAGE,
        READ
    ));
    report.check("not the kernel's memory", kernel.is_err());
    Ok(())
}

fn holes(report: &mut Report) -> Outcome {
    let map = Map::memory(4 * PAGE)?;
    map.write(0, 1);
    map.write(3 * PAGE, 3);
    call!(libc::munmap(map.start.wrapping_add(PAGE).cast(), 2 * PAGE))?;
    report.same("what is left of a hole", map.read(0), 1);
    report.same("and right of it", map.read(3 * PAGE), 3);
    dies(report, "the hole", libc::SIGSEGV, || {
        map.read(PAGE);
    })?;
    let across = call!(libc::mprotect(map.start.cast(), 4 * PAGE, READ));
    report.refused("mprotect across it", across, libc::ENOMEM);
    report.works(
        "munmap across it",
        call!(libc::munmap(map.start.cast(), 4 * PAGE)),
    );
    dies(report, "then nothing is left", libc::SIGSEGV, || {
        map.read(0);
    })
}

fn fixed(report: &mut Report) -> Outcome {
    let map = Map::memory(3 * PAGE)?;
    map.write(PAGE, 9);
    let middle = map.start.wrapping_add(PAGE).cast();
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let again = call!(libc::mmap(middle, PAGE, READ | WRITE, flags, -1, 0))?;
    report.check("a fixed mapping is where it should be", again == middle);
    report.same("and replaces what was there", map.read(PAGE), 0);
    let careful = flags & !libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
    let again = call!(libc::mmap(middle, PAGE, READ, careful, -1, 0));
    report.refused("unless it may not", again, libc::EEXIST);
    Ok(())
}

/// Code that is written, then executed: caches must be in step.
fn code(report: &mut Report) -> Outcome {
    #[cfg(target_arch = "aarch64")]
    // mov w0, #5; ret
    let code = [0xa0, 0x00, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];
    #[cfg(target_arch = "x86_64")]
    // mov eax, 5; ret
    let code = [0xb8, 0x05, 0x00, 0x00, 0x00, 0xc3, 0x90, 0x90];
    let map = Map::memory(PAGE)?;
    code.iter()
        .enumerate()
        .for_each(|(at, byte)| map.write(at, *byte));
    #[cfg(target_arch = "aarch64")]
    publish(map.start);
    dies(report, "data is not executed", libc::SIGSEGV, || {
        super::fault::jump(map.start.addr());
    })?;
    map.protect(0, PAGE, READ | libc::PROT_EXEC)?;
    // SAFETY: the page holds a function of this type and may be executed.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(map.start) };
    report.same("code is", function(), 5);
    dies(report, "code is not written", libc::SIGSEGV, || {
        map.write(0, 0)
    })
}

#[cfg(target_arch = "aarch64")]
fn publish(start: *const u8) {
    // SAFETY: cache maintenance on memory of ours; one line holds the code.
    unsafe {
        std::arch::asm!(
            "dc cvau, {0}", "dsb ish", "ic ivau, {0}", "dsb ish", "isb",
            in(reg) start
        );
    }
}

fn heap(report: &mut Report) -> Outcome {
    let now = call!(libc::sbrk(0))?;
    let raw = |address: usize| call!(libc::syscall(libc::SYS_brk, address));
    report.same(
        "brk grows",
        raw(now.addr() + 4 * PAGE)?,
        (now.addr() + 4 * PAGE) as i64,
    );
    let byte: *mut u8 = now.cast();
    // SAFETY: brk has just made these bytes ours; the library does not know.
    let (first, last) = unsafe { (byte.read(), byte.add(4 * PAGE - 1).read()) };
    report.same("by zeroes", (first, last), (0, 0));
    report.same("brk shrinks", raw(now.addr())?, now.addr() as i64);
    report.same(
        "brk refuses by staying",
        raw(super::fault::KERNEL)?,
        now.addr() as i64,
    );
    let mut list: Vec<Vec<u8>> = Vec::new();
    for n in 0..200 {
        list.push(vec![n as u8; (n + 1) * 1_000]);
    }
    list.retain(|one| one[0] % 2 == 0);
    let whole = list
        .iter()
        .all(|one| one.iter().all(|byte| *byte == one[0]));
    report.check("an allocator on top of it", whole);
    Ok(())
}

fn refusals(report: &mut Report) -> Outcome {
    let map = |length, flags, fd, offset| {
        call!(libc::mmap(
            std::ptr::null_mut(),
            length,
            READ,
            flags,
            fd,
            offset
        ))
    };
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    report.refused("no length", map(0, anonymous, -1, 0), libc::EINVAL);
    report.refused(
        "neither private nor shared",
        map(PAGE, libc::MAP_ANONYMOUS, -1, 0),
        libc::EINVAL,
    );
    report.refused(
        "more than there is room for",
        map(1 << 62, anonymous, -1, 0),
        libc::ENOMEM,
    );
    report.refused("no file", map(PAGE, libc::MAP_PRIVATE, 900, 0), libc::EBADF);
    report.refused(
        "an odd offset",
        map(PAGE, libc::MAP_PRIVATE, 0, 5),
        libc::EINVAL,
    );
    let crooked = call!(libc::munmap(std::ptr::without_provenance_mut(5), PAGE));
    report.refused("an odd address", crooked, libc::EINVAL);
    Ok(())
}

fn of_files(report: &mut Report, folder: &std::path::Path) -> Outcome {
    let error = |error: std::io::Error| error.to_string();
    let name = folder.join("file");
    let text: Vec<u8> = (0..2 * PAGE + 100).map(|n| (n / 7) as u8).collect();
    fs::write(&name, &text).map_err(error)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&name)
        .map_err(error)?;
    let map = Map::new(4 * PAGE, READ | WRITE, libc::MAP_PRIVATE, file.as_raw_fd())?;
    let same = (0..text.len()).all(|at| map.read(at) == text[at]);
    report.check("a file in memory", same);
    let rest = (text.len()..3 * PAGE).all(|at| map.read(at) == 0);
    report.check("zeroes behind its end", rest);
    dies(report, "a page behind its end", libc::SIGBUS, || {
        map.read(3 * PAGE);
    })?;
    map.write(10, 0xee);
    report.check(
        "writing stays private",
        fs::read(&name).map_err(error)? == text,
    );
    cut(report, &name)?;
    drop(file);
    fs::remove_file(&name).map_err(error)?;
    report.same(
        "it outlives its file",
        (map.read(10), map.read(5000)),
        (0xee, text[5000]),
    );
    Ok(())
}

/// A file that is cut, by another name than that of its mappings, is gone from them; a
/// child has them, too.
fn cut(report: &mut Report, name: &std::path::Path) -> Outcome {
    let error = |error: std::io::Error| error.to_string();
    let name = name.with_file_name("cut");
    fs::write(&name, vec![7; 3 * PAGE]).map_err(error)?;
    let open = || OpenOptions::new().read(true).write(true).open(&name);
    let file = open().map_err(error)?;
    let [shared, private] = [libc::MAP_SHARED, libc::MAP_PRIVATE]
        .map(|kind| Map::new(3 * PAGE, READ | WRITE, kind, file.as_raw_fd()));
    let (shared, private) = (shared?, private?);
    for page in 0..3 {
        shared.write(page * PAGE, 8);
        private.write(page * PAGE + 1, 9);
    }
    open().map_err(error)?.set_len(100).map_err(error)?;
    report.same(
        "what a cut leaves stays mapped",
        (shared.read(0), private.read(1), shared.read(99)),
        (8, 9, 7),
    );
    report.check(
        "the rest of its page is zeroes",
        (100..PAGE).all(|at| shared.read(at) == 0),
    );
    dies(report, "what was cut off is gone", libc::SIGBUS, || {
        shared.read(PAGE);
    })?;
    dies(report, "private copies of it too", libc::SIGBUS, || {
        private.read(2 * PAGE + 1);
    })?;
    let byte = call!(libc::write(file.as_raw_fd(), shared.address(2 * PAGE), 1));
    report.same("a call that reads it", byte, Err(sys::Errno(libc::EFAULT)));
    file.set_len(3 * PAGE as u64).map_err(error)?;
    report.same(
        "it grows again, with zeroes",
        (shared.read(2 * PAGE), private.read(2 * PAGE + 1)),
        (0, 0),
    );
    shared.write(2 * PAGE, 5);
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&name)
        .map_err(error)?;
    dies(report, "opening it can cut it", libc::SIGBUS, || {
        shared.read(0);
    })?;
    fs::remove_file(&name).map_err(error)
}
