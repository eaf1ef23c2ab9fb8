//! A new process, by `fork` and `execve` alone: what Rust's own library does
//! here needs sockets and has no way to begin a session.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use super::descriptors::OpenFiles;
use super::raw::check;
use super::record::{Line, Record};

/// What the new process is to become.
pub(super) struct Image {
    pub(super) program: Program,
    pub(super) variables: Vec<CString>,
    pub(super) folder: CString,
    /// What it runs before that, and waits for.
    pub(super) first: Option<Program>,
    pub(super) ids: Option<Ids>,
    pub(super) umask: Option<u32>,
    pub(super) no_new_privs: bool,
    /// How many descriptors it may have; herd's own limit if absent.
    pub(super) open_files: Option<OpenFiles>,
    /// Where it is noted that the process exists.
    pub(super) record: Option<Record>,
    /// Through which it comes into its control group.
    pub(super) group: Option<RawFd>,
    /// Its variable [`LISTEN_PID`] is to have its number.
    pub(super) listens: bool,
}

/// Whose sockets there are, as of sd_listen_fds(3).
pub(super) const LISTEN_PID: &str = "LISTEN_PID";

/// What to execute.
pub(super) struct Program {
    /// Paths of the program, tried in this order.
    pub(super) paths: Vec<CString>,
    pub(super) arguments: Vec<CString>,
}

/// Who the new process is to be.
pub(super) struct Ids {
    /// herd's own if absent.
    pub(super) user: Option<u32>,
    pub(super) group: u32,
    /// All of them, `group` too.
    pub(super) groups: Vec<u32>,
}

/// What the new process was doing when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Session,
    Group,
    Record,
    Files,
    Folder,
    User,
    /// Running what comes before the program.
    First,
    Program,
}

/// Bytes of a report: errno, then the step. For [`Step::First`], its wait
/// status instead of errno.
pub(super) const REPORT: usize = 5;

fn write_report(step: Step, reason: i32) -> [u8; REPORT] {
    let [a, b, c, d] = reason.to_ne_bytes();
    [a, b, c, d, step as u8]
}

pub(super) fn read_report([a, b, c, d, step]: [u8; REPORT]) -> (Step, i32) {
    let steps = [
        Step::Session,
        Step::Group,
        Step::Record,
        Step::Files,
        Step::Folder,
        Step::User,
        Step::First,
    ];
    let step = steps.get(usize::from(step)).copied();
    let reason = i32::from_ne_bytes([a, b, c, d]);
    (step.unwrap_or(Step::Program), reason)
}

/// An array of pointers to texts with a null behind them, as `execve` wants.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    let texts = texts.iter().map(|text| text.as_ptr());
    texts.chain([std::ptr::null()]).collect()
}

fn listen_pid(image: &Image) -> Option<(usize, Line)> {
    let name = LISTEN_PID.as_bytes();
    let is_it = |variable: &CString| {
        let rest = variable.as_bytes().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(b"="))
    };
    let place = image.variables.iter().position(is_it);
    place
        .filter(|_| image.listens)
        .map(|place| (place, Line::new()))
}

/// The arrays that `execve` wants, made before the process exists.
struct Pointers<'a> {
    paths: &'a [CString],
    arguments: Vec<*const c_char>,
}

impl Pointers<'_> {
    fn of(program: &Program) -> Pointers<'_> {
        Pointers {
            paths: &program.paths,
            arguments: pointers(&program.arguments),
        }
    }
}

