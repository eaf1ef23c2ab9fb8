//! setpriority(2), getpriority(2): groups, users, and who may.
use crate::cases::contracts::prelude::*;

// The C libraries differ in their types.
const OF_GROUP: u32 = 1;
const OF_PROCESS: u32 = 0;
const OF_USER: u32 = 2;

fn set(kind: u32, who: u32, nice: i32) -> Result<i64, Errno> {
    raw!(SYS_setpriority, kind, who, nice)
}

/// As the kernel tells it: 20 less the value.
fn get(kind: u32, who: u32) -> Result<i64, Errno> {
    raw!(SYS_getpriority, kind, who)
}

pub fn run(t: &mut Report) -> Outcome {
    const USER: u32 = 0x00ab_cdef;
    t.refused("no kind", set(9, 0, 0), EINVAL);
    t.refused("nobody", set(OF_PROCESS, NOBODYS as u32, 0), ESRCH);
    t.refused("no group", set(OF_GROUP, NOBODYS as u32, 0), ESRCH);
    t.refused("no user", set(OF_USER, USER, 0), ESRCH);
    t.refused("no user's", get(OF_USER, USER), ESRCH);
    apart(t, |t| {
        call!(setpgid(0, 0))?;
        let child = sleeper()?;
        t.works("a group", set(OF_GROUP, 0, 7));
        t.same("all of it", get(0, child as u32), Ok(13));
        t.works("one less", set(0, child as u32, 3));
        t.same("the best is told", get(OF_GROUP, 0), Ok(17));
        t.works("far too much", set(0, child as u32, 1000));
        t.same("is 19", get(0, child as u32), Ok(1));
        t.works("far too little", set(0, child as u32, -1000));
        t.same("is -20", get(0, child as u32), Ok(40));
        end(child)?;
        Ok(())
    })?;
    let child = sleeper()?;
    t.works("for a user's", set(0, 0, 5));
    apart(t, |t| {
        raw!(SYS_setresuid, USER, USER, USER)?;
        t.refused("another's", set(0, child as u32, 9), EPERM);
        t.refused("better", set(0, 0, 4), EACCES);
        t.works("worse", set(OF_USER, 0, 6));
        t.same("is so", get(OF_USER, USER), Ok(14));
        t.refused("and not back", set(0, 0, 5), EACCES);
        let wanted = [17u64, 17];
        let limit = raw!(SYS_prlimit64, 0, RLIMIT_NICE, wanted.as_ptr(), 0);
        t.refused("nor a higher limit", limit, EPERM);
        Ok(())
    })?;
    apart(t, |t| {
        let wanted = [17u64, 17];
        if raw!(SYS_prlimit64, 0, RLIMIT_NICE, wanted.as_ptr(), 0).is_err() {
            // Root without CAP_SYS_RESOURCE, as in a container.
            return Ok(());
        }
        raw!(SYS_setresuid, USER, USER, USER)?;
        t.works("up to the limit", set(0, 0, 3));
        t.refused("no farther", set(0, 0, 2), EACCES);
        Ok(())
    })?;
    end(child)?;
    t.works("as at first", set(0, 0, 0));
    Ok(())
}
