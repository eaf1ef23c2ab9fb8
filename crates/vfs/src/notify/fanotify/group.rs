//! [`Group`]: what a group hears, and [`Fanotify`]: the open file that it is.

use super::event::{Event, HEAD, Subject, Told};
use super::flags::{InitFlags, MarkFlags};
use super::host::{self, Tasks};
use super::mark::{Key, Mark, Turn};
use super::permission::{Answer, Question};
use super::queue::{Pushed, Queue};
use super::{MAX_EVENTS, MAX_GROUPS, index};
use crate::{Errno, File, IoctlArg, Metadata, OpenFile, OpenFlags, Result, stays_at_start};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::ops::Bound;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::termios::FIONREAD;
use paddock_charge::{Account, Countable, Counted};
use paddock_sync::{Mutex, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_user_io::{UserReader, UserWriter};

/// In an event that tells of no descriptor (`FAN_NOFD`, `FAN_NOPIDFD`).
const NONE: i32 = -1;
/// In one whose descriptor of a process could not be made (`FAN_EPIDFD`).
const NOT_MADE: i32 = -2;
/// Bytes of `struct fanotify_response`.
const RESPONSE: usize = 8;

/// What a group is told, and what it wants to be told of.
pub struct Group {
    pub flags: InitFlags,
    /// With which descriptors of events are opened.
    event_flags: OpenFlags,
    /// Made without CAP_SYS_ADMIN: what others do has no number.
    pub is_unprivileged: bool,
    pub turn: Turn,
    pub account: Arc<Account>,
    queue: SpinLock<Queue, PreemptOff>,
    changed: WaitQueue,
    /// Those wait here who need leave.
    answered: WaitQueue,
    pub marks: SpinLock<BTreeMap<Key, Arc<Mark>>, PreemptOff>,
    /// One change of its marks at a time.
    pub changing: Mutex<()>,
}

impl Group {
    /// Puts an event where it is read.
    pub fn tell(&self, event: Event) -> Pushed {
        let mut event = Some(event);
        let pushed = self.queue.lock().push(&mut event);
        if matches!(pushed, Pushed::Queued | Pushed::Lost) {
            self.changed.wake(Ready::IN);
        }
        pushed
    }

    /// An event could not even be made.
    pub fn lose(&self) {
        self.queue.lock().lose();
        self.changed.wake(Ready::IN);
    }

    /// Waits for the answer to an event that asks. Sleeps.
    ///
    /// # Errors
    /// `EPERM`; `ERESTARTSYS` for who has to end; `ENOMEM`.
    pub fn ask(&self, tasks: &dyn Tasks, mut event: Event) -> Result<()> {
        let question = try_arc(Question::default())?;
        event.question = Some(question.clone());
        match self.tell(event) {
            Pushed::Queued => {}
            _ => return Ok(()),
        }
        if tasks.wait(&self.answered, &|| question.is_answered()) {
            return question.result();
        }
        // Of one that has been read the answer comes to nobody.
        let unread = self.queue.lock().withdraw(&question);
        drop(unread);
        Err(Errno::ERESTARTSYS)
    }

    /// Takes the first event out, if it fits in `room` bytes. `EINVAL` if not, `ENOMEM`.
    fn take(&self, room: usize) -> Result<Option<Event>> {
        let mut queue = self.queue.lock();
        match queue.first() {
            Some(event) if event.length(self.flags) > room => Err(Errno::EINVAL),
            Some(_) => queue.take(),
            None => Ok(None),
        }
    }

    /// Tells the reader of an event that was taken out; how many bytes.
    fn give(&self, event: &Event, to: &mut UserWriter<'_>) -> Result<usize> {
        let tasks = host::tasks()?;
        let descriptor = match &event.subject {
            Subject::Place(place) => {
                let file = tasks.open(place, self.event_flags)?;
                tasks.install(file, self.event_flags.contains(OpenFlags::CLOEXEC))?
            }
            _ => NONE,
        };
        let told = self.told(tasks, event, descriptor);
        let given = event.copy_out(self.flags, &told, to);
        let asked = given.and_then(|count| match &event.question {
            Some(question) => {
                let mut queue = self.queue.lock();
                queue.asked(descriptor, question.clone()).map(|()| count)
            }
            None => Ok(count),
        });
        asked.inspect_err(|_| {
            for made in [descriptor, told.process] {
                if made >= 0 {
                    tasks.take_back(made);
                }
            }
        })
    }

    fn told(&self, tasks: &dyn Tasks, event: &Event, descriptor: i32) -> Told {
        let own = tasks.current().unwrap_or_default();
        let is_own = event.task == own.process;
        let task = match self.is_unprivileged && !is_own {
            true => 0,
            false => tasks.known(event.task),
        };
        let process = event.process.as_ref().filter(|_| task != 0);
        let process = match process.and_then(|process| tasks.install_process(process)) {
            Some(Ok(descriptor)) => descriptor,
            Some(Err(_)) => NOT_MADE,
            None => NONE,
        };
        Told {
            descriptor,
            task,
            process,
        }
    }

    /// Reads one event: its bytes; none if none waits.
    fn read_one(&self, to: &mut UserWriter<'_>) -> Result<usize> {
        let first = self.queue.lock().first().map(|it| it.length(self.flags));
        let Some(length) = first else {
            return Ok(0);
        };
        if to.left() < length {
            return Err(Errno::EINVAL);
        }
        // Before an event is taken that would then be lost.
        to.fault_in(length)?;
        let Some(event) = self.take(to.left())? else {
            return Ok(0);
        };
        let given = self.give(&event, to);
        if let (Err(_), Some(question)) = (&given, &event.question) {
            question.answer(Answer::Deny);
            self.answered.wake_all();
        }
        given
    }

    /// The marks are told from the last one on: the one before `number`.
    fn mark_behind(&self, key: Option<Key>) -> Option<Arc<Mark>> {
        let marks = self.marks.lock();
        let behind = key.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = marks.range((behind, Bound::Unbounded));
        rest.next().map(|(_, mark)| mark.clone())
    }

    /// Takes all marks away for which `goes` says so. Inodes may go with them: none of a
    /// filesystem's locks may be held, nor any that come after those.
    pub fn drop_marks(&self, goes: impl Fn(&Mark) -> bool) {
        let mut behind = None;
        while let Some(mark) = self.mark_behind(behind) {
            behind = Some(mark.key);
            if goes(&mark) {
                index::remove(&mark);
                self.forget(&mark);
            }
        }
    }

    /// A mark that is not found any more is the group's no more either.
    pub fn forget(&self, mark: &Arc<Mark>) {
        let gone = {
            let mut marks = self.marks.lock();
            let own = marks.get(&mark.key);
            let is_it = own.is_some_and(|own| Arc::ptr_eq(own, mark));
            is_it.then(|| marks.remove(&mark.key)).flatten()
        };
        drop(gone);
    }
}

/// A group as an open file: closing it ends its marks and lets all go on who wait for
/// its answers.
pub struct Fanotify {
    pub(super) group: Arc<Group>,
    _counted: Counted,
}

impl Fanotify {
    /// A group without marks, for which `account` pays. `EMFILE` for too many of its
    /// user's, `ENOMEM`.
    pub fn new(
        account: &Arc<Account>,
        flags: InitFlags,
        event_flags: OpenFlags,
        is_admin: bool,
    ) -> Result<Fanotify> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let most = MAX_GROUPS.load(Relaxed) as usize;
        let counted = Counted::new(account, Countable::FanotifyGroup, most);
        let counted = counted.ok_or(Errno::EMFILE)?;
        let most = match flags.contains(InitFlags::UNLIMITED_QUEUE) {
            true => usize::MAX,
            false => MAX_EVENTS.load(Relaxed) as usize,
        };
        let group = try_arc(Group {
            flags,
            event_flags,
            is_unprivileged: !is_admin,
            turn: Turn {
                class: u8::MAX - flags.priority(),
                number: NEXT.fetch_add(1, Relaxed),
            },
            account: account.clone(),
            queue: SpinLock::new(Rank::Leaf, Queue::new(account, most)?),
            changed: WaitQueue::new(),
            answered: WaitQueue::new(),
            marks: SpinLock::new(Rank::Leaf, BTreeMap::new()),
            changing: Mutex::new(Rank::LeafMutex, ()),
        })?;
        Ok(Fanotify {
            group,
            _counted: counted,
        })
    }

    /// The group that an open file is. `EINVAL` for any other file.
    pub fn of(file: &OpenFile) -> Result<&Fanotify> {
        let file = file.file().as_any().downcast_ref::<Fanotify>();
        file.ok_or(Errno::EINVAL)
    }
}

