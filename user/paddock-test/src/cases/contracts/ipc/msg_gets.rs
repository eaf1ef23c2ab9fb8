//! msgget(2), msgctl(2): keys, rights, and what IPC_STAT tells.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let key = 0x5000_0000 | own_pid();
    let get = |flags: i32| call!(msgget(key, flags));
    t.refused("not there", get(0), ENOENT);
    let id = get(IPC_CREAT | 0o640)?;
    t.same("there", get(0), Ok(id));
    t.same("again", get(IPC_CREAT | 0o600), Ok(id));
    t.refused("made new", get(IPC_CREAT | IPC_EXCL | 0o600), EEXIST);
    let own = call!(msgget(IPC_PRIVATE, 0o600))?;
    t.check("a private one is another", own != id);
    // SAFETY: plain numbers.
    let mut it: msqid_ds = unsafe { std::mem::zeroed() };
    yes!(t; "told": msgctl(id, IPC_STAT, &raw mut it););
    t.same("its mode", it.msg_perm.mode as u32 & 0o777, 0o640);
    t.same(
        "empty",
        (it.msg_qnum as u64, it.msg_lspid, it.msg_lrpid),
        (0, 0, 0),
    );
    t.check("its time", it.msg_ctime > 0 && it.msg_stime == 0);
    let message = [1i64, 0x6162];
    yes!(t; "one sent": msgsnd(id, message.as_ptr().cast(), 3, 0); "told again": msgctl(id, IPC_STAT, &raw mut it););
    t.same("of it", (it.msg_qnum as u64, it.msg_lspid), (1, own_pid()));
    t.check("when", it.msg_stime > 0);
    it.msg_perm.mode = 0o600;
    it.msg_qbytes = 100;
    yes!(t; "set": msgctl(id, IPC_SET, &raw mut it););
    it.msg_qbytes = 0;
    yes!(t; "and read": msgctl(id, IPC_STAT, &raw mut it););
    t.same(
        "it is so",
        (it.msg_perm.mode as u32 & 0o777, it.msg_qbytes as u64),
        (0o600, 100),
    );
    as_nobody(t, |t| {
        let mut it = it;
        t.refused("nobody may open it", call!(msgget(key, 0o400)), EACCES);
        t.same("but know of it", call!(msgget(key, 0)), Ok(id));
        no!(t; "not look": msgctl(id, IPC_STAT, &raw mut it) => EACCES;
            "nor set": msgctl(id, IPC_SET, &raw mut it) => EPERM;
            "nor remove": msgctl(id, IPC_RMID, null_mut()) => EPERM;
            "nor send": msgsnd(id, message.as_ptr().cast(), 1, 0) => EACCES;);
        Ok(())
    })?;
    no!(t; "to nowhere": msgctl(id, IPC_STAT, 8 as *mut msqid_ds) => EFAULT;
        "no command": msgctl(id, 99, &raw mut it) => EINVAL;
        "nobody's": msgctl(-1, IPC_STAT, &raw mut it) => EINVAL;);
    let listed = || {
        let text = text("/proc/sysvipc/msg");
        let id = id.to_string();
        text.lines()
            .any(|line| line.split_whitespace().nth(1) == Some(&id))
    };
    t.check("listed", listed());
    yes!(t; "removed": msgctl(id, IPC_RMID, null_mut()); "both": msgctl(own, IPC_RMID, null_mut()););
    no!(t; "gone": msgctl(id, IPC_STAT, &raw mut it) => EINVAL;);
    t.check("no longer listed", !listed());
    Ok(())
}
