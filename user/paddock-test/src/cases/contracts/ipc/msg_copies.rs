//! msgsnd(2), msgrcv(2): bytes of all sizes, and time stamps of a queue.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let id = call!(msgget(IPC_PRIVATE, 0o600))?;
    let mut wrong = 0;
    for size in [0usize, 1, 7, 8, 100, 4047, 4048, 4049, 8000, 8192] {
        let mut sent = vec![0u8; 8 + size];
        sent[..8].copy_from_slice(&1i64.to_le_bytes());
        sent[8..].copy_from_slice(&sys::Noise::new(size as u64).bytes(size));
        call!(msgsnd(id, sent.as_ptr().cast(), size, 0))?;
        let mut got = vec![0u8; 8 + 8192];
        let count = call!(msgrcv(id, got.as_mut_ptr().cast(), 8192, 0, 0))?;
        if count.unsigned_abs() != size || got[..8 + size] != sent {
            wrong += 1;
        }
    }
    t.same("each as it was sent", wrong, 0);
    // SAFETY: plain numbers.
    let mut it: msqid_ds = unsafe { std::mem::zeroed() };
    yes!(t; "told": msgctl(id, IPC_STAT, &raw mut it););
    t.same(
        "who sent and received",
        (it.msg_lspid, it.msg_lrpid),
        (own_pid(), own_pid()),
    );
    t.check(
        "when",
        it.msg_stime > 0 && it.msg_rtime >= it.msg_stime && it.msg_ctime > 0,
    );
    t.same("nothing is left", it.msg_qnum as u64, 0);
    let child = sys::fork(|| {
        let message = [1i64, 5];
        unless(call!(msgsnd(id, message.as_ptr().cast(), 8, 0)).is_ok())
    })?;
    t.same("a child sends", sys::wait(child), Ok(End::Exited(0)));
    yes!(t; "and is told": msgctl(id, IPC_STAT, &raw mut it););
    t.same("by number", it.msg_lspid, child);
    t.same("one of eight bytes", it.msg_qnum as u64, 1);
    yes!(t; "removed": msgctl(id, IPC_RMID, null_mut()););
    Ok(())
}
