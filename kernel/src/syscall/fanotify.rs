//! Hearing of files, and being asked before they are used: fanotify(7).

use super::{Call, paths, pidfd};
use crate::process::object::{Process, RLIMIT_NOFILE};
use crate::process::vfs::namespace;
use crate::process::{self, UserThread, accounts, cgroup, files, numbers, tree};
use crate::user_memory::read_path;
use alloc::sync::Arc;
use core::any::Any;
use paddock_abi::fcntl::AT_FDCWD;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::{WaitQueue, try_arc};
use paddock_vfs::notify::fanotify::{
    self, Actor, Command, Fanotify, InitFlags, MarkRequest, Tasks, event_flags,
};
use paddock_vfs::{Access, OpenFile, OpenFlags, Path};

/// fanotify_init(2): without records of answers (`FAN_ENABLE_AUDIT`, `EINVAL`).
pub fn fanotify_init(call: &mut Call<'_>) -> Result<u64> {
    let is_admin = call.capable(Cap::CAP_SYS_ADMIN);
    let flags = InitFlags::checked(call.uint(0), is_admin)?;
    let events = event_flags(call.uint(1))?;
    // From the second time on it is there.
    let _ = fanotify::set_tasks(&Running);
    let group = Fanotify::new(&accounts::paying(), flags, events, is_admin)?;
    let mut own = OpenFlags::RDWR;
    own.set(OpenFlags::NONBLOCK, flags.contains(InitFlags::NONBLOCK));
    own.set(OpenFlags::CLOEXEC, flags.contains(InitFlags::CLOEXEC));
    let file = OpenFile::new(try_arc(group)?, None, own)?;
    Ok(call.install(file, own)? as u64)
}

/// fanotify_mark(2): without errors of filesystems (`FAN_FS_ERROR`, `EINVAL`).
pub fn fanotify_mark(call: &mut Call<'_>) -> Result<u64> {
    let request = MarkRequest::new(call.uint(1), call.word(2))?;
    let file = call.usable_file(0)?;
    let group = Fanotify::of(&file)?;
    group.check(&request, call.capable(Cap::CAP_SYS_ADMIN))?;
    if request.command == Command::Flush {
        group.flush(&request);
        return Ok(0);
    }
    let place = place(call, &request)?;
    namespace().access(&call.context(), &place, Access::READ)?;
    group.mark(&place, &request).map(|()| 0)
}

/// What is marked: a path, or without one what a descriptor is of.
fn place(call: &Call<'_>, request: &MarkRequest) -> Result<Path> {
    let place = match call.word(4) {
        0 if call.int(3) == AT_FDCWD => return Err(Errno::EBADF),
        0 => {
            let file = call.usable_file(3)?;
            file.path().cloned().ok_or(Errno::EINVAL)?
        }
        path => paths::place(call, 3, &read_path(path)?, 0, request.follows())?,
    };
    match request.only_directories() && !place.is_dir() {
        true => Err(Errno::ENOTDIR),
        false => Ok(place),
    }
}

/// What groups ask of the thread that runs.
struct Running;

fn running() -> Result<&'static Arc<UserThread>> {
    process::current().ok_or(Errno::ESRCH)
}

impl Tasks for Running {
    fn current(&self) -> Option<Actor> {
        process::current().map(|thread| Actor {
            process: thread.process.pid,
            thread: thread.tid,
        })
    }

    fn process(&self) -> Option<fanotify::Process> {
        let process = &process::current()?.process;
        let weak: fanotify::Process = Arc::<Process>::downgrade(process);
        Some(weak)
    }

    fn known(&self, id: u32) -> u32 {
        numbers::known(id).get()
    }

    fn wait(&self, queue: &WaitQueue, done: &dyn Fn() -> bool) -> bool {
        let Some(thread) = process::current() else {
            return false;
        };
        cgroup::stand_while(thread, || {
            queue.wait_until(|| match done() {
                true => Some(true),
                false => thread.is_doomed().then_some(false),
            })
        })
    }

    fn open(&self, at: &Path, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        namespace().open_unheard(at, flags)
    }

    fn install(&self, file: Arc<OpenFile>, close_on_exec: bool) -> Result<i32> {
        let process = &running()?.process;
        let limit = process.limit(RLIMIT_NOFILE).min(1 << 20) as usize;
        let table = process.files();
        let mut table = table.lock();
        table.insert(file, close_on_exec, 0, limit)
    }

    fn take_back(&self, descriptor: i32) {
        let Ok(thread) = running() else { return };
        let taken = thread.process.files().lock().remove(descriptor);
        if let Ok(entry) = taken {
            let _ = files::release(&thread.process, entry);
        }
    }

    fn install_process(&self, process: &fanotify::Process) -> Option<Result<i32>> {
        let process: Arc<dyn Any + Send + Sync> = process.upgrade()?;
        let process = process.downcast::<Process>().ok()?;
        let there = tree().lock().get(process.pid);
        there.filter(|there| Arc::ptr_eq(there, &process))?;
        let file = pidfd::open_file(&process, OpenFlags::empty());
        Some(file.and_then(|file| self.install(file, true)))
    }
}
