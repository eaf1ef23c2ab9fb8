//! [`Connection`]: between the kernel, which asks, and the program, which answers.

use crate::host::{Caller, Host, Woken};
use crate::message::{IN_HEADER, Message, OUT_HEADER, Sender};
use crate::notices::Notice;
use crate::opcode::Opcode;
use crate::queue::{INTERRUPT, Next, Phase, Queue};
use crate::request::{Counted, Expect, Request};
use crate::terms::{self, Terms};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use paddock_abi::{Errno, Result};
use paddock_cred::{IdKind, UserNamespace};
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, WaitQueue, may_allocate, try_arc};
use paddock_user_io::{UserReader, UserWriter};

/// The least buffer that the program reads with, whatever it agreed upon.
const LEAST_BUFFER: usize = 8192;
/// Bytes before the data of a write.
const WRITE_HEAD: usize = IN_HEADER + 40;
/// Numbers of questions are so far apart: between them are those of interrupts.
const STEP: u64 = 2;
/// Error numbers that a program may give are below this one.
const NO_ERROR: i32 = -512;

/// Who hears what the program says without being asked.
pub(crate) trait Listener: Send + Sync {
    /// May sleep. `ENOENT` for what is not known.
    fn hear(&self, notice: &Notice<'_>) -> Result<()>;
}

/// A connection. Nobody who waits for an answer waits longer than its process lives, or
/// the connection.
pub struct Connection {
    host: Arc<dyn Host>,
    queue: SpinLock<Queue, PreemptOff>,
    /// The program waits here for questions.
    news: WaitQueue,
    /// Those who ask before it has answered the greeting wait here.
    greeted: WaitQueue,
    next: AtomicU64,
    /// Open files of the program's that lead here.
    devices: AtomicUsize,
    listener: SpinLock<Option<Weak<dyn Listener>>, PreemptOff>,
    owner: UserNamespace,
}

impl Connection {
    /// One whose program is in a user namespace, and is greeted as it reads.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new(host: &Arc<dyn Host>, owner: UserNamespace) -> Result<Arc<Connection>> {
        let connection = try_arc(Connection {
            host: host.clone(),
            queue: SpinLock::new(Rank::Leaf, Queue::new()),
            news: WaitQueue::new(),
            greeted: WaitQueue::new(),
            next: AtomicU64::new(STEP),
            devices: AtomicUsize::new(0),
            listener: SpinLock::new(Rank::Leaf, None),
            owner,
        })?;
        let expect = Expect::UpTo(terms::MOST_GREETING);
        connection.tell(terms::greeting(), expect, Sender::default())?;
        Ok(connection)
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// The user namespace that the program is in.
    pub(crate) fn owner(&self) -> &UserNamespace {
        &self.owner
    }

    /// What the program says without being asked goes there.
    pub(crate) fn set_listener(&self, listener: Weak<dyn Listener>) {
        *self.listener.lock() = Some(listener);
    }

    /// A device leads here, or no more: with the last one the program is gone.
    pub(crate) fn add_device(&self) {
        self.devices.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn remove_device(&self) {
        if self.devices.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end();
        }
    }

    /// Nothing is asked from now on (`ENOTCONN`), and who waits for an answer gets
    /// `ECONNABORTED`. Never sleeps.
    pub(crate) fn end(&self) {
        let ended = self.queue.lock().end();
        ended.tell();
        self.greeted.wake_all();
        self.news.wake_all();
    }

    fn is_greeted(&self) -> bool {
        self.queue.lock().phase != Phase::Greeting
    }

    /// What was agreed upon, once it was. Sleeps until then. `ENOTCONN`, `ECONNREFUSED`,
    /// `EINTR` if the process ends.
    pub(crate) fn terms(&self) -> Result<Terms> {
        if !self.is_greeted() {
            let woken = self.host.wait(&self.greeted, false, &|| self.is_greeted());
            if woken != Woken::Done {
                return Err(Errno::EINTR);
            }
        }
        match self.queue.lock().phase {
            Phase::Open(terms) => Ok(terms),
            Phase::Refused => Err(Errno::ECONNREFUSED),
            Phase::Greeting | Phase::Ended => Err(Errno::ENOTCONN),
        }
    }

    /// The running thread as the program knows it. `EACCES` for one of the kernel's own;
    /// `EOVERFLOW` for one whom the program cannot know.
    pub(crate) fn caller(&self) -> Result<(Caller, Sender)> {
        let caller = self.host.caller().ok_or(Errno::EACCES)?;
        let known = |kind, id| self.owner.known(kind, id).ok_or(Errno::EOVERFLOW);
        let sender = Sender {
            uid: known(IdKind::User, caller.cred.uid.fs)?,
            gid: known(IdKind::Group, caller.cred.gid.fs)?,
            pid: caller.thread,
        };
        Ok((caller, sender))
    }

