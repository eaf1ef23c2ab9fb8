//! Rights to other processes.

use crate::{Cap, Cred, UserNamespace};

impl Cred {
    /// May it send signals to a process of `target` (kill(2))?
    pub fn may_signal(&self, target: &Cred) -> bool {
        let (own, theirs) = (&self.uid, &target.uid);
        [own.effective, own.real]
            .iter()
            .any(|&id| id == theirs.saved || id == theirs.real)
            || self.capable_in(&target.user_namespace, Cap::CAP_KILL)
    }

    /// May it change the scheduling of a thread of `target`
    /// (sched_setaffinity(2), setpriority(2))?
    pub fn may_schedule(&self, target: &Cred) -> bool {
        let own = self.uid.effective;
        own == target.uid.effective
            || own == target.uid.real
            || self.capable_in(&target.user_namespace, Cap::CAP_SYS_NICE)
    }

    /// May it change the limits of a process of `target` (prlimit(2))?
    pub fn may_limit(&self, target: &Cred) -> bool {
        let same = |own: u32, theirs: &crate::Ids| {
            own == theirs.real && own == theirs.effective && own == theirs.saved
        };
        same(self.uid.real, &target.uid) && same(self.gid.real, &target.gid)
            || self.capable_in(&target.user_namespace, Cap::CAP_SYS_RESOURCE)
    }

    /// May it trace a child that is `child` and asks for that (`PTRACE_TRACEME`)?
    pub fn may_trace_child(&self, child: &Cred) -> bool {
        let namespace = &child.user_namespace;
        self.user_namespace == *namespace && child.permitted.within(self.permitted)
            || self.capable_in(namespace, Cap::CAP_SYS_PTRACE)
    }

    /// May it look into a process of `target` (ptrace(2), "Ptrace access mode
    /// checking", with `PTRACE_MODE_READ_FSCREDS`), which may be `dumpable`, and whose
    /// program was started in the namespace `memory`?
    pub fn may_inspect(&self, target: &Cred, dumpable: bool, memory: &UserNamespace) -> bool {
        let same = |own: u32, theirs: &crate::Ids| {
            own == theirs.real && own == theirs.effective && own == theirs.saved
        };
        let own = same(self.uid.fs, &target.uid) && same(self.gid.fs, &target.gid);
        let may_in = |namespace| self.capable_in(namespace, Cap::CAP_SYS_PTRACE);
        let namespace = &target.user_namespace;
        let within = self.user_namespace == *namespace && target.permitted.within(self.effective);
        (own && within || may_in(namespace)) && (dumpable || may_in(memory))
    }
}
