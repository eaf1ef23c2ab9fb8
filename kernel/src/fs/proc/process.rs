//! `/proc/PID` and `/proc/PID/task/TID`: their entries.

use super::fds::{FdInfos, Fds};
use super::namespaces::Namespaces;
use super::pids::Threads;
use super::text::Text;
use super::{children, login, memory, net, oom, slack, stat, status, tables, user_maps};
use crate::process::identity::may_inspect;
use crate::process::{self, Process, UserThread, tree, vfs};
use crate::thread::Thread;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::{Errno, Result};
use paddock_process::{PidSpace, Usage};
use paddock_sched::State;
use paddock_vfs::proc_fs::{ProcDir, ProcFile, ProcLink, ProcName, ProcNode, dir_of};
use paddock_vfs::{FileKind, Inode, OpenFile, Path};

/// Whom a directory is about: a process, or one of its threads.
#[derive(Clone)]
pub struct Subject {
    /// The process.
    pub process: Arc<Process>,
    /// The thread, in `/proc/PID/task`.
    pub thread: Option<Arc<UserThread>>,
    /// The PID namespace of the mount.
    pub space: PidSpace,
}

/// The most bytes of a name.
const NAME_MAX: usize = 15;

type Generate = fn(&Subject, &mut Text<'_>) -> Result<()>;
type Find = fn(&Process) -> Result<Path>;

enum Item {
    /// A file, with its permission bits.
    File(u32, Generate),
    /// A file of threads only.
    OfThread(u32, Generate),
    /// A file that can be written.
    Node(fn(Arc<Process>) -> ProcNode),
    /// The name, which can be set.
    Name,
    /// A link to a place.
    Place(Find),
    Fds,
    FdInfos,
    Namespaces,
    Tasks,
}

const ITEMS: &[(&str, Item)] = &[
    ("auxv", Item::File(0o400, status::auxiliary_vector)),
    ("cgroup", Item::File(0o444, status::cgroup)),
    ("children", Item::OfThread(0o444, children::children)),
    ("cmdline", Item::File(0o444, status::arguments)),
    ("comm", Item::Name),
    (
        "cwd",
        Item::Place(|process| Ok(process.paths.lock().base.clone())),
    ),
    ("environ", Item::File(0o400, status::environment)),
    ("exe", Item::Place(executable)),
    ("fd", Item::Fds),
    ("fdinfo", Item::FdInfos),
    ("gid_map", Item::Node(user_maps::groups)),
    ("loginuid", Item::Node(login::user)),
    ("io", Item::File(0o400, status::input_output)),
    ("limits", Item::File(0o444, tables::limits)),
    ("maps", Item::File(0o444, memory::maps)),
    ("mountinfo", Item::File(0o444, tables::mount_info)),
    ("mounts", Item::File(0o444, tables::mounts)),
    ("net", Item::Node(net::directory)),
    ("ns", Item::Namespaces),
    ("timerslack_ns", Item::Node(slack::slack)),
    ("oom_adj", Item::Node(oom::old_adjustment)),
    ("oom_score", Item::File(0o444, oom::score)),
    ("oom_score_adj", Item::Node(oom::adjustment)),
    (
        "root",
        Item::Place(|process| Ok(process.paths.lock().root.clone())),
    ),
    ("projid_map", Item::Node(user_maps::projects)),
    ("setgroups", Item::Node(user_maps::setgroups)),
    ("smaps", Item::File(0o444, memory::smaps)),
    ("smaps_rollup", Item::File(0o444, memory::smaps_rollup)),
    ("stat", Item::File(0o444, stat::stat)),
    ("statm", Item::File(0o444, memory::statm)),
    ("status", Item::File(0o444, status::status)),
    ("task", Item::Tasks),
    ("uid_map", Item::Node(user_maps::users)),
    // Where it waits is not told, as to those on Linux who may not know.
    ("wchan", Item::File(0o444, |_, out| out.bytes(b"0"))),
];

fn executable(process: &Process) -> Result<Path> {
    let executable = process.executable.lock();
    let path = executable
        .as_ref()
        .map(|executable| executable.path.clone());
    path.ok_or(Errno::ENOENT)
}

impl Subject {
    /// The kernel's number.
    pub fn id(&self) -> u32 {
        self.thread
            .as_ref()
            .map_or(self.process.pid, |thread| thread.tid)
    }

    /// The state's letter and what it stands for.
    pub fn state(&self) -> (char, &'static str) {
        let (letter, stands) = {
            let tree = tree().lock();
            let letter = tree.state_letter(self.process.pid).unwrap_or('X');
            (letter, tree.stands_for_tracer(self.id()))
        };
        match letter {
            'R' | 'T' if stands => ('t', "tracing stop"),
            'R' if self.runs() => ('R', "running"),
            'R' if self.waits_for_lock() => ('D', "disk sleep"),
            'R' => ('S', "sleeping"),
            'T' => ('T', "stopped"),
            'Z' => ('Z', "zombie"),
            _ => ('X', "dead"),
        }
    }

    /// Whether a thread runs, is to run, or has not begun to.
    fn runs(&self) -> bool {
        let runs = |thread: &Arc<UserThread>| {
            let state = thread.kernel_thread().map(|thread| thread.state());
            !matches!(state, Some(State::Blocked | State::Dead))
        };
        match &self.thread {
            Some(thread) => runs(thread),
            None => self.process.threads.lock().iter().any(runs),
        }
    }

    /// Whether it waits where no signal ends that.
    fn waits_for_lock(&self) -> bool {
        let thread = self.kernel_thread();
        thread.is_some_and(|thread| thread.context().waiting_for().is_some())
    }

    /// What it has used, but for memory.
    pub fn usage(&self) -> Usage {
        match &self.thread {
            Some(thread) => thread.usage(),
            None => self.process.usage(),
        }
    }

    fn kernel_thread(&self) -> Option<Arc<Thread>> {
        let first = || self.process.thread(self.process.pid);
        let thread = self.thread.clone().or_else(first)?;
        thread.kernel_thread()
    }

    /// The CPU that it runs on, or ran on last.
    pub fn cpu(&self) -> usize {
        self.kernel_thread().map_or(0, |thread| thread.cpu())
    }

    /// Its policy, as sched(7) counts them.
    pub fn policy(&self) -> u32 {
        self.kernel_thread().map_or(0, |thread| thread.policy())
    }

    /// How nice it is.
    pub fn nice(&self) -> i32 {
        self.kernel_thread().map_or(0, |thread| thread.nice())
    }

    /// The name of at most 15 bytes.
    pub fn name(&self) -> String {
        let of_process = || self.process.names.lock().comm.clone();
        match &self.thread {
            Some(thread) => thread
                .kernel_thread()
                .map_or_else(of_process, |kernel| kernel.name()),
            None => of_process(),
        }
    }

    fn node(&self, item: &'static Item) -> ProcNode {
        let subject = self.clone();
        let process = self.process.clone();
        match item {
            Item::File(mode, generate) | Item::OfThread(mode, generate) => {
                ProcNode::text(move |out| generate(&subject, &mut Text::new(out))).with_mode(*mode)
            }
            Item::Node(make) => make(process),
            Item::Name => ProcNode::file(NameFile(subject)).with_mode(0o644),
            Item::Place(find) => ProcNode::link(PlaceLink {
                process,
                find: *find,
            }),
            Item::Fds => ProcNode::dir(Fds(process)).with_mode(0o500),
            Item::FdInfos => ProcNode::dir(FdInfos(process)).with_mode(0o500),
            Item::Namespaces => ProcNode::dir(Namespaces(process)).with_mode(0o511),
            Item::Tasks => ProcNode::dir(Threads(process, subject.space)),
        }
    }
}

/// The process whose directory an open file is, as `/proc/PID`.
pub fn of_directory(file: &OpenFile) -> Option<&Arc<Process>> {
    let subject = subject_of(&**file.inode()?)?;
    subject.thread.is_none().then_some(&subject.process)
}

/// Whom an inode is about, if it is such a directory.
pub(super) fn subject_of(inode: &dyn Inode) -> Option<&Subject> {
    dir_of(inode)?.subject()?.downcast_ref()
}

/// The directory of a process or thread.
pub struct SubjectDir(Subject);

impl SubjectDir {
    /// The directory, owned by the process's user, whoever may look into it.
    pub fn node(subject: Subject) -> ProcNode {
        let cred = subject.process.cred();
        let (uid, gid) = (cred.uid.effective, cred.gid.effective);
        ProcNode::dir(SubjectDir(subject)).owned_by(uid, gid)
    }

    /// Whose the directory of descriptors is: to the process itself its own, whatever
    /// others may see of it.
    fn descriptors_owner(&self) -> (u32, u32) {
        let own = |thread: &&Arc<UserThread>| Arc::ptr_eq(&thread.process, &self.0.process);
        match process::current().filter(own) {
            Some(thread) => thread.with_cred(|cred| (cred.uid.fs, cred.gid.fs)),
            None => self.0.process.owner(),
        }
    }

    /// Threads have no threads of their own, but children.
    fn items(&self) -> impl Iterator<Item = (u64, &'static (&'static str, Item))> {
        let nested = self.0.thread.is_some();
        let has = move |item: &(u64, &(&str, Item))| match item.1.1 {
            Item::Tasks => !nested,
            Item::OfThread(..) => nested,
            _ => true,
        };
        (0..).zip(ITEMS).filter(has)
    }
}

