//! The messages of a queue, and who waits for them or for room: no locks, no
//! clock.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use paddock_abi::ipc::{MSG_EXCEPT, MSG_NOERROR};
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::try_insert;

/// A message, and who owes it.
#[derive(Debug)]
pub struct Message {
    /// Its type, above 0.
    pub kind: i64,
    /// Its text.
    pub text: Vec<u8>,
    /// Its sender's, if anybody is to pay.
    pub charge: Option<Charge>,
}

/// Which message msgrcv(2) takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The first.
    First,
    /// The first of a type.
    Of(i64),
    /// The first of any other type.
    Except(i64),
    /// The first of the lowest type, up to this.
    UpTo(i64),
}

impl Wanted {
    /// What the argument and the flags of msgrcv(2) ask for.
    pub fn new(kind: i64, flags: u32) -> Wanted {
        match kind {
            0 => Wanted::First,
            1.. if flags & MSG_EXCEPT != 0 => Wanted::Except(kind),
            1.. => Wanted::Of(kind),
            // The lowest number has no opposite.
            _ => Wanted::UpTo(kind.checked_neg().unwrap_or(i64::MAX)),
        }
    }

    fn fits(self, kind: i64) -> bool {
        match self {
            Wanted::First => true,
            Wanted::Of(own) => kind == own,
            Wanted::Except(other) => kind != other,
            Wanted::UpTo(most) => kind <= most,
        }
    }
}

/// What a receiver asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which message.
    pub wanted: Wanted,
    /// The longest text.
    pub most: usize,
    /// A longer one is cut.
    pub cut: bool,
    /// The process.
    pub pid: u32,
}

impl Request {
    /// As msgrcv(2) makes it.
    pub fn new(kind: i64, most: usize, flags: u32, pid: u32) -> Request {
        Request {
            wanted: Wanted::new(kind, flags),
            most,
            cut: flags & MSG_NOERROR != 0,
            pid,
        }
    }

    fn is_too_long(&self, message: &Message) -> bool {
        message.text.len() > self.most && !self.cut
    }
}

#[derive(Debug)]
struct Receiver<W> {
    request: Request,
    who: W,
}

#[derive(Debug)]
struct Sender<W> {
    message: Message,
    pid: u32,
    who: W,
}

/// What one who waited is told: with a message if he wanted one.
pub type Outcome = Result<Option<Message>>;

/// What became of a call.
#[derive(Debug)]
pub enum Step {
    /// It is done; with a message for a receiver.
    Done(Option<Message>),
    /// It waits, under this ticket.
    Waits(u64),
}

/// Who did last what, and how much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages.
    pub messages: usize,
    /// Bytes of their texts.
    pub bytes: usize,
    /// The last to send.
    pub sender: u32,
    /// The last to receive.
    pub receiver: u32,
}

/// The messages of a queue. `W` is what stands for one who waits.
#[derive(Debug)]
pub struct Engine<W> {
    /// By type, and in the order in which they came.
    messages: BTreeMap<(i64, u64), Message>,
    /// From that order to type.
    order: BTreeMap<u64, i64>,
    receivers: BTreeMap<u64, Receiver<W>>,
    senders: BTreeMap<u64, Sender<W>>,
    /// The next number of a message or ticket.
    next: u64,
    counts: Counts,
    /// Bytes, and messages, that it may hold.
    capacity: usize,
}

impl<W> Engine<W> {
    /// An empty queue of so many bytes.
    pub const fn new(capacity: usize) -> Self {
        Engine {
            messages: BTreeMap::new(),
            order: BTreeMap::new(),
            receivers: BTreeMap::new(),
            senders: BTreeMap::new(),
            next: 0,
            counts: Counts {
                messages: 0,
                bytes: 0,
                sender: 0,
                receiver: 0,
            },
            capacity,
        }
    }

    /// What there is.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes that it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many wait to receive, and to send.
    pub fn waiting(&self) -> (usize, usize) {
        (self.receivers.len(), self.senders.len())
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.counts.bytes.saturating_add(bytes) <= self.capacity
            && self.counts.messages < self.capacity
    }

    /// msgsnd(2): hands the message to one who waits for it, or keeps it, or
    /// has `who` wait for room if there is any.
    ///
    /// # Errors
    /// `EAGAIN` without `who`, `ENOMEM`.
    pub fn send(
        &mut self,
        message: Message,
        pid: u32,
        who: Option<impl FnOnce() -> Result<W>>,
        finish: &mut impl FnMut(W, Outcome),
    ) -> Result<Step> {
        if self.has_room(message.text.len()) {
            self.accept(message, pid, finish)?;
            return Ok(Step::Done(None));
        }
        let who = who.ok_or(Errno::EAGAIN)?()?;
        let ticket = self.number();
        try_insert(&mut self.senders, ticket, Sender { message, pid, who })?;
        Ok(Step::Waits(ticket))
    }

    /// Takes a message that there is room for. `ENOMEM`.
    fn accept(
        &mut self,
        message: Message,
        pid: u32,
        finish: &mut impl FnMut(W, Outcome),
    ) -> Result<()> {
        self.counts.sender = pid;
        let Some(message) = self.hand_over(message, finish) else {
            return Ok(());
        };
        let number = self.number();
        let (kind, bytes) = (message.kind, message.text.len());
        try_insert(&mut self.order, number, kind)?;
        if let Err(error) = try_insert(&mut self.messages, (kind, number), message) {
            self.order.remove(&number);
            return Err(error);
        }
        self.counts.messages += 1;
        self.counts.bytes += bytes;
        Ok(())
    }

