//! Whose numbers programs are told.

use super::*;
use std::sync::atomic::{AtomicI32, Ordering};

static SENDER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes one that kill(2) has filled in.
    SENDER.store(unsafe { (*info).si_uid() } as i32, Ordering::SeqCst);
}

/// Senders of signals, and who is at the other end of a socket.
pub fn run(report: &mut Report) {
    user(report, "who sends a signal", || {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = note as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        let (uid, _) = ids();
        let outside = std::process::id() as i32;
        // SAFETY: the handler only stores a number.
        let set =
            unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
        let sent = || other(|| as_root_of(0) && raw!(SYS_kill, outside, libc::SIGUSR1) == Ok(0));
        set == 0
            && sent()
            && SENDER.load(Ordering::SeqCst) == uid as i32
            && other(|| {
                as_root_of(0)
                    && raw!(SYS_kill, std::process::id(), libc::SIGUSR1) == Ok(0)
                    && SENDER.load(Ordering::SeqCst) == 0
            })
    });
    user(report, "who is at the other end", || {
        let mut pair = [0; 2];
        // SAFETY: two descriptors fit.
        let made =
            unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) };
        let who = |fd: i32| {
            let mut cred: libc::ucred = zeroed();
            let mut size = size_of::<libc::ucred>() as u32;
            let asked = raw!(
                SYS_getsockopt,
                fd,
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                &raw mut cred,
                &raw mut size
            );
            asked.ok().map(|_| (cred.uid, cred.gid))
        };
        made == 0
            && who(pair[0]) == Some(ids())
            && unshare(libc::CLONE_NEWUSER)
            && who(pair[0]) == Some((NOBODY, NOBODY))
    });
    user(report, "who a sender says it is", || {
        let mut pair = [0; 2];
        // SAFETY: two descriptors fit.
        let made =
            unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) };
        let says = |uid: u32, gid: u32| says(pair[1], uid, gid);
        let (uid, gid) = ids();
        made == 0
            && says(uid, gid) == Ok(1)
            && as_root_of(0)
            && says(0, 0) == Ok(1)
            && says(uid + 1, gid + 1) == Err(Errno(libc::EINVAL))
    });
}

/// Sends a byte, and says by SCM_CREDENTIALS of whom.
fn says(fd: i32, uid: u32, gid: u32) -> Result<i64, Errno> {
    let mut byte = b'x';
    let mut piece = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let level = u64::from(libc::SOL_SOCKET as u32) | u64::from(libc::SCM_CREDENTIALS as u32) << 32;
    let who = u64::from(std::process::id()) | u64::from(uid) << 32;
    let mut control = [28, level, who, u64::from(gid)];
    let mut message: libc::msghdr = zeroed();
    (message.msg_iov, message.msg_iovlen) = (&raw mut piece, 1);
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    raw!(SYS_sendmsg, fd, &raw const message, 0)
}
