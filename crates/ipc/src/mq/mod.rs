//! POSIX message queues (mq_overview(7)).
//!
//! `N` is what a process registers to be told by (mq_notify(3)).

mod names;
#[cfg(test)]
mod tests;

pub use names::{Names, Open};

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use paddock_abi::ipc::MqAttr;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_cred::{Cap, Cred, FileRights};
use paddock_sync::{
    Deadline, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitError, WaitQueue, try_insert,
};

/// Messages of a queue, unless it says otherwise, and the most that those
/// without privilege may have (`fs.mqueue.msg_default`, `msg_max`).
pub const MSG_MAX: u64 = 10;
/// The same for bytes of a message (`msgsize_default`, `msgsize_max`).
pub const MSGSIZE_MAX: u64 = 8192;
/// Queues (`queues_max`); the privileged make more.
pub const QUEUES_MAX: usize = 256;
/// The most messages, and bytes of one, whoever asks.
const HARD_MAX: (u64, u64) = (65_536, 16 << 20);
/// What a message takes beside its text, in bytes, as Linux counts it for
/// `RLIMIT_MSGQUEUE`.
const OVERHEAD: u64 = 96;

/// How much a queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Messages.
    pub messages: u64,
    /// Bytes of a message.
    pub bytes: u64,
}

impl Size {
    /// What mq_open(2) asks for. `EINVAL`.
    pub fn new(attr: Option<&MqAttr>, cred: &Cred) -> Result<Size> {
        let Some(attr) = attr else {
            return Ok(Size {
                messages: MSG_MAX,
                bytes: MSGSIZE_MAX,
            });
        };
        let most = match cred.capable(Cap::CAP_SYS_RESOURCE) {
            true => HARD_MAX,
            false => (MSG_MAX, MSGSIZE_MAX),
        };
        let within = |value: i64, most| {
            let value = u64::try_from(value).ok();
            let value = value.filter(|value| (1..=most).contains(value));
            value.ok_or(Errno::EINVAL)
        };
        Ok(Size {
            messages: within(attr.mq_maxmsg, most.0)?,
            bytes: within(attr.mq_msgsize, most.1)?,
        })
    }

    /// Bytes that a full queue takes, as `RLIMIT_MSGQUEUE` counts.
    pub const fn cost(self) -> u64 {
        self.messages * (self.bytes + OVERHEAD)
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Higher ones come first.
    pub priority: u32,
    /// Its text.
    pub text: Vec<u8>,
}

#[derive(Debug)]
struct State<N> {
    /// The highest priority first, then in the order in which they came.
    messages: BTreeMap<(Reverse<u32>, u64), Message>,
    next: u64,
    bytes: u64,
    /// Who sleeps for a message: it is his, and nobody is told.
    receivers: usize,
    registered: Option<N>,
}

/// A queue.
#[derive(Debug)]
pub struct Queue<N> {
    /// Who may open it.
    pub rights: FileRights,
    /// What it may hold.
    pub size: Size,
    state: SpinLock<State<N>, PreemptOff>,
    /// For poll(2).
    changed: WaitQueue,
    receivers: WaitQueue,
    senders: WaitQueue,
    _paid: Paid,
}

/// What a queue costs its maker.
#[derive(Debug)]
struct Paid {
    _charge: Charge,
    _counted: names::Counted,
}

/// Takes a sleeper out of the count.
struct Counted<'a, N>(&'a Queue<N>);

impl<N> Drop for Counted<'_, N> {
    fn drop(&mut self) {
        self.0.state.lock().receivers -= 1;
    }
}

/// The error of a wait.
fn errno(error: WaitError) -> Errno {
    match error {
        WaitError::Interrupted => Errno::ERESTARTSYS,
        WaitError::TimedOut => Errno::ETIMEDOUT,
    }
}

impl<N> Queue<N> {
    fn new(rights: FileRights, size: Size, paid: Paid) -> Self {
        let state = State {
            messages: BTreeMap::new(),
            next: 0,
            bytes: 0,
            receivers: 0,
            registered: None,
        };
        Queue {
            rights,
            size,
            state: SpinLock::new(Rank::Leaf, state),
            changed: WaitQueue::new(),
            receivers: WaitQueue::new(),
            senders: WaitQueue::new(),
            _paid: paid,
        }
    }

    /// As mq_getattr(3) shows it, but for the flags.
    pub fn attributes(&self) -> MqAttr {
        MqAttr {
            mq_maxmsg: self.size.messages as i64,
            mq_msgsize: self.size.bytes as i64,
            mq_curmsgs: self.state.lock().messages.len() as i64,
            ..MqAttr::default()
        }
    }

