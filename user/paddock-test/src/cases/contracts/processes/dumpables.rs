//! prctl(2), PR_SET_DUMPABLE: what a change of the user does, and who may look then.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let get = || raw!(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0);
    let set = |value: usize| raw!(SYS_prctl, PR_SET_DUMPABLE, value, 0, 0, 0);
    t.same("is", get(), Ok(1));
    t.works("not", set(0));
    let child = sys::in_child(|| i32::from(get() != Ok(0)))?;
    t.same("nor a child", child, End::Exited(0));
    t.works("again", set(1));
    apart(t, |t| {
        become_nobody()?;
        t.same("not after another user", get(), Ok(0));
        use std::os::unix::fs::MetadataExt;
        let owner = std::fs::metadata("/proc/self/maps").map(|it| it.uid());
        t.same("root's in /proc", owner.ok(), Some(0));
        t.works("by itself", set(1));
        let owner = std::fs::metadata("/proc/self/maps").map(|it| it.uid());
        t.same("its own then", owner.ok(), Some(NOBODY));
        let child = sleeper()?;
        let look = |child: i32| {
            let path = CString::new(format!("/proc/{child}/maps")).unwrap_or_default();
            call!(open(path.as_ptr(), O_RDONLY))
        };
        t.works("a child that is", look(child));
        end(child)?;
        Ok(())
    })
}
