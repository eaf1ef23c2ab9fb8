//! POSIX message queues.

use std::ffi::CString;
use std::sync::atomic::{AtomicI32, Ordering};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, call};

/// What the handler of [`libc::SIGUSR1`] was told.
static CODE: AtomicI32 = AtomicI32::new(0);

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let name = CString::new(format!("/paddock-{}", std::process::id())).unwrap_or_default();
    let result = opening(report, &name).and_then(|()| {
        messages(report, &name)?;
        notification(report, &name)
    });
    // SAFETY: a string; it may be gone already.
    unsafe { libc::mq_unlink(name.as_ptr()) };
    result
}

fn attr(maxmsg: i64, msgsize: i64) -> libc::mq_attr {
    // SAFETY: plain numbers.
    let mut attr: libc::mq_attr = unsafe { std::mem::zeroed() };
    attr.mq_maxmsg = maxmsg;
    attr.mq_msgsize = msgsize;
    attr
}

fn mq_open(name: &CString, flags: i32, attr: Option<libc::mq_attr>) -> Result<i32, Errno> {
    let attr = attr.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    call!(libc::mq_open(name.as_ptr(), flags, 0o600, attr))
}

fn mq_unlink(name: &CString) -> Result<i32, Errno> {
    call!(libc::mq_unlink(name.as_ptr()))
}

fn mq_send(queue: i32, text: &[u8], priority: u32) -> Result<i32, Errno> {
    call!(libc::mq_send(
        queue,
        text.as_ptr().cast(),
        text.len(),
        priority
    ))
}

/// The first byte and the priority.
fn mq_receive(queue: i32, most: usize) -> Result<(u8, u32), Errno> {
    let mut text = [0u8; 64];
    let mut priority = 0;
    let count = most.min(text.len());
    let place = text.as_mut_ptr().cast();
    call!(libc::mq_receive(queue, place, count, &mut priority))?;
    Ok((text[0], priority))
}

fn mq_getattr(queue: i32) -> Result<[i64; 4], Errno> {
    let mut found = attr(0, 0);
    call!(libc::mq_getattr(queue, &mut found))?;
    Ok([
        found.mq_flags,
        found.mq_maxmsg,
        found.mq_msgsize,
        found.mq_curmsgs,
    ])
}

fn opening(report: &mut Report, name: &CString) -> Outcome {
    let create = libc::O_CREAT | libc::O_RDWR;
    let missing = mq_open(name, libc::O_RDWR, None);
    report.refused("mq_open: no such queue", missing, libc::ENOENT);
    for (messages, bytes) in [(0, 1), (1, 0), (-1, 1)] {
        let bad = mq_open(name, create, Some(attr(messages, bytes)));
        report.refused("mq_open: no room", bad, libc::EINVAL);
    }
    let long = CString::new(format!("/{}", "x".repeat(256))).unwrap_or_default();
    let long = mq_open(&long, create, None);
    report.refused("mq_open: a long name", long, libc::ENAMETOOLONG);
    let path = mq_open(&CString::from(c"/a/b"), create, None);
    report.refused("mq_open: a path", path, libc::EACCES);
    report.refused("mq_unlink: no such queue", mq_unlink(name), libc::ENOENT);
    let queue = mq_open(name, create, None)?;
    report.same("as it comes", mq_getattr(queue)?, [0, 10, 8192, 0]);
    let again = mq_open(name, create | libc::O_EXCL, None);
    report.refused("mq_open: once more", again, libc::EEXIST);
    let by_nobody = sys::in_child(|| {
        if call!(libc::setresuid(65534, 65534, 65534)).is_err() {
            return 0;
        }
        let open = mq_open(name, libc::O_RDWR, None) == Err(Errno(libc::EACCES));
        let unlink = mq_unlink(name).is_err();
        let large = mq_open(&CString::from(c"/large"), create, Some(attr(11, 1)));
        i32::from(!open || !unlink || large != Err(Errno(libc::EINVAL)))
    })?;
    report.same("nobody may not", by_nobody, End::Exited(0));
    report.works("mq_unlink", mq_unlink(name));
    sys::close(queue)?;
    Ok(())
}

/// A time that has passed.
const LONG_AGO: libc::timespec = libc::timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