    fn request(
        &self,
        message: Message,
        expect: Expect,
        sender: Sender,
        is_waited_for: bool,
    ) -> Result<Arc<Request>> {
        may_allocate()?;
        let unique = self.next.fetch_add(STEP, Ordering::Relaxed);
        let about = (unique, message.opcode, message.node);
        let message = message.finish(unique, sender)?;
        let account = self.host.account();
        Request::new(about, message, expect, is_waited_for, &account)
    }

    fn submit(&self, request: &Arc<Request>) -> Result<()> {
        {
            let mut queue = self.queue.lock();
            if queue.phase == Phase::Ended {
                return Err(Errno::ENOTCONN);
            }
            queue.add(request.clone());
        }
        self.news.wake_all();
        Ok(())
    }

    /// Asks, and waits for the answer. Sleeps.
    ///
    /// # Errors
    /// What the program answers; `ENOTCONN`, `ECONNABORTED` without one, `EIO` for one that
    /// does not make sense, `EINTR` if the process ends, `ENOMEM`.
    pub(crate) fn ask(&self, message: Message, expect: Expect) -> Result<Vec<u8>> {
        let (_, sender) = self.caller()?;
        self.terms()?;
        let request = self.request(message, expect, sender, true)?;
        self.submit(&request)?;
        self.wait(&request)
    }

    fn wait(&self, request: &Arc<Request>) -> Result<Vec<u8>> {
        let wait = |interruptible| {
            let done = || request.is_answered();
            self.host.wait(&request.done, interruptible, &done)
        };
        let mut woken = wait(true);
        if woken == Woken::Interrupted {
            if request.interrupt() && self.queue.lock().interrupt(request.unique) {
                self.news.wake_all();
            }
            woken = wait(false);
        }
        if woken != Woken::Done {
            self.give_up(request);
        }
        request.take()
    }

    /// Nobody waits any more: what was not read need not be, and of what was the program is
    /// told.
    fn give_up(&self, request: &Request) {
        let mut queue = self.queue.lock();
        let unread = queue.give_up(request.unique);
        let is_told = unread.is_none() && queue.interrupt(request.unique);
        drop(queue);
        if is_told {
            self.news.wake_all();
        }
    }

    /// Asks, and does not wait for the answer: for what is over anyway. Never sleeps.
    ///
    /// # Errors
    /// `ENOTCONN`, `ENOMEM`.
    pub(crate) fn tell(&self, message: Message, expect: Expect, sender: Sender) -> Result<()> {
        let request = self.request(message, expect, sender, false)?;
        self.submit(&request)
    }

    /// The program may close an open file: `Release` or `Releasedir`. Without memory it
    /// keeps it until it ends. Never sleeps.
    pub(crate) fn release(&self, opcode: Opcode, node: u64, number: u64, flags: u32) {
        let message = Message::new(opcode, node).u64(number);
        let message = message.u32(flags).u32(0).u64(0);
        let _ = self.tell(message, NOTHING, Sender::default());
    }

    /// A node was counted so often for what is gone. Never sleeps.
    pub(crate) fn forget(&self, node: u64, count: u64) {
        self.queue.lock().forget(node, count);
        self.news.wake_all();
    }

    /// Whether the program has something to read, or never will.
    pub(crate) fn ready(&self) -> Ready {
        let queue = self.queue.lock();
        if queue.phase == Phase::Ended {
            return Ready::ERR;
        }
        let mut ready = Ready::OUT;
        ready.set(Ready::IN, !queue.is_empty());
        ready
    }

    pub(crate) fn news(&self) -> &WaitQueue {
        &self.news
    }

    fn least_buffer(&self) -> usize {
        match self.queue.lock().phase {
            Phase::Open(terms) => LEAST_BUFFER.max(WRITE_HEAD + terms.max_write),
            _ => LEAST_BUFFER,
        }
    }

    fn next(&self) -> Result<Next> {
        may_allocate()?;
        let mut queue = self.queue.lock();
        match queue.phase {
            Phase::Ended => Err(Errno::ENODEV),
            _ => queue.next()?.ok_or(Errno::EAGAIN),
        }
    }

    /// The program reads the next question. May sleep for its memory.
    ///
    /// # Errors
    /// `EAGAIN`, `ENODEV` when there will be none, `EINVAL` for a buffer that one may not
    /// fit in, `EFAULT`, after which the question has failed; `ENOMEM`.
    pub(crate) fn read(&self, to: &mut UserWriter<'_>) -> Result<usize> {
        if to.left() < self.least_buffer() {
            return Err(Errno::EINVAL);
        }
        loop {
            match self.next()? {
                Next::Note(note) => return copied_whole(to, &note),
                Next::Question(request) if request.message.len() > to.left() => {
                    let error = match request.opcode {
                        Opcode::Setxattr => Errno::E2BIG,
                        _ => Errno::EIO,
                    };
                    self.fail(&request, error);
                }
                Next::Question(request) => {
                    return copied_whole(to, &request.message)
                        .inspect_err(|_| self.fail(&request, Errno::EIO));
                }
            }
        }
    }

