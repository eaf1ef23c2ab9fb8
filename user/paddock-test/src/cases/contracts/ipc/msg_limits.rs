//! msgctl(2): IPC_INFO, MSG_INFO, MSG_STAT, and the limits of /proc/sys/kernel.
use crate::cases::contracts::prelude::*;

const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
const IPC_INFO: i32 = 3;

pub fn run(t: &mut Report) -> Outcome {
    let id = call!(msgget(IPC_PRIVATE, 0o600))?;
    let setting = |name: &str| {
        text(&format!("/proc/sys/kernel/{name}"))
            .trim()
            .parse::<i64>()
            .unwrap_or(-1)
    };
    let mut info = [0i32; 16];
    let highest = raw!(SYS_msgctl, id, IPC_INFO, info.as_mut_ptr())?;
    t.check("the highest index", highest >= 0);
    t.same("the longest message", i64::from(info[2]), setting("msgmax"));
    t.same("bytes of a queue", i64::from(info[3]), setting("msgmnb"));
    t.same("queues", i64::from(info[4]), setting("msgmni"));
    let message = [1i64, 0];
    yes!(t; "one sent": msgsnd(id, message.as_ptr().cast(), 5, 0););
    let used = raw!(SYS_msgctl, id, MSG_INFO, info.as_mut_ptr());
    t.same("the same index", used, Ok(highest));
    t.check("queues in use", info[0] >= 1);
    t.check("messages", info[1] >= 1);
    t.check("bytes", info[6] >= 5);
    // SAFETY: plain numbers.
    let mut it: msqid_ds = unsafe { std::mem::zeroed() };
    let mut found = 0;
    for index in 0..=highest {
        if raw!(SYS_msgctl, index, MSG_STAT, &raw mut it) == Ok(i64::from(id)) {
            found += 1;
        }
    }
    t.same("one of the indices is it", found, 1);
    t.refused(
        "no index",
        raw!(SYS_msgctl, -1, MSG_STAT, &raw mut it),
        EINVAL,
    );
    let most = setting("msgmax") as usize;
    let large = vec![1u8; most + 100];
    no!(t; "a longer one": msgsnd(id, large.as_ptr().cast(), most + 1, 0) => EINVAL;);
    yes!(t; "the longest": msgsnd(id, large.as_ptr().cast(), most, 0); "read": msgctl(id, IPC_STAT, &raw mut it););
    as_nobody(t, |t| {
        let own = call!(msgget(IPC_PRIVATE, 0o600))?;
        // SAFETY: plain numbers.
        let mut it: msqid_ds = unsafe { std::mem::zeroed() };
        yes!(t; "one's own": msgctl(own, IPC_STAT, &raw mut it););
        it.msg_qbytes = setting("msgmnb") as u64 as _;
        yes!(t; "up to the limit": msgctl(own, IPC_SET, &raw mut it););
        it.msg_qbytes = (setting("msgmnb") + 1) as u64 as _;
        no!(t; "no more": msgctl(own, IPC_SET, &raw mut it) => EPERM;);
        yes!(t; "its owner removes it": msgctl(own, IPC_RMID, null_mut()););
        Ok(())
    })?;
    yes!(t; "removed": msgctl(id, IPC_RMID, null_mut()););
    Ok(())
}