impl Drop for Fanotify {
    fn drop(&mut self) {
        self.group.drop_marks(|_| true);
        let left = self.group.queue.lock().close();
        self.group.answered.wake_all();
        drop(left);
    }
}

impl Pollable for Fanotify {
    fn ready(&self) -> Ready {
        match self.group.queue.lock().first().is_some() {
            true => Ready::IN,
            false => Ready::empty(),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.group.changed)
    }
}

impl File for Fanotify {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let mut count = 0;
        loop {
            match self.group.read_one(to) {
                Ok(0) => break,
                Ok(bytes) => count += bytes,
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        match count {
            0 => Err(Errno::EAGAIN),
            count => Ok(count),
        }
    }

    /// One answer, whatever follows it.
    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        if from.left() < RESPONSE {
            return Err(Errno::EINVAL);
        }
        from.limit(RESPONSE);
        let mut bytes = [0; RESPONSE];
        if from.clone().copy_in(&mut bytes)? < RESPONSE {
            return Err(Errno::EFAULT);
        }
        let [descriptor, bits] = [0, 4].map(|at| {
            let word = bytes[at..at + 4].try_into().unwrap_or_default();
            u32::from_le_bytes(word)
        });
        let answer = Answer::from_bits(bits)?;
        let descriptor = descriptor as i32;
        if descriptor < 0 {
            return Err(Errno::EINVAL);
        }
        let answered = self.group.queue.lock().answer(descriptor, answer)?;
        self.group.answered.wake_all();
        drop(answered);
        from.advance(RESPONSE);
        Ok(RESPONSE)
    }

