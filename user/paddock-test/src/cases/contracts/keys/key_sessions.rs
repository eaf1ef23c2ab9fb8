//! keyrings(7): which keyrings fork(2) and execve(2) leave.
use super::*;
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        let name = c"contract-session";
        let join = || call!(syscall(SYS_keyctl, JOIN_SESSION, name.as_ptr()));
        let session = join()?;
        t.same(
            "its number",
            control(GET_KEYRING_ID, [SESSION, 0, 0]),
            Ok(session),
        );
        t.refused(
            "none of a thread",
            control(GET_KEYRING_ID, [THREAD, 0, 0]),
            ENOKEY,
        );
        t.works("made now", control(GET_KEYRING_ID, [THREAD, 1, 0]));
        let of_user = control(GET_KEYRING_ID, [USER, 0, 0])?;
        t.same(
            "a user's stays",
            control(GET_KEYRING_ID, [USER, 0, 0]),
            Ok(of_user),
        );
        let both = control(GET_KEYRING_ID, [USER_SESSION, 0, 0])?;
        t.check("another for sessions", both != of_user);
        let shared = user(c"shared", SESSION)?;
        user(c"process", PROCESS)?;
        user(c"thread", THREAD)?;
        let end = sys::in_child(|| {
            let same = find(c"shared") == Ok(shared);
            let none = [c"process", c"thread"].map(find) == [Err(Errno(ENOKEY)); 2];
            unless(same && none)
        })?;
        t.same("a child is in the session", end, End::Exited(0));
        let end = sys::in_child(|| {
            let other = control(JOIN_SESSION, [0, 0, 0]);
            unless(other.is_ok() && other != Ok(session) && find(c"shared") == Err(Errno(ENOKEY)))
        })?;
        t.same("or in another", end, End::Exited(0));
        t.same("this one stays", find(c"shared"), Ok(shared));
        let kernels = call!(syscall(SYS_keyctl, JOIN_SESSION, c".kernel".as_ptr()));
        t.refused("a kernel's", kernels, EPERM);
        t.works("the others", find(c"process"));
        Ok(())
    })
}
