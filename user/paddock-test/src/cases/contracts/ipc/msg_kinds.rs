//! msgrcv(2): which message comes, by its kind, and how much of it.
use crate::cases::contracts::prelude::*;

const EXCEPT: i32 = 0o20_000;
const COPY: i32 = 0o40_000;

pub fn run(t: &mut Report) -> Outcome {
    let id = call!(msgget(IPC_PRIVATE, 0o600))?;
    let send = |kind: i64, byte: u8, size: usize| {
        let mut words = [0u8; 64];
        words[..8].copy_from_slice(&kind.to_le_bytes());
        words[8..8 + size].fill(byte);
        call!(msgsnd(id, words.as_ptr().cast(), size, IPC_NOWAIT))
    };
    let get = |kind: i64, size: usize, flags: i32| {
        let mut words = [0u8; 64];
        let count = call!(msgrcv(
            id,
            words.as_mut_ptr().cast(),
            size,
            kind as _,
            flags | IPC_NOWAIT
        ));
        count.map(|count| (count, words[0], words[8]))
    };
    for (kind, byte) in [(3, b'a'), (1, b'b'), (2, b'c'), (1, b'd'), (5, b'e')] {
        send(kind, byte, 4)?;
    }
    t.same("the first", get(0, 4, 0), Ok((4, 3, b'a')));
    t.same("of a kind", get(2, 4, 0), Ok((4, 2, b'c')));
    t.refused("none of that", get(9, 4, 0), ENOMSG);
    t.same("the lowest up to it", get(-4, 4, 0), Ok((4, 1, b'b')));
    t.same("any but", get(1, 4, EXCEPT), Ok((4, 5, b'e')));
    t.refused("none lower", get(-1, 0, 0), E2BIG);
    t.same("it stays", get(-1, 4, 0), Ok((4, 1, b'd')));
    t.refused("empty", get(0, 4, 0), ENOMSG);
    send(7, b'x', 10)?;
    t.refused("too little room", get(0, 4, 0), E2BIG);
    t.same(
        "MSG_NOERROR cuts it",
        get(0, 4, MSG_NOERROR),
        Ok((4, 7, b'x')),
    );
    t.refused("the rest is lost", get(0, 4, 0), ENOMSG);
    send(1, b'1', 1)?;
    send(2, b'2', 1)?;
    match get(1, 4, COPY) {
        // Without CONFIG_CHECKPOINT_RESTORE there are no copies.
        Err(Errno(ENOSYS)) => (),
        got => {
            t.same("a copy of the second", got, Ok((1, 2, b'2')));
            t.refused("of none", get(5, 4, COPY), ENOMSG);
        }
    }
    t.same("nothing was taken", get(0, 4, 0), Ok((1, 1, b'1')));
    t.refused("a copy that is not one", get(0, 4, COPY | EXCEPT), EINVAL);
    t.refused("no kind", send(0, 1, 1), EINVAL);
    t.refused("a negative one", send(-1, 1, 1), EINVAL);
    let message = [1i64; 2];
    no!(t; "a negative size": msgsnd(id, message.as_ptr().cast(), usize::MAX, 0) => EINVAL;
        "above the most": msgsnd(id, message.as_ptr().cast(), 1 << 20, 0) => EINVAL;
        "nowhere": msgsnd(id, 8 as *const c_void, 1, 0) => EFAULT;
        "to nowhere": msgrcv(id, 8 as *mut c_void, 10, 0, 0) => EFAULT;
        "of nobody": msgrcv(-1, null_mut(), 1, 0, 0) => EINVAL;);
    yes!(t; "removed": msgctl(id, IPC_RMID, null_mut()););
    Ok(())
}
