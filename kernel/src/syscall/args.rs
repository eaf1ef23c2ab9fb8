//! [`Call`]: a system call's arguments, and what most calls need of them.

use crate::arch::trap::TrapFrame;
use crate::process::files::Files;
use crate::process::object::{Process, RLIMIT_NOFILE, UserThread};
use crate::process::{ipc, numbers};
use crate::time;
use crate::user_memory::{UserPath, UserPtr, read_path};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_abi::fcntl::AT_FDCWD;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, UserNamespace};
use paddock_ipc::Caller;
use paddock_process::Local;
use paddock_sync::{Deadline, NO_DEADLINE};
use paddock_vfs::{FdEntry, OpenFile, OpenFlags, PathContext};

/// A system call under way.
pub struct Call<'a> {
    /// The user's registers; the arguments are in x0 to x5.
    pub frame: &'a mut TrapFrame,
    /// The calling thread.
    pub thread: &'static Arc<UserThread>,
    /// See [`Self::resumed`].
    resumed: Deadline,
}

impl<'a> Call<'a> {
    /// The call that the running thread makes with these registers.
    #[inline]
    pub fn new(frame: &'a mut TrapFrame, thread: &'static Arc<UserThread>) -> Call<'a> {
        Call {
            frame,
            thread,
            resumed: thread.take_resumed(),
        }
    }

    /// When it ends, if it goes on after an interruption.
    pub fn resumed(&self) -> Option<Deadline> {
        (self.resumed != NO_DEADLINE).then_some(self.resumed)
    }

    /// Leaves [`Self::resumed`] to the next call.
    pub fn keep_resumed(&self) {
        self.thread
            .resume_until
            .store(self.resumed, Ordering::Relaxed);
    }

    /// When a wait of so many nanoseconds ends. One that was interrupted and
    /// goes on ends when it would have.
    pub fn deadline_in(&self, nanos: u64) -> Deadline {
        match self.resumed() {
            Some(deadline) => deadline,
            None => time::now().saturating_add(nanos),
        }
    }

    /// The error of a wait with [`Self::deadline_in`]: if it is one after
    /// which the call is made again, that goes on until `deadline`.
    pub fn restarting_at(&self, deadline: Deadline, error: Errno) -> Errno {
        if error.is_restart() && deadline != NO_DEADLINE {
            self.thread.resume_until.store(deadline, Ordering::Relaxed);
        }
        error
    }

    /// The calling process.
    pub fn process(&self) -> &'static Arc<Process> {
        &self.thread.process
    }

    /// An argument of type `long`, `size_t` or the like.
    pub fn word(&self, index: usize) -> u64 {
        self.frame.x[index]
    }

    /// An argument of type `int`.
    pub fn int(&self, index: usize) -> i32 {
        self.frame.x[index] as i32
    }

    /// An argument of type `unsigned int`.
    pub fn uint(&self, index: usize) -> u32 {
        self.frame.x[index] as u32
    }

    /// An address.
    pub fn pointer<T>(&self, index: usize) -> UserPtr<T> {
        UserPtr::new(self.frame.x[index])
    }

    /// A path. `EFAULT`, `ENAMETOOLONG`.
    pub fn path(&self, index: usize) -> Result<UserPath> {
        read_path(self.frame.x[index])
    }

    /// The table of descriptors.
    pub fn files(&self) -> &Files {
        // SAFETY: the running thread is of that process, and whoever replaces its
        // descriptors, execve(2) and the end, does so without them in hand.
        unsafe { self.process().files.of_own_thread() }
    }

    /// The open file of a descriptor. `EBADF`.
    pub fn file(&self, index: usize) -> Result<Arc<OpenFile>> {
        self.file_of(self.int(index))
    }

    /// The open file of a descriptor's number. `EBADF`.
    pub fn file_of(&self, fd: i32) -> Result<Arc<OpenFile>> {
        // SAFETY: the running thread is one of those of that table.
        unsafe { self.files().get_as_own(fd) }
    }

    /// The open file of a descriptor that is not merely a place. `EBADF`.
    pub fn usable_file(&self, index: usize) -> Result<Arc<OpenFile>> {
        let file = self.file(index)?;
        match file.flags().contains(OpenFlags::PATH) {
            true => Err(Errno::EBADF),
            false => Ok(file),
        }
    }

    /// Gives an open file the lowest free descriptor. `EMFILE`, `ENOMEM`.
    pub fn install(&self, file: Arc<OpenFile>, flags: OpenFlags) -> Result<i32> {
        self.install_from(file, flags.contains(OpenFlags::CLOEXEC), 0)
    }

    /// Gives an open file the lowest free descriptor at or above `from`.
    pub fn install_from(&self, file: Arc<OpenFile>, close_on_exec: bool, from: i32) -> Result<i32> {
        let limit = self.descriptor_limit();
        let mut table = self.files().lock();
        table.insert(file, close_on_exec, from, limit)
    }

    /// How many descriptors the process may have.
    pub fn descriptor_limit(&self) -> usize {
        self.process().limit(RLIMIT_NOFILE).min(1 << 20) as usize
    }

    /// Takes a descriptor away. What it named is the caller's to drop,
    /// outside all locks. `EBADF`.
    pub fn take_descriptor(&self, fd: i32) -> Result<FdEntry> {
        let mut table = self.files().lock();
        table.remove(fd)
    }

    /// The flags of a call that makes a descriptor: `O_NONBLOCK`, `O_CLOEXEC`, both
    /// or none. `EINVAL`.
    pub fn descriptor_flags(&self, index: usize) -> Result<OpenFlags> {
        let known = OpenFlags::NONBLOCK | OpenFlags::CLOEXEC;
        let flags = OpenFlags::from_bits(self.uint(index));
        flags
            .filter(|flags| known.contains(*flags))
            .ok_or(Errno::EINVAL)
    }

    /// Where paths start for this process.
    pub fn context(&self) -> PathContext {
        let cred = self.thread.cred();
        PathContext::new(&self.process().paths.lock(), cred)
    }

    /// The kernel's number for one that an argument gives: of a process, thread, group
    /// or session that the caller knows. `ESRCH`.
    pub fn number(&self, index: usize) -> Result<u32> {
        self.find_number(self.uint(index)).ok_or(Errno::ESRCH)
    }

    /// The same for one that is given otherwise. `None` for nobody's.
    pub fn find_number(&self, number: u32) -> Option<u32> {
        numbers::find_in(&self.process().space, Local::new(number))
    }

    /// What the caller knows a process, thread, group or session by; 0 for one that it
    /// does not know.
    pub fn known(&self, id: u32) -> u32 {
        numbers::known_to(&self.process().space, id).get()
    }

    /// `EPERM` unless the calling thread has a capability.
    pub fn require(&self, cap: Cap) -> Result<()> {
        self.thread.with_cred(|cred| cred.require(cap))
    }

    /// Calls `body` with who calls, as System V's IPC asks for it.
    pub fn ipc<T>(&self, body: impl FnOnce(&Caller<'_>) -> T) -> T {
        let cred = self.thread.cred();
        body(&Caller {
            cred: &cred,
            pid: self.process().pid,
            now: ipc::now(),
        })
    }

    /// Whether it has one.
    pub fn capable(&self, cap: Cap) -> bool {
        self.thread.with_cred(|cred| cred.capable(cap))
    }

    /// Whether the caller has a capability in a user namespace.
    pub fn capable_in(&self, namespace: &UserNamespace, cap: Cap) -> bool {
        self.thread
            .with_cred(|cred| cred.require_in(namespace, cap).is_ok())
    }

    /// Where `path` starts for a call with a directory's descriptor. `EBADF`,
    /// `ENOTDIR`.
    pub fn context_at(&self, index: usize, path: &[u8]) -> Result<PathContext> {
        let context = self.context();
        let fd = self.int(index);
        if fd == AT_FDCWD || path.first() == Some(&b'/') {
            return Ok(context);
        }
        let file = self.file_of(fd)?;
        let base = file
            .path()
            .filter(|path| path.is_dir())
            .ok_or(Errno::ENOTDIR)?;
        Ok(context.with_base(base.clone()))
    }
}
