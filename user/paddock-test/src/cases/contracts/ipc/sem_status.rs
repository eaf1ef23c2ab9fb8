//! semctl(2): IPC_STAT, IPC_SET, SEM_STAT, SEM_INFO.
use crate::cases::contracts::prelude::*;

/// The words of a status: when it was used and made, how many there are.
const PLACES: [usize; 3] = match cfg!(target_arch = "x86_64") {
    true => [6, 8, 10],
    false => [6, 7, 8],
};

pub fn run(t: &mut Report) -> Outcome {
    const INFO: i32 = 3;
    const SEM_STAT: i32 = 18;
    const SEM_INFO: i32 = 19;
    let [used, made, count] = PLACES;
    t.works("objects of its own", raw!(SYS_unshare, CLONE_NEWIPC));
    let id = raw!(SYS_semget, 66, 7, 0o1640)?;
    let mut status = [0u64; 16];
    let go = |id: i64, what: i32, at: *mut u64| raw!(SYS_semctl, id, 0, what, at);
    t.works("told", go(id, IPC_STAT, status.as_mut_ptr()));
    t.same("how many", status[count], 7);
    t.same("never used", status[used], 0);
    t.check("when it was made", status[made] > 1_000_000);
    let owner = |status: &[u64; 16]| (status[0] >> 32, status[1] & 0xffff_ffff);
    t.same("whose", owner(&status), (0, 0));
    t.same("its permissions", status[2] >> 32 & 0o777, 0o640);
    status[0] = status[0] & 0xffff_ffff | u64::from(NOBODY) << 32;
    status[2] = status[2] & 0xffff_ffff | 0o600 << 32;
    t.works("given away", go(id, IPC_SET, status.as_mut_ptr()));
    t.works("told again", go(id, IPC_STAT, status.as_mut_ptr()));
    t.same("is another's", owner(&status), (u64::from(NOBODY), 0));
    t.same("whoever made it", status[1] >> 32, 0);
    let mut all = [0u32; 32];
    let place = all.as_mut_ptr().cast();
    t.same("the highest place", go(0, INFO, place), Ok(0));
    t.same("what is used", go(0, SEM_INFO, place), Ok(0));
    t.same("a set, of seven", (all[7], all[9]), (1, 7));
    t.same("by its place", go(0, SEM_STAT, status.as_mut_ptr()), Ok(id));
    t.refused(
        "an empty place",
        go(9, SEM_STAT, status.as_mut_ptr()),
        EINVAL,
    );
    let step = sembuf {
        sem_num: 0,
        sem_op: 1,
        sem_flg: 0,
    };
    t.works("used", raw!(SYS_semtimedop, id, &raw const step, 1, 0));
    t.works("and told", go(id, IPC_STAT, status.as_mut_ptr()));
    t.check("when", status[used] > 1_000_000);
    as_nobody(t, |t| {
        t.works("its new owner asks", go(id, IPC_STAT, status.as_mut_ptr()));
        t.works("and removes it", go(id, IPC_RMID, null_mut()));
        Ok(())
    })
}