    /// Gives a message to the first who waits for it. Who wants it but has no
    /// room for it is told so.
    fn hand_over(
        &mut self,
        message: Message,
        finish: &mut impl FnMut(W, Outcome),
    ) -> Option<Message> {
        let mut after = 0;
        while let Some((&ticket, receiver)) = self.receivers.range(after..).next() {
            after = ticket + 1;
            let request = receiver.request;
            if !request.wanted.fits(message.kind) {
                continue;
            }
            let Some(receiver) = self.receivers.remove(&ticket) else {
                continue;
            };
            if request.is_too_long(&message) {
                finish(receiver.who, Err(Errno::E2BIG));
                continue;
            }
            self.counts.receiver = request.pid;
            finish(receiver.who, Ok(Some(message)));
            return None;
        }
        Some(message)
    }

    /// The message that is wanted.
    fn find(&self, wanted: Wanted) -> Option<(i64, u64)> {
        let of = |kind| {
            let mut all = self.messages.range((kind, 0)..=(kind, u64::MAX));
            all.next().map(|(&key, _)| key)
        };
        match wanted {
            Wanted::Of(kind) => of(kind),
            Wanted::UpTo(most) => {
                let (&key, _) = self.messages.first_key_value()?;
                (key.0 <= most).then_some(key)
            }
            Wanted::First | Wanted::Except(_) => {
                let mut all = self.order.iter();
                let (&number, &kind) = all.find(|&(_, &kind)| wanted.fits(kind))?;
                Some((kind, number))
            }
        }
    }

    /// msgrcv(2): takes a message, or has `who` wait for one if there is any.
    ///
    /// # Errors
    /// `E2BIG`, and the message stays; `ENOMSG` without `who`; `ENOMEM`.
    pub fn receive(
        &mut self,
        request: Request,
        who: Option<impl FnOnce() -> Result<W>>,
        finish: &mut impl FnMut(W, Outcome),
    ) -> Result<Step> {
        if let Some(key) = self.find(request.wanted) {
            return self.take(key, &request, finish).map(Some).map(Step::Done);
        }
        let who = who.ok_or(Errno::ENOMSG)?()?;
        let ticket = self.number();
        try_insert(&mut self.receivers, ticket, Receiver { request, who })?;
        Ok(Step::Waits(ticket))
    }

    /// The message at an index in the order in which they came.
    pub fn at(&self, index: usize) -> Option<&Message> {
        let (&number, &kind) = self.order.iter().nth(index)?;
        self.messages.get(&(kind, number))
    }

    fn take(
        &mut self,
        key: (i64, u64),
        request: &Request,
        finish: &mut impl FnMut(W, Outcome),
    ) -> Result<Message> {
        let message = self.messages.get(&key).ok_or(Errno::ENOMSG)?;
        if request.is_too_long(message) {
            return Err(Errno::E2BIG);
        }
        let message = self.messages.remove(&key).ok_or(Errno::ENOMSG)?;
        self.order.remove(&key.1);
        self.counts.messages -= 1;
        self.counts.bytes -= message.text.len();
        self.counts.receiver = request.pid;
        self.admit(finish);
        Ok(message)
    }

    /// Lets those go on who wait for room, in turn, as far as there is any.
    fn admit(&mut self, finish: &mut impl FnMut(W, Outcome)) {
        while let Some(first) = self.senders.first_entry() {
            let bytes = first.get().message.text.len();
            if self.counts.bytes.saturating_add(bytes) > self.capacity
                || self.counts.messages >= self.capacity
            {
                return;
            }
            let Sender { message, pid, who } = first.remove();
            let result = self.accept(message, pid, finish);
            finish(who, result.map(|()| None));
        }
    }

    /// `IPC_SET`: it may hold so many bytes from now on.
    pub fn set_capacity(&mut self, bytes: usize, finish: &mut impl FnMut(W, Outcome)) {
        self.capacity = bytes;
        self.admit(finish);
    }

    /// One does not wait any longer. `None` if he has been finished.
    pub fn cancel(&mut self, ticket: u64) -> Option<W> {
        match self.receivers.remove(&ticket) {
            Some(receiver) => Some(receiver.who),
            None => self.senders.remove(&ticket).map(|sender| sender.who),
        }
    }

    /// The queue goes: all who wait are finished with `EIDRM`. Its messages,
    /// for the caller to drop outside all locks.
    pub fn destroy(
        &mut self,
        finish: &mut impl FnMut(W, Outcome),
    ) -> BTreeMap<(i64, u64), Message> {
        while let Some((_, receiver)) = self.receivers.pop_first() {
            finish(receiver.who, Err(Errno::EIDRM));
        }
        while let Some((_, sender)) = self.senders.pop_first() {
            finish(sender.who, Err(Errno::EIDRM));
        }
        self.order.clear();
        (self.counts.messages, self.counts.bytes) = (0, 0);
        core::mem::take(&mut self.messages)
    }
}
