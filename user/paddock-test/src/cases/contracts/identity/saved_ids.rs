//! getresuid(2), getgroups(2) and what /proc/PID/status says of them.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        let groups = [9u32, 7, 8];
        raw!(SYS_setgroups, 3, groups.as_ptr())?;
        raw!(SYS_setresgid, 21, 22, 23)?;
        raw!(SYS_setresuid, 11, 12, 0)?;
        let mut ids = [0u32; 3];
        let [a, b, c] = &mut ids;
        yes!(t; "users": getresuid(&raw mut *a, &raw mut *b, &raw mut *c););
        t.same("real, effective, saved", ids, [11, 12, 0]);
        let [a, b, c] = &mut ids;
        yes!(t; "groups": getresgid(&raw mut *a, &raw mut *b, &raw mut *c););
        t.same("likewise", ids, [21, 22, 23]);
        // SAFETY: take nothing.
        let one = unsafe { (getuid(), geteuid(), getgid(), getegid()) };
        t.same("one by one", one, (11, 12, 21, 22));
        let words = |name: &str| {
            line_of("/proc/self/status", name)
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        t.same(
            "the fourth is the filesystem's",
            words("Uid:"),
            vec!["11", "12", "0", "12"]
                .into_iter()
                .map(str::to_owned)
                .collect(),
        );
        t.same(
            "of groups",
            words("Gid:"),
            vec!["21", "22", "23", "22"]
                .into_iter()
                .map(str::to_owned)
                .collect(),
        );
        let mut found = [0u32; 8];
        t.same("how many", call!(getgroups(0, null_mut())), Ok(3));
        t.same("all", call!(getgroups(8, found.as_mut_ptr())), Ok(3));
        found[..3].sort_unstable();
        t.same("which", found[..3].to_vec(), vec![7, 8, 9]);
        no!(t; "too little room": getgroups(2, found.as_mut_ptr()) => EINVAL; "less than none": getgroups(-1, found.as_mut_ptr()) => EINVAL;
            "to nowhere": syscall(SYS_getgroups, 8, 8) => EFAULT;
            "a user to nowhere": syscall(SYS_getresuid, 8, 8, 8) => EFAULT;
            "a group to nowhere": syscall(SYS_getresgid, 8, 8, 8) => EFAULT;);
        yes!(t; "the saved one": setresuid(u32::MAX, 0, u32::MAX););
        // SAFETY: takes nothing.
        t.same("is in force", unsafe { geteuid() }, 0);
        Ok(())
    })
}