impl ProcDir for SubjectDir {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let (_, (_, item)) = self
            .items()
            .find(|(_, (own, _))| own.as_bytes() == name)
            .ok_or(Errno::ENOENT)?;
        let (uid, gid) = match item {
            Item::Fds => self.descriptors_owner(),
            _ => self.0.process.owner(),
        };
        Ok(self.0.node(item).owned_by(uid, gid))
    }

    fn subject(&self) -> Option<&dyn Any> {
        Some(&self.0)
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let mut names = Vec::new();
        names
            .try_reserve_exact(ITEMS.len())
            .map_err(|_| Errno::ENOMEM)?;
        for (key, (name, item)) in self.items() {
            let kind = match item {
                Item::File(..) | Item::Node(_) | Item::Name => FileKind::Regular,
                Item::Place(_) => FileKind::Symlink,
                _ => FileKind::Directory,
            };
            names.push(ProcName {
                key,
                name: name.as_bytes().to_vec(),
                kind,
            });
        }
        Ok(names)
    }
}

/// A link to where a process is, or where its program is.
struct PlaceLink {
    process: Arc<Process>,
    find: Find,
}

impl ProcLink for PlaceLink {
    fn target(&self) -> Result<Vec<u8>> {
        may_inspect(&self.process)?;
        vfs::name_of(&(self.find)(&self.process)?)
    }

    fn jump(&self) -> Option<Path> {
        may_inspect(&self.process).ok()?;
        (self.find)(&self.process).ok()
    }
}

/// The name of a thread, or of a process's first one. Any thread of the process
/// may write it.
struct NameFile(Subject);

impl ProcFile for NameFile {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        status::name(&self.0, &mut Text::new(out))
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        let Subject {
            process, thread, ..
        } = &self.0;
        let own = |caller: &Arc<UserThread>| Arc::ptr_eq(&caller.process, process);
        if !process::current().is_some_and(own) {
            return Err(Errno::EINVAL);
        }
        let first = || process.thread(process.pid);
        let thread = thread.clone().or_else(first).ok_or(Errno::ESRCH)?;
        let name = data.split(|&byte| byte == 0).next().unwrap_or(data);
        let name = &name[..name.len().min(NAME_MAX)];
        thread.set_name(String::from_utf8_lossy(name).into_owned());
        Ok(data.len())
    }
}