    /// A question that was read gets an error.
    fn fail(&self, request: &Request, error: Errno) {
        // Somebody may have answered it already.
        let found = self.queue.lock().answered(request.unique);
        if found.is_ok() {
            request.answer(Err(error));
        }
    }

    /// The program answers, or says something without being asked. May sleep for its
    /// memory.
    ///
    /// # Errors
    /// `EINVAL` for what is no answer, after which the question has failed; `ENOENT` for an
    /// answer without a question, `EFAULT`, `ENOMEM`.
    pub(crate) fn write(&self, from: &mut UserReader<'_>) -> Result<usize> {
        let length = from.left();
        let mut header = [0; OUT_HEADER];
        if length < OUT_HEADER {
            return Err(Errno::EINVAL);
        }
        if from.copy_in(&mut header)? < OUT_HEADER {
            return Err(Errno::EFAULT);
        }
        let mut fields = crate::message::Fields(&header);
        let (said, error, unique) = (fields.u32()?, fields.u32()? as i32, fields.u64()?);
        if said as usize != length {
            return Err(Errno::EINVAL);
        }
        match unique {
            0 => self.heard(error, from)?,
            _ if error > 0 || error <= NO_ERROR => return Err(Errno::EINVAL),
            _ if unique & INTERRUPT != 0 => self.interrupt_answered(unique, error, from)?,
            _ => self.answered(unique, error, from)?,
        }
        Ok(length)
    }

    fn heard(&self, code: i32, from: &mut UserReader<'_>) -> Result<()> {
        let bytes = taken(from, crate::notices::MOST_BYTES)?;
        let notice = Notice::parse(code, &bytes)?;
        let listener = self.listener.lock().as_ref().and_then(Weak::upgrade);
        listener.ok_or(Errno::ENOENT)?.hear(&notice)
    }

    fn interrupt_answered(&self, unique: u64, error: i32, from: &UserReader<'_>) -> Result<()> {
        let mut queue = self.queue.lock();
        let unique = unique & !INTERRUPT;
        match queue.is_sent(unique) {
            false => return Err(Errno::ENOENT),
            true if !from.is_empty() => return Err(Errno::EINVAL),
            true => {}
        }
        if error == -Errno::ENOSYS.number() {
            queue.hears_no_interrupts = true;
        } else if error == -Errno::EAGAIN.number() {
            queue.interrupt(unique);
        }
        Ok(())
    }

    fn answered(&self, unique: u64, error: i32, from: &mut UserReader<'_>) -> Result<()> {
        let request = self.queue.lock().answered(unique)?;
        let fits = match error {
            0 => request.expect.allows(from.left()),
            _ => from.is_empty(),
        };
        let (answer, result) = match Errno::from_number(error.unsigned_abs()) {
            _ if !fits => (Err(Errno::EIO), Err(Errno::EINVAL)),
            Some(error) => (Err(error), Ok(())),
            None => match taken(from, usize::MAX) {
                Ok(bytes) => (Ok(bytes), Ok(())),
                Err(error) => (Err(Errno::EIO), Err(error)),
            },
        };
        if request.opcode == Opcode::Init {
            self.greet(answer);
        } else if let Some(unwanted) = request.answer(answer) {
            self.give_back(&request, &unwanted);
        }
        result
    }

    /// The program has answered the greeting.
    fn greet(&self, answer: Result<Vec<u8>>) {
        let phase = match answer.and_then(|answer| terms::agreed(&answer)) {
            Ok(terms) => Phase::Open(terms),
            Err(_) => Phase::Refused,
        };
        {
            let mut queue = self.queue.lock();
            if queue.phase == Phase::Greeting {
                queue.phase = phase;
            }
        }
        self.greeted.wake_all();
    }

    /// Nobody wants the answer: what the program has counted for it is given back.
    fn give_back(&self, request: &Request, answer: &[u8]) {
        let counted = Counted::by(request.opcode, request.node, answer);
        if let Some((opcode, node, number)) = counted.open {
            self.release(opcode, node, number, 0);
        }
        if let Some(node) = counted.node {
            self.forget(node, 1);
        }
    }
}

/// An answer that says that it was done.
pub(crate) const NOTHING: Expect = Expect::Exactly(0);

fn copied_whole(to: &mut UserWriter<'_>, bytes: &[u8]) -> Result<usize> {
    match to.copy_out(bytes)? == bytes.len() {
        true => Ok(bytes.len()),
        false => Err(Errno::EFAULT),
    }
}

/// All that is left, if it is no more than `most` bytes. `EINVAL`, `EFAULT`, `ENOMEM`.
fn taken(from: &mut UserReader<'_>, most: usize) -> Result<Vec<u8>> {
    let length = from.left();
    if length > most {
        return Err(Errno::EINVAL);
    }
    let mut bytes = Vec::new();
    let room = bytes.try_reserve_exact(length);
    room.map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    match length == 0 || from.copy_in(&mut bytes)? == length {
        true => Ok(bytes),
        false => Err(Errno::EFAULT),
    }
}