/// Starts a process that becomes `image` with `files` by their numbers, and
/// leads a session. If it fails after this has returned, it writes a report to
/// `report` (which closes on exec) and exits.
///
/// # Errors
/// Those of `fork(2)`.
pub(super) fn fork(
    image: &Image,
    files: &[(RawFd, BorrowedFd<'_>)],
    report: BorrowedFd<'_>,
) -> io::Result<u32> {
    let mut start = Start {
        image,
        program: Pointers::of(&image.program),
        first: image.first.as_ref().map(Pointers::of),
        variables: pointers(&image.variables),
        listen_pid: listen_pid(image),
        files: files
            .iter()
            .map(|(n, file)| (*n, file.as_raw_fd()))
            .collect(),
        report: report.as_raw_fd(),
        parent: std::process::id(),
    };
    // SAFETY: the child, in which herd's other threads are gone and may have
    // left locks taken, only makes system calls on memory that was made before.
    let pid = check(unsafe { libc::fork() })?;
    if pid != 0 {
        return Ok(pid.unsigned_abs());
    }
    let (step, reason) = start.go_on();
    let bytes = write_report(step, reason);
    // SAFETY: `bytes` lives for the call; `_exit` runs nothing of ours.
    unsafe {
        libc::write(start.report, bytes.as_ptr().cast(), bytes.len());
        libc::_exit(127)
    }
}

fn errno() -> i32 {
    // SAFETY: the thread's errno is always there.
    unsafe { *libc::__errno_location() }
}

/// What the child needs to become its image.
struct Start<'a> {
    image: &'a Image,
    program: Pointers<'a>,
    first: Option<Pointers<'a>>,
    variables: Vec<*const c_char>,
    /// Where the variable is that has its number, and what is put there.
    listen_pid: Option<(usize, Line)>,
    /// Each with the number that it is to have.
    files: Vec<(RawFd, RawFd)>,
    report: RawFd,
    parent: u32,
}

/// Runs in the child, where it may neither allocate nor panic.
impl Start<'_> {
    /// Gives back what failed, and the reason.
    fn go_on(&mut self) -> (Step, i32) {
        if let Err(failed) = self.prepare() {
            return failed;
        }
        self.name_itself();
        if let Some(first) = &self.first {
            let status = run(first, &self.variables);
            if status != 0 {
                return (Step::First, status);
            }
        }
        execute(&self.program, &self.variables);
        (Step::Program, errno())
    }

    /// Puts its number where it is to be told.
    fn name_itself(&mut self) {
        if let Some((place, line)) = &mut self.listen_pid
            && let Some(variable) = self.variables.get_mut(*place)
        {
            line.push(LISTEN_PID.as_bytes());
            line.push(b"=");
            line.number(u64::from(std::process::id()));
            *variable = line.as_ptr();
        }
    }

    /// Everything up to the programs.
    fn prepare(&mut self) -> Result<(), (Step, i32)> {
        let image = self.image;
        let may = |result: libc::c_int, step| match result {
            ..0 => Err((step, errno())),
            _ => Ok(()),
        };
        // SAFETY: `setsid` takes nothing.
        may(unsafe { libc::setsid() }, Step::Session)?;
        if let Some(group) = image.group {
            // SAFETY: the text lives for the call.
            let joined = unsafe { libc::write(group, c"0".as_ptr().cast(), 1) };
            may(joined as libc::c_int, Step::Group)?;
        }
        if let Some(record) = &image.record {
            record.note_this_process();
            // If herd ended before the note was made, the next one may have
            // missed it. If it ends from now on, the next one finds it.
            if std::os::unix::process::parent_id() != self.parent {
                return Err((Step::Record, 0));
            }
        }
        let files = self.place_files();
        files.map_err(|()| (Step::Files, errno()))?;
        let limited = image.open_files.map_or(Ok(()), OpenFiles::set);
        limited.map_err(|error| (Step::Files, error.raw_os_error().unwrap_or(0)))?;
        if let Some(mask) = image.umask {
            // SAFETY: `umask` takes a number and cannot fail.
            unsafe { libc::umask(mask) };
        }
        if image.ids.as_ref().is_some_and(|ids| !become_user(ids)) {
            return Err((Step::User, errno()));
        }
        if image.no_new_privs {
            // SAFETY: this `prctl` takes numbers.
            let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
            may(set, Step::User)?;
        }
        // SAFETY: `folder` is a text that lives for the call.
        may(unsafe { libc::chdir(image.folder.as_ptr()) }, Step::Folder)?;
        default_signals();
        Ok(())
    }

    /// Gives the files their numbers. A process that runs something first
    /// lives for long, so it keeps none of herd's files. What fails has its
    /// reason in errno.
    fn place_files(&mut self) -> Result<(), ()> {
        let numbers = self.files.iter().map(|(number, _)| *number);
        let first_free = numbers.max().unwrap_or(0) + 1;
        let keeps_none = self.first.is_some();
        if first_free > 3 || keeps_none {
            // Out of the way of the numbers to come. Else they are: 0 to 2
            // are open since the program began.
            let files = self.files.iter_mut().map(|(_, file)| file);
            for file in files.chain([&mut self.report]) {
                // SAFETY: `fcntl` with this command takes a number.
                *file = unsafe { libc::fcntl(*file, libc::F_DUPFD_CLOEXEC, first_free + 1) };
                if *file < 0 {
                    return Err(());
                }
            }
        }
        for (number, file) in &self.files {
            // SAFETY: `dup2` touches no memory.
            if unsafe { libc::dup2(*file, *number) } < 0 {
                return Err(());
            }
        }
        if keeps_none {
            for number in (3..first_free).filter(|n| self.files.iter().all(|(m, _)| m != n)) {
                // SAFETY: `close` touches no memory; nothing has this number.
                unsafe { libc::close(number) };
            }
            // SAFETY: neither touches memory; of the files nothing of herd's
            // is used any more. Without `close_range` they close by `execve`.
            unsafe {
                if libc::dup3(self.report, first_free, libc::O_CLOEXEC) < 0 {
                    return Err(());
                }
                libc::syscall(libc::SYS_close_range, first_free + 1, u32::MAX, 0);
            }
            self.report = first_free;
        }
        Ok(())
    }
}

/// Runs a program and waits for it: its wait status. Runs in the child, where
/// it may neither allocate nor panic.
fn run(program: &Pointers<'_>, variables: &[*const c_char]) -> i32 {
    let unstarted = 127 << 8;
    // SAFETY: the child's child only executes, or exits.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => {
            execute(program, variables);
            // SAFETY: `_exit` runs nothing of ours.
            unsafe { libc::_exit(127) }
        }
        1.. => {
            let mut status = 0;
            loop {
                // SAFETY: `status` is ours to write to for the call.
                if unsafe { libc::waitpid(pid, &mut status, 0) } == pid {
                    return status;
                }
                if errno() != libc::EINTR {
                    return unstarted;
                }
            }
        }
        _ => unstarted,
    }
}

fn become_user(ids: &Ids) -> bool {
    // SAFETY: `setgroups` reads so many groups; the others touch no memory.
    unsafe {
        libc::setgroups(ids.groups.len(), ids.groups.as_ptr()) == 0
            && libc::setgid(ids.group) == 0
            && ids.user.is_none_or(|user| libc::setuid(user) == 0)
    }
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
fn execute(program: &Pointers<'_>, variables: &[*const c_char]) {
    let mut reason = libc::ENOENT;
    for path in program.paths {
        // SAFETY: all are texts and null-terminated arrays of texts that live
        // until the process becomes something else.
        unsafe {
            libc::execve(
                path.as_ptr(),
                program.arguments.as_ptr(),
                variables.as_ptr(),
            )
        };
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
    fn reports_read_back() {
        for step in [
            Step::Session,
            Step::Group,
            Step::Record,
            Step::Files,
            Step::Folder,
            Step::User,
            Step::First,
            Step::Program,
        ] {
            let read = read_report(write_report(step, libc::EACCES));
            assert_eq!(read, (step, libc::EACCES));
        }
    }
}