    /// Bytes of all messages.
    pub fn bytes(&self) -> u64 {
        self.state.lock().bytes
    }

    fn try_send(&self, message: &mut Option<Message>) -> Result<Option<N>> {
        let mut state = self.state.lock();
        if state.messages.len() as u64 >= self.size.messages {
            return Err(Errno::EAGAIN);
        }
        paddock_sync::may_allocate()?;
        let Some(message) = message.take() else {
            return Ok(None);
        };
        let was_empty = state.messages.is_empty();
        let key = (Reverse(message.priority), state.next);
        let bytes = message.text.len() as u64;
        try_insert(&mut state.messages, key, message)?;
        state.next += 1;
        state.bytes += bytes;
        let told = match was_empty && state.receivers == 0 {
            true => state.registered.take(),
            false => None,
        };
        drop(state);
        self.receivers.wake_one();
        self.changed.wake(Ready::IN);
        Ok(told)
    }

    /// mq_send(3): waits for room until the deadline, unless `nonblocking`.
    /// Who is to be told of the message, if anybody. May sleep.
    ///
    /// # Errors
    /// `EMSGSIZE`, `EAGAIN`, `ETIMEDOUT`, `ERESTARTSYS`, `ENOMEM`.
    pub fn send(
        &self,
        message: Message,
        nonblocking: bool,
        deadline: Deadline,
    ) -> Result<Option<N>> {
        if message.text.len() as u64 > self.size.bytes {
            return Err(Errno::EMSGSIZE);
        }
        let mut message = Some(message);
        match self.try_send(&mut message) {
            Err(Errno::EAGAIN) if !nonblocking => {}
            result => return result,
        }
        let attempt = || match self.try_send(&mut message) {
            Err(Errno::EAGAIN) => None,
            result => Some(result),
        };
        let sent = self.senders.wait_interruptible(deadline, attempt);
        sent.unwrap_or_else(|error| Err(errno(error)))
    }

    fn take(&self, state: &mut State<N>) -> Option<Message> {
        let (_, message) = state.messages.pop_first()?;
        state.bytes -= message.text.len() as u64;
        Some(message)
    }

    fn announce_room(&self) {
        self.senders.wake_one();
        self.changed.wake(Ready::OUT);
    }

    /// mq_receive(3) into `most` bytes: waits for a message until the
    /// deadline, unless `nonblocking`. May sleep.
    ///
    /// # Errors
    /// `EMSGSIZE`, `EAGAIN`, `ETIMEDOUT`, `ERESTARTSYS`.
    pub fn receive(&self, most: u64, nonblocking: bool, deadline: Deadline) -> Result<Message> {
        if most < self.size.bytes {
            return Err(Errno::EMSGSIZE);
        }
        let mut state = self.state.lock();
        let found = match self.take(&mut state) {
            Some(message) => message,
            None if nonblocking => return Err(Errno::EAGAIN),
            None => {
                state.receivers += 1;
                drop(state);
                let counted = Counted(self);
                let attempt = || self.take(&mut self.state.lock());
                let found = self.receivers.wait_interruptible(deadline, attempt);
                drop(counted);
                let found = found.map_err(errno)?;
                self.announce_room();
                return Ok(found);
            }
        };
        drop(state);
        self.announce_room();
        Ok(found)
    }

    /// mq_notify(3): has `new` told of the next message that comes to an empty
    /// queue.
    ///
    /// # Errors
    /// `EBUSY`.
    pub fn register(&self, new: N) -> Result<()> {
        let mut state = self.state.lock();
        if state.registered.is_some() {
            drop(state);
            drop(new);
            return Err(Errno::EBUSY);
        }
        state.registered = Some(new);
        Ok(())
    }

    /// Takes the registration away, if `is_own`: for the caller to drop.
    pub fn unregister(&self, is_own: impl FnOnce(&N) -> bool) -> Option<N> {
        let mut state = self.state.lock();
        state.registered.take_if(|registered| is_own(registered))
    }

    /// What `look` makes of who is registered.
    pub fn registered<T>(&self, look: impl FnOnce(&N) -> T) -> Option<T> {
        self.state.lock().registered.as_ref().map(look)
    }
}

impl<N: Send> Pollable for Queue<N> {
    fn ready(&self) -> Ready {
        let count = self.state.lock().messages.len() as u64;
        let mut ready = Ready::empty();
        ready.set(Ready::IN, count > 0);
        ready.set(Ready::OUT, count < self.size.messages);
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}
