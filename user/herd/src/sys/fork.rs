//! A new process, by `fork` and `execve` alone: what Rust's own library does
//! here needs sockets and has no way to begin a session.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use super::raw::{OpenFiles, check};

/// What the new process is to become.
pub(super) struct Image {
    /// Paths of the program, tried in this order.
    pub(super) programs: Vec<CString>,
    pub(super) arguments: Vec<CString>,
    pub(super) variables: Vec<CString>,
    pub(super) folder: CString,
    /// User and group.
    pub(super) user: Option<(u32, u32)>,
    /// How many descriptors it may have; herd's own limit if absent.
    pub(super) open_files: Option<OpenFiles>,
    /// Where it is noted that the process exists.
    pub(super) record: Option<Record>,
}

/// A note that the new process makes of itself, so that none is ever unknown
/// to the next herd.
pub(super) struct Record {
    pub(super) file: RawFd,
    /// The line as far as it is known before the process exists.
    pub(super) prefix: Vec<u8>,
}

/// What the new process was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Session,
    Record,
    Files,
    Folder,
    User,
    Program,
}

/// Bytes of a report: errno, then the step.
pub(super) const REPORT: usize = 5;

fn write_report(step: Step, errno: i32) -> [u8; REPORT] {
    let [a, b, c, d] = errno.to_ne_bytes();
    [a, b, c, d, step as u8]
}

pub(super) fn read_report([a, b, c, d, step]: [u8; REPORT]) -> (Step, io::Error) {
    let steps = [
        Step::Session,
        Step::Record,
        Step::Files,
        Step::Folder,
        Step::User,
    ];
    let step = steps.get(usize::from(step)).copied();
    let errno = i32::from_ne_bytes([a, b, c, d]);
    let error = io::Error::from_raw_os_error(errno);
    (step.unwrap_or(Step::Program), error)
}

/// An array of pointers to texts with a null behind them, as `execve` wants.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    let texts = texts.iter().map(|text| text.as_ptr());
    texts.chain([std::ptr::null()]).collect()
}

/// Starts a process that becomes `image` with `files` as its standard files
/// and leads a session. If it fails after this has returned, it writes a
/// report to `report` (which closes on exec) and exits.
///
/// # Errors
/// Those of `fork(2)`.
pub(super) fn fork(
    image: &Image,
    files: [BorrowedFd<'_>; 3],
    report: BorrowedFd<'_>,
) -> io::Result<u32> {
    let arguments = pointers(&image.arguments);
    let variables = pointers(&image.variables);
    let files = files.map(|file| file.as_raw_fd());
    let parent = std::process::id();
    // SAFETY: the child, in which herd's other threads are gone and may have
    // left locks taken, only makes system calls on memory that was made before.
    let pid = check(unsafe { libc::fork() })?;
    if pid != 0 {
        return Ok(pid.unsigned_abs());
    }
    let step = become_image(image, &arguments, &variables, files, parent);
    let bytes = write_report(step, errno());
    // SAFETY: `bytes` lives for the call; `_exit` runs nothing of ours.
    unsafe {
        libc::write(report.as_raw_fd(), bytes.as_ptr().cast(), bytes.len());
        libc::_exit(127)
    }
}

fn errno() -> i32 {
    // SAFETY: the thread's errno is always there.
    unsafe { *libc::__errno_location() }
}

/// Runs in the child, where it may neither allocate nor panic. Gives back
/// what failed, with the reason in errno.
fn become_image(
    image: &Image,
    arguments: &[*const c_char],
    variables: &[*const c_char],
    files: [RawFd; 3],
    parent: u32,
) -> Step {
    // SAFETY: `setsid` takes nothing.
    if unsafe { libc::setsid() } < 0 {
        return Step::Session;
    }
    if let Some(record) = &image.record {
        record.note_this_process();
        // If herd ended before the note was made, the next one may have missed
        // it. If it ends from now on, the next one finds it.
        if std::os::unix::process::parent_id() != parent {
            return Step::Record;
        }
    }
    for (number, file) in (0..).zip(files) {
        // SAFETY: `dup2` touches no memory. The files are not 0 to 2
        // themselves: those are open since the program began.
        if unsafe { libc::dup2(file, number) } < 0 {
            return Step::Files;
        }
    }
    if let Some(limit) = image.open_files
        && limit.set().is_err()
    {
        return Step::Files;
    }
    if let Some((uid, gid)) = image.user
        && !become_user(uid, gid)
    {
        return Step::User;
    }
    // SAFETY: `folder` is a text that lives for the call.
    if unsafe { libc::chdir(image.folder.as_ptr()) } < 0 {
        return Step::Folder;
    }
    default_signals();
    execute(&image.programs, arguments, variables);
    Step::Program
}

/// A line that is put together without memory from the heap.
struct Line {
    text: [u8; 160],
    length: usize,
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.text.get_mut(self.length) {
                *place = *byte;
                self.length += 1;
            }
        }
    }

    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut count = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            count += 1;
            if number == 0 {
                break;
            }
        }
        self.push(digits.get(digits.len() - count..).unwrap_or_default());
    }
}

impl Record {
    /// Runs in the child, where it may neither allocate nor panic.
    fn note_this_process(&self) {
        let mut line = Line {
            text: [0; 160],
            length: 0,
        };
        line.push(&self.prefix);
        // SAFETY: `getpid` takes nothing.
        line.number(u64::from(unsafe { libc::getpid() }.unsigned_abs()));
        line.push(b" ");
        line.number(super::time::now());
        line.push(b"\n");
        // SAFETY: `text` lives for the call, and has that many bytes. If the
        // disk refuses, the service matters more.
        unsafe { libc::write(self.file, line.text.as_ptr().cast(), line.length) };
    }
}

fn become_user(uid: u32, gid: u32) -> bool {
    // SAFETY: `setgroups` reads one group; the others touch no memory.
    unsafe { libc::setgroups(1, &gid) == 0 && libc::setgid(gid) == 0 && libc::setuid(uid) == 0 }
}

/// Handlers go with `execve`, but not what is ignored: Rust's library ignores
/// SIGPIPE, and whoever started herd may have blocked any.
fn default_signals() {
    // SAFETY: an all-zero set is valid, and is made empty before its use.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// Returns only on failure, with the most telling errno: that a program may
/// not be executed says more than that another is not there.
fn execute(programs: &[CString], arguments: &[*const c_char], variables: &[*const c_char]) {
    let mut reason = libc::ENOENT;
    for program in programs {
        // SAFETY: all are texts and null-terminated arrays of texts that live
        // until the process becomes something else.
        unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
        match errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            other => reason = other,
        }
    }
    // SAFETY: the thread's errno is always there.
    unsafe { *libc::__errno_location() = reason };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_numbers() {
        let mut line = Line {
            text: [0; 160],
            length: 0,
        };
        line.push(b"x ");
        for number in [0, 7, 10, u64::MAX] {
            line.number(number);
            line.push(b" ");
        }
        let text = line.text.get(..line.length).unwrap();
        assert_eq!(text, b"x 0 7 10 18446744073709551615 ");
        line.push(&[b'y'; 200]);
        assert_eq!(line.length, 160);
    }

    #[test]
    fn reports_read_back() {
        for step in [
            Step::Session,
            Step::Record,
            Step::Files,
            Step::Folder,
            Step::User,
            Step::Program,
        ] {
            let (read, error) = read_report(write_report(step, libc::EACCES));
            assert_eq!((read, error.raw_os_error()), (step, Some(libc::EACCES)));
        }
    }
}
