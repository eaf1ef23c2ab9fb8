//! The filesystem as programs use it, over a machine that is made up.

mod files;
mod memory;
mod random;

use crate::{
    Accounts, CgroupFs, Controllers, CpuUse, Group, Hierarchy, MemoryEvent, Place, System,
};
use paddock_charge::Account;
use paddock_cred::Cred;
use paddock_frames::{AccountId, Frameful, Kind, Ledger, Owner};
use paddock_vfs::path::NoSpecialNodes;
use paddock_vfs::{
    Clock, Errno, FileSystem, MountNamespace, OpenFlags, PathContext, Result, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// The machine's memory.
#[derive(Default)]
struct Frames(Mutex<Ledger>);

impl Accounts for Frames {
    fn open(&self, parent: AccountId) -> Result<AccountId> {
        let mut ledger = self.0.lock().unwrap();
        if let Some(room) = ledger.wanted_room() {
            ledger.take_room(Vec::with_capacity(room));
        }
        Ok(ledger.open(parent).unwrap())
    }

    fn close(&self, account: AccountId) {
        self.0.lock().unwrap().close(account);
    }

    fn of(&self, account: AccountId) -> Frameful {
        self.0.lock().unwrap().of(account)
    }

    fn set_max(&self, account: AccountId, frames: u64) {
        self.0.lock().unwrap().set_max(account, frames);
    }
}

/// A process of one thread.
struct Task {
    place: Place,
    /// What each of its frames keeps.
    frames: Vec<Owner>,
    frozen: bool,
    used: CpuUse,
}

/// Processes, and who the caller is.
pub(super) struct Machine {
    pub hierarchy: Arc<Hierarchy>,
    tasks: Mutex<BTreeMap<u32, Task>>,
    caller: Mutex<Arc<Cred>>,
    account: Arc<Account>,
    memory: Arc<Frames>,
}

impl Machine {
    /// A process takes a frame. `ENOMEM` beyond a limit.
    pub fn touch(&self, pid: u32, kind: Kind) -> Result<()> {
        let mut tasks = self.tasks.lock().unwrap();
        let task = tasks.get_mut(&pid).unwrap();
        let account = task.place.group().account();
        let mut ledger = self.memory.0.lock().unwrap();
        let charged = ledger.charge(account, kind, 1);
        task.frames.push(charged.map_err(|_| Errno::ENOMEM)?);
        Ok(())
    }

    /// Accounts that are not gone.
    pub fn accounts(&self) -> usize {
        self.memory.0.lock().unwrap().entries()
    }

    /// A process in `group`.
    pub fn fork(&self, pid: u32, group: &Arc<Group>) -> Result<()> {
        let place = Place::new(group).inspect_err(|_| group.tell())?;
        let entered = self.hierarchy.enter(group, pid, false)?;
        let task = Task {
            place,
            frozen: entered.freezing,
            used: CpuUse::default(),
            frames: Vec::new(),
        };
        self.tasks.lock().unwrap().insert(pid, task);
        self.hierarchy.set_frozen(group, pid, entered.freezing);
        group.tell();
        Ok(())
    }

    /// It ends; nobody waits for it.
    pub fn exit(&self, pid: u32) {
        let task = self.tasks.lock().unwrap().remove(&pid);
        if let Some(mut task) = task {
            task.place.keep_used(task.used);
            for owner in core::mem::take(&mut task.frames) {
                self.memory.0.lock().unwrap().refund(owner, 1);
            }
            let group = task.place.group().clone();
            self.hierarchy.leave(&group, pid);
            group.tell();
        }
    }

    pub fn run(&self, pid: u32, user: u64) {
        self.tasks.lock().unwrap().get_mut(&pid).unwrap().used.user += user;
    }

    pub fn is_frozen(&self, pid: u32) -> bool {
        self.tasks.lock().unwrap()[&pid].frozen
    }

    pub fn group_of(&self, pid: u32) -> Option<Arc<Group>> {
        let tasks = self.tasks.lock().unwrap();
        tasks.get(&pid).map(|task| task.place.group().clone())
    }

    pub fn become_user(&self, uid: u32) {
        let root = Cred::shared_root();
        *self.caller.lock().unwrap() = match uid {
            0 => root,
            _ => Arc::new(root.set_resuid([Some(uid); 3]).unwrap()),
        };
    }
}

impl System for Machine {
    fn cred(&self) -> Arc<Cred> {
        self.caller.lock().unwrap().clone()
    }

    fn account(&self) -> Arc<Account> {
        self.account.clone()
    }

    fn known(&self, id: u32) -> u32 {
        id
    }

    fn move_process(
        &self,
        pid: u32,
        to: &Arc<Group>,
        may: &dyn Fn(&Arc<Group>) -> Result<()>,
    ) -> Result<()> {
        let mut tasks = self.tasks.lock().unwrap();
        let task = tasks.get_mut(&pid).ok_or(Errno::ESRCH)?;
        let from = task.place.group().clone();
        may(&from)?;
        let entered = self.hierarchy.transfer(&from, to, pid)?;
        task.place.go_to(to, task.used);
        task.frozen = entered.freezing;
        self.hierarchy.set_frozen(to, pid, entered.freezing);
        from.tell();
        to.tell();
        Ok(())
    }

    fn kill(&self, group: &Arc<Group>) -> Result<()> {
        let mut pids = Vec::new();
        self.hierarchy.for_each_process(group, |pid| pids.push(pid));
        pids.into_iter().for_each(|pid| self.exit(pid));
        Ok(())
    }

    fn shrink(&self, group: &Arc<Group>) -> Result<()> {
        while group.memory().current > group.memory().max {
            let mut last = None;
            self.hierarchy
                .for_each_process(group, |pid| last = last.max(Some(pid)));
            let Some(pid) = last else { break };
            self.group_of(pid)
                .unwrap()
                .note_memory(MemoryEvent::OomKill);
            self.exit(pid);
        }
        Ok(())
    }

    fn freeze(&self, group: &Arc<Group>) -> Result<()> {
        let mut pids = Vec::new();
        self.hierarchy.for_each_process(group, |pid| pids.push(pid));
        for pid in pids {
            let own = self.group_of(pid).unwrap();
            let freezing = self.hierarchy.is_freezing(&own);
            self.tasks.lock().unwrap().get_mut(&pid).unwrap().frozen = freezing;
            self.hierarchy.set_frozen(&own, pid, freezing);
        }
        Ok(())
    }

    fn for_each_thread(&self, pid: u32, each: &mut dyn FnMut(u32)) {
        each(pid);
    }

    fn cpu_used(&self, pid: u32) -> CpuUse {
        let tasks = self.tasks.lock().unwrap();
        let used = |task: &Task| task.place.used_here(task.used);
        tasks.get(&pid).map(used).unwrap_or_default()
    }
}

/// The filesystem, mounted as the root of all.
pub(super) struct World {
    pub machine: Arc<Machine>,
    pub fs: Arc<CgroupFs>,
    pub namespace: Arc<MountNamespace>,
    root: PathContext,
}

impl World {
    pub fn new() -> World {
        let all = Controllers::all();
        let memory = Arc::new(Frames::default());
        let hierarchy = Hierarchy::new(all, memory.clone()).unwrap();
        let machine = Arc::new(Machine {
            hierarchy: hierarchy.clone(),
            tasks: Mutex::default(),
            caller: Mutex::new(Cred::shared_root()),
            account: Account::of_user(1 << 20).unwrap(),
            memory,
        });
        let fs = CgroupFs::new(&hierarchy, machine.clone(), Arc::new(Stopped), 7).unwrap();
        let root: Arc<dyn FileSystem> = fs.clone();
        let namespace = MountNamespace::new(root, "cgroup2", Arc::new(NoSpecialNodes), 64).unwrap();
        let root = PathContext::root_at(namespace.root());
        World {
            machine,
            fs,
            namespace,
            root,
        }
    }

    pub fn context(&self) -> PathContext {
        PathContext {
            cred: self.machine.cred(),
            ..self.root.clone()
        }
    }

    pub fn mkdir(&self, path: &str) -> Result<()> {
        let made = self
            .namespace
            .mkdir(&self.context(), path.as_bytes(), 0o755);
        made.map(drop)
    }

    pub fn rmdir(&self, path: &str) -> Result<()> {
        self.namespace.rmdir(&self.context(), path.as_bytes())
    }

    pub fn group(&self, path: &str) -> Arc<Group> {
        let at = self.namespace.resolve(&self.root, path.as_bytes(), true);
        CgroupFs::group_of(at.unwrap().inode()).unwrap().clone()
    }

    pub fn read(&self, path: &str) -> Result<String> {
        let flags = OpenFlags::empty();
        let file = self
            .namespace
            .open(&self.context(), path.as_bytes(), flags, 0)?;
        let mut buf = vec![0; 4096];
        let len = file.read(&mut buf)?;
        Ok(String::from_utf8(buf[..len].to_vec()).unwrap())
    }

    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let flags = OpenFlags::WRONLY | OpenFlags::TRUNC;
        let file = self
            .namespace
            .open(&self.context(), path.as_bytes(), flags, 0)?;
        file.write(text.as_bytes()).map(drop)
    }

    /// The value of a key in a file of many.
    pub fn value(&self, path: &str, key: &str) -> u64 {
        let text = self.read(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap().trim().parse().unwrap()
    }
}