    fn seek(&self, _: i64, whence: u32) -> Result<u64> {
        stays_at_start(whence)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        if cmd != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        // As if none had more than its head.
        let bytes = self.group.queue.lock().count().saturating_mul(HEAD);
        arg.write_i32(i32::try_from(bytes).unwrap_or(i32::MAX))?;
        Ok(0)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("[fanotify]")
    }

    fn info(&self, put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>) -> Result<()> {
        put(format_args!(
            "fanotify flags:{:x} event-flags:{:x}\n",
            self.group.flags.bits(),
            self.group.event_flags.bits(),
        ))?;
        let mut behind = None;
        while let Some(mark) = self.group.mark_behind(behind) {
            behind = Some(mark.key);
            put_mark(&mark, put)?;
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn put_mark(mark: &Mark, put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>) -> Result<()> {
    let mut flags = mark.flags();
    flags.set(MarkFlags::EVICTABLE, mark.is_evictable());
    let (flags, mask, ignored) = (flags.bits(), mark.mask().bits(), mark.ignored().bits());
    let rest = format_args!("mflags:{flags:x} mask:{mask:x} ignored_mask:{ignored:x}");
    let device = mark.device;
    match mark.key {
        Key::Mount(number) => put(format_args!("fanotify mnt_id:{number:x} {rest}\n")),
        Key::Filesystem(_) => put(format_args!("fanotify sdev:{device:x} {rest}\n")),
        Key::Inode(_) => {
            let inode = mark.inode.as_ref().and_then(|inode| inode.upgrade());
            let Some(inode) = inode else {
                return Ok(());
            };
            put(format_args!(
                "fanotify ino:{:x} sdev:{device:x} {rest} ",
                inode.ino()
            ))?;
            put_handle(mark, &*inode, put)?;
            put(format_args!("\n"))
        }
    }
}

/// The handle as fdinfo has it; nothing where there is none.
fn put_handle(
    mark: &Mark,
    inode: &dyn crate::Inode,
    put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>,
) -> Result<()> {
    let filesystem = mark.filesystem.upgrade();
    let Some(handle) = filesystem.and_then(|fs| fs.handle(inode).ok()) else {
        return Ok(());
    };
    put(format_args!(
        "fhandle-bytes:{:x} fhandle-type:{:x} f_handle:",
        handle.bytes().len(),
        handle.kind()
    ))?;
    for byte in handle.bytes() {
        put(format_args!("{byte:02x}"))?;
    }
    Ok(())
}