fn messages(report: &mut Report, name: &CString) -> Outcome {
    let create = libc::O_CREAT | libc::O_RDWR;
    let queue = mq_open(name, create, Some(attr(3, 16)))?;
    report.works("mq_send", mq_send(queue, b"a", 1));
    for (text, priority) in [(b"b", 5), (b"c", 1)] {
        mq_send(queue, text, priority)?;
    }
    report.same("three", mq_getattr(queue)?, [0, 3, 16, 3]);
    let late = call!(libc::mq_timedsend(queue, c"d".as_ptr(), 1, 0, &LONG_AGO));
    report.refused("mq_timedsend: full", late, libc::ETIMEDOUT);
    let mut poll = libc::pollfd {
        fd: queue,
        events: libc::POLLIN | libc::POLLOUT,
        revents: 0,
    };
    call!(libc::poll(&mut poll, 1, 0))?;
    report.same("poll: full", poll.revents, libc::POLLIN);
    let long = mq_send(queue, &[0; 17], 0);
    report.refused("mq_send: too long", long, libc::EMSGSIZE);
    let high = mq_send(queue, b"d", 32_768);
    report.refused("mq_send: too urgent", high, libc::EINVAL);
    let short = mq_receive(queue, 15);
    report.refused("mq_receive: no room", short, libc::EMSGSIZE);
    for expected in [(b'b', 5), (b'a', 1), (b'c', 1)] {
        report.same("in turn", mq_receive(queue, 16), Ok(expected));
    }
    call!(libc::poll(&mut poll, 1, 0))?;
    report.same("poll: empty", poll.revents, libc::POLLOUT);
    let other = mq_open(name, libc::O_RDONLY | libc::O_NONBLOCK, None)?;
    report.same(
        "O_NONBLOCK",
        mq_getattr(other)?[0],
        i64::from(libc::O_NONBLOCK),
    );
    report.refused("mq_receive: empty", mq_receive(other, 16), libc::EAGAIN);
    report.refused(
        "mq_send: only to read",
        mq_send(other, b"x", 0),
        libc::EBADF,
    );
    let mut blocking = attr(0, 0);
    call!(libc::mq_setattr(other, &blocking, std::ptr::null_mut()))?;
    report.same("mq_setattr", mq_getattr(other)?[0], 0);
    blocking.mq_flags = 1;
    let bad = call!(libc::mq_setattr(other, &blocking, std::ptr::null_mut()));
    report.refused("mq_setattr: other flags", bad, libc::EINVAL);
    report.refused("no queue", mq_getattr(0), libc::EBADF);
    let receiver = sys::fork(|| i32::from(mq_receive(other, 16) != Ok((b'e', 2))))?;
    mq_send(queue, b"e", 2)?;
    report.same("a receiver", sys::wait(receiver)?, End::Exited(0));
    sys::close(other)?;
    sys::close(queue)?;
    Ok(())
}

extern "C" fn told(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's, and the value is of the kind that was asked for.
    let found = unsafe { ((*info).si_code, (*info).si_value().sival_ptr.addr()) };
    CODE.store(found.0 * 1000 + found.1 as i32, Ordering::SeqCst);
}

/// `struct sigevent` as the kernel has it.
#[repr(C)]
struct Event {
    value: u64,
    signal: i32,
    notify: i32,
    pad: [u64; 6],
}

fn mq_notify(queue: i32, event: Option<(i32, i32)>) -> Result<i64, Errno> {
    let event = event.map(|(notify, signal)| Event {
        value: 7,
        signal,
        notify,
        pad: [0; 6],
    });
    let place = event.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    call!(libc::syscall(libc::SYS_mq_notify, queue, place))
}

fn notification(report: &mut Report, name: &CString) -> Outcome {
    const SIGNAL: i32 = 0;
    const NONE: i32 = 1;
    // SAFETY: plain numbers, and a handler that stores one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = told as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
    }
    let queue = mq_open(name, libc::O_RDWR, None)?;
    let bad = mq_notify(queue, Some((9, 0)));
    report.refused("mq_notify: in no way", bad, libc::EINVAL);
    let bad = mq_notify(queue, Some((SIGNAL, 65)));
    report.refused("mq_notify: no signal", bad, libc::EINVAL);
    let request = Some((SIGNAL, libc::SIGUSR1));
    report.works("mq_notify", mq_notify(queue, request));
    let again = mq_notify(queue, Some((NONE, 0)));
    report.refused("mq_notify: once more", again, libc::EBUSY);
    mq_send(queue, b"x", 0)?;
    // From the call itself, before it returns.
    report.same("told", CODE.swap(0, Ordering::SeqCst), -3 * 1000 + 7);
    report.works("it was for once", mq_notify(queue, request));
    mq_send(queue, b"y", 0)?;
    report.same("not of a second one", CODE.load(Ordering::SeqCst), 0);
    report.works("given up", mq_notify(queue, None));
    let end = sys::in_child(|| i32::from(mq_notify(queue, Some((NONE, 0))).is_err()))?;
    report.same("by a child", end, End::Exited(0));
    report.works("whose end gives it up", mq_notify(queue, request));
    let other = call!(libc::dup(queue))?;
    sys::close(other)?;
    report.works("as does a close", mq_notify(queue, request));
    sys::close(queue)?;
    report.works("mq_unlink", mq_unlink(name));
    Ok(())
}
