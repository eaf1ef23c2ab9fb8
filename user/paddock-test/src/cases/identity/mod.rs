//! Who a process is, and what it may: users, groups, capabilities, prctl(2),
//! and the checks that rest on them. As root; as anyone else only what needs no
//! other user.

mod files;
mod rights;
mod users;

pub use files::whoami;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Outcome, folder};

use crate::report::Report;
use crate::sys::{self, End, Errno, call};

/// An ordinary user and another.
const USER: u32 = 1000;
const OTHER: u32 = 1001;
const KEEP: u32 = u32::MAX;

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    names(report)?;
    told_back(report)?;
    subreaper(report)?;
    parent_death(report)?;
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    let folder = folder(words, "identity")?;
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).map_err(|e| e.to_string())?;
    let outcome = users::users(report)
        .and_then(|()| users::capabilities(report))
        .and_then(|()| rights::rights(report))
        .and_then(|()| files::modes(report, &folder))
        .and_then(|()| files::set_user_id(report, &folder))
        .and_then(|()| rights::others(report));
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn prctl(option: i32, argument: u64) -> Result<i32, Errno> {
    call!(libc::prctl(option, argument, 0u64, 0u64, 0u64))
}

/// An `int` that prctl stores.
fn prctl_int(option: i32) -> Result<i32, Errno> {
    let mut value = -1;
    call!(libc::prctl(option, &raw mut value, 0u64, 0u64, 0u64))?;
    Ok(value)
}

/// The numbers of the checks in `body` that fail, in a child.
fn child(report: &mut Report, name: &str, body: impl FnOnce(&mut Vec<i32>)) -> Outcome {
    let end = sys::in_child(|| {
        let mut failed = Vec::new();
        body(&mut failed);
        failed.first().map_or(0, |first| first + 1)
    })?;
    match end {
        End::Exited(0) => report.check(name, true),
        End::Exited(number) => report.fail(name, &format!("check {}", number - 1)),
        end => report.fail(name, &format!("{end:?}")),
    }
    Ok(())
}

/// Notes failed checks by their number.
trait Checks {
    fn check(&mut self, number: i32, good: bool);
    fn refused<T>(&mut self, number: i32, result: Result<T, Errno>, errno: i32) {
        self.check(number, result.is_err_and(|error| error == Errno(errno)));
    }
    fn works<T>(&mut self, number: i32, result: Result<T, Errno>) {
        self.check(number, result.is_ok());
    }
}

impl Checks for Vec<i32> {
    fn check(&mut self, number: i32, good: bool) {
        if !good {
            self.push(number);
        }
    }
}

fn set_uids(real: u32, effective: u32, saved: u32) -> Result<i64, Errno> {
    call!(libc::syscall(libc::SYS_setresuid, real, effective, saved))
}

fn set_gids(id: u32) -> Result<i64, Errno> {
    call!(libc::syscall(libc::SYS_setresgid, id, id, id))
}

fn uids() -> Result<[u32; 3], Errno> {
    let [mut real, mut effective, mut saved] = [0; 3];
    call!(libc::getresuid(&mut real, &mut effective, &mut saved))?;
    Ok([real, effective, saved])
}

/// Becomes an ordinary user for good.
fn become_user(id: u32) -> Result<(), Errno> {
    call!(libc::syscall(libc::SYS_setgroups, 0, 0))?;
    set_gids(id)?;
    set_uids(id, id, id).map(drop)
}

fn names(report: &mut Report) -> Outcome {
    let comm = |tid: i64| {
        let text = fs::read_to_string(format!("/proc/self/task/{tid}/comm"));
        text.unwrap_or_default().trim_end().to_owned()
    };
    let own = call!(libc::syscall(libc::SYS_gettid))?;
    let name = c"a-name-of-more-than-15";
    call!(libc::prctl(libc::PR_SET_NAME, name.as_ptr()))?;
    report.same("a name is cut", comm(own), "a-name-of-more-".to_owned());
    let [reader, writer] = sys::pipe()?;
    let [done, end] = sys::pipe()?;
    let thread = std::thread::spawn(move || {
        let tid = call!(libc::syscall(libc::SYS_gettid)).unwrap_or(0) as i32;
        let inherited = comm(i64::from(tid));
        let _ = call!(libc::prctl(libc::PR_SET_NAME, c"worker".as_ptr()));
        let _ = sys::write(writer, &tid.to_le_bytes());
        let _ = sys::read(done, &mut [0]);
        let mut bytes = [0u8; 16];
        let _ = call!(libc::prctl(libc::PR_GET_NAME, bytes.as_mut_ptr()));
        (inherited, String::from_utf8_lossy(&bytes).into_owned())
    });
    let mut tid = [0; 4];
    sys::read(reader, &mut tid)?;
    let tid = i64::from(i32::from_le_bytes(tid));
    report.same("a thread has its own", comm(tid), "worker".to_owned());
    let written = fs::write(format!("/proc/self/task/{tid}/comm"), "renamed\n");
    report.check("another thread may set it", written.is_ok());
    report.same(
        "and it is told",
        comm(tid).trim_end().to_owned(),
        "renamed".to_owned(),
    );
    report.same(
        "the first one keeps its own",
        comm(own),
        "a-name-of-more-".to_owned(),
    );
    sys::close(end)?;
    if let Ok((inherited, told)) = thread.join() {
        report.check("it began with its creator's name", !inherited.is_empty());
        report.check("PR_GET_NAME tells it", told.starts_with("renamed"));
    }
    for fd in [reader, writer, done] {
        sys::close(fd)?;
    }
    Ok(())
}

fn told_back(report: &mut Report) -> Outcome {
    child(report, "what prctl sets it tells", |failed| {
        failed.check(0, prctl(libc::PR_GET_DUMPABLE, 0) == Ok(1));
        failed.works(1, prctl(libc::PR_SET_DUMPABLE, 0));
        failed.check(2, prctl(libc::PR_GET_DUMPABLE, 0) == Ok(0));
        failed.refused(3, prctl(libc::PR_SET_DUMPABLE, 2), libc::EINVAL);
        failed.works(4, prctl(libc::PR_SET_DUMPABLE, 1));
        failed.check(5, prctl(libc::PR_GET_KEEPCAPS, 0) == Ok(0));
        failed.works(6, prctl(libc::PR_SET_KEEPCAPS, 1));
        failed.check(7, prctl(libc::PR_GET_KEEPCAPS, 0) == Ok(1));
        failed.refused(8, prctl(libc::PR_SET_KEEPCAPS, 2), libc::EINVAL);
        failed.check(9, prctl(libc::PR_GET_TIMERSLACK, 0).is_ok_and(|ns| ns > 0));
        failed.works(10, prctl(libc::PR_SET_TIMERSLACK, 1234));
        failed.check(11, prctl(libc::PR_GET_TIMERSLACK, 0) == Ok(1234));
        let child = sys::in_child(|| match prctl(libc::PR_GET_TIMERSLACK, 0) {
            Ok(1234) => 0,
            _ => 1,
        });
        failed.check(12, child == Ok(End::Exited(0)));
        failed.works(13, prctl(libc::PR_SET_TIMERSLACK, 0));
        failed.check(14, prctl(libc::PR_GET_TIMERSLACK, 0) == Ok(50_000));
        failed.check(15, prctl(libc::PR_GET_NO_NEW_PRIVS, 0) == Ok(0));
        failed.refused(16, prctl(libc::PR_SET_NO_NEW_PRIVS, 0), libc::EINVAL);
        failed.works(17, prctl(libc::PR_SET_NO_NEW_PRIVS, 1));
        failed.check(18, prctl(libc::PR_GET_NO_NEW_PRIVS, 0) == Ok(1));
        let child = sys::in_child(|| match prctl(libc::PR_GET_NO_NEW_PRIVS, 0) {
            Ok(1) => 0,
            _ => 1,
        });
        failed.check(19, child == Ok(End::Exited(0)));
        failed.works(20, prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as u64));
        failed.check(21, prctl_int(libc::PR_GET_PDEATHSIG) == Ok(libc::SIGTERM));
        failed.refused(22, prctl(libc::PR_SET_PDEATHSIG, 65), libc::EINVAL);
        failed.refused(23, prctl(libc::PR_CAPBSET_READ, 63), libc::EINVAL);
        failed.refused(24, prctl(9999, 0), libc::EINVAL);
    })
}

fn subreaper(report: &mut Report) -> Outcome {
    child(report, "a subreaper inherits orphans", |failed| {
        failed.works(0, prctl(libc::PR_SET_CHILD_SUBREAPER, 1));
        failed.check(1, prctl_int(libc::PR_GET_CHILD_SUBREAPER) == Ok(1));
        let Ok([reader, writer]) = sys::pipe() else {
            return failed.check(2, false);
        };
        let child = sys::in_child(|| {
            let inherited = prctl_int(libc::PR_GET_CHILD_SUBREAPER);
            let grandchild = sys::fork(|| {
                let _ = sys::close(writer).and_then(|_| sys::read(reader, &mut [0]));
                7
            });
            i32::from(inherited != Ok(0) || grandchild.is_err())
        });
        failed.check(3, child == Ok(End::Exited(0)));
        failed.works(4, sys::close(writer));
        failed.check(
            5,
            sys::wait_with(-1, 0).is_ok_and(|(_, end)| end == End::Exited(7)),
        );
        failed.works(6, prctl(libc::PR_SET_CHILD_SUBREAPER, 0));
    })
}

fn parent_death(report: &mut Report) -> Outcome {
    child(report, "PR_SET_PDEATHSIG", |failed| {
        failed.works(0, prctl(libc::PR_SET_CHILD_SUBREAPER, 1));
        let Ok([reader, writer]) = sys::pipe() else {
            return failed.check(1, false);
        };
        let child = sys::in_child(|| {
            let made = sys::fork(|| {
                let set = prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR1 as u64);
                let _ = sys::write(writer, &[u8::from(set.is_ok())]);
                sys::sleep_ms(60_000);
                1
            });
            let _ = sys::read(reader, &mut [0]);
            i32::from(made.is_err())
        });
        failed.check(2, child == Ok(End::Exited(0)));
        let end = sys::wait_with(-1, 0).map(|(_, end)| end);
        failed.check(3, end == Ok(End::Killed(libc::SIGUSR1)));
    })
}
