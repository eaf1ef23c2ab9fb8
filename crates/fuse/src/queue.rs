//! [`Queue`]: questions that wait to be read, those that wait for an answer, and what the
//! program is told without being asked.

use crate::message::{IN_HEADER, Message, Sender};
use crate::opcode::Opcode;
use crate::request::Request;
use crate::terms::Terms;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_abi::{Errno, Result};

/// In the number of what tells that a question was interrupted.
pub const INTERRUPT: u64 = 1;
/// Questions that are read before forgotten nodes are, when there are both.
const TURNS: u32 = 8;
/// Forgotten nodes that are told at once: what goes into the least buffer.
const MOST_FORGOTTEN: usize = 256;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The program has not answered the greeting.
    Greeting,
    /// It speaks.
    Open(Terms),
    /// It speaks something else.
    Refused,
    /// It is gone, or its filesystem is.
    Ended,
}

/// See above. By their numbers, questions are in the order in which they were asked.
pub struct Queue {
    pub phase: Phase,
    waiting: BTreeMap<u64, Arc<Request>>,
    sent: BTreeMap<u64, Arc<Request>>,
    /// Of which the program is to hear that they were interrupted.
    interrupts: Vec<u64>,
    /// How often each node was counted that nobody has any more.
    forgotten: BTreeMap<u64, u64>,
    turns: u32,
    /// The program does not want to hear of interrupts.
    pub hears_no_interrupts: bool,
}

/// What the program reads next.
pub enum Next {
    Question(Arc<Request>),
    /// Complete as it is.
    Note(Vec<u8>),
}

impl Queue {
    pub const fn new() -> Queue {
        Queue {
            phase: Phase::Greeting,
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            interrupts: Vec::new(),
            forgotten: BTreeMap::new(),
            turns: 0,
            hears_no_interrupts: false,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.interrupts.is_empty() && self.forgotten.is_empty()
    }

    /// What there is on both sides, and nothing is left. The phase is `Ended`.
    pub fn end(&mut self) -> Ended {
        self.phase = Phase::Ended;
        self.interrupts.clear();
        self.forgotten.clear();
        Ended(
            core::mem::take(&mut self.waiting),
            core::mem::take(&mut self.sent),
        )
    }

    /// A question more.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: callers have asked may_allocate, or have to succeed, for which the heap keeps a reserve"
    )]
    pub fn add(&mut self, request: Arc<Request>) {
        self.waiting.insert(request.unique, request);
    }

    /// A node was counted so many times for what is gone.
    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    pub fn forget(&mut self, node: u64, count: u64) {
        if self.phase != Phase::Ended && count > 0 {
            let before = self.forgotten.get(&node).copied().unwrap_or(0);
            self.forgotten.insert(node, before.saturating_add(count));
        }
    }

    /// Whoever waits for the answer has a signal to handle, which the program is told once
    /// it has read the question; not without memory. Whether it is told.
    pub fn interrupt(&mut self, unique: u64) -> bool {
        let tells = !self.hears_no_interrupts
            && self.sent.contains_key(&unique)
            && !self.interrupts.contains(&unique)
            && self.interrupts.try_reserve(1).is_ok();
        if tells {
            self.interrupts.push(unique);
        }
        tells
    }

    /// Nobody waits for the answer any more: one that was not read need not be.
    pub fn give_up(&mut self, unique: u64) -> Option<Arc<Request>> {
        self.waiting.remove(&unique)
    }

    /// The question that an answer belongs to. `ENOENT`.
    pub fn answered(&mut self, unique: u64) -> Result<Arc<Request>> {
        self.forget_interrupt(unique);
        self.sent.remove(&unique).ok_or(Errno::ENOENT)
    }

    fn forget_interrupt(&mut self, unique: u64) {
        self.interrupts.retain(|other| *other != unique);
    }

    /// Whether a question waits for its answer.
    pub fn is_sent(&self, unique: u64) -> bool {
        self.sent.contains_key(&unique)
    }

    /// What is read next; `None` if there is nothing. After `may_allocate`.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: the caller has asked may_allocate"
    )]
    pub fn next(&mut self) -> Result<Option<Next>> {
        if let Some(unique) = self.interrupts.pop() {
            let message = Message::new(Opcode::Interrupt, 0).u64(unique);
            let note = message.finish(unique | INTERRUPT, Sender::default())?;
            return Ok(Some(Next::Note(note)));
        }
        let forgets_next = self.waiting.is_empty() || self.turns >= TURNS;
        if forgets_next && !self.forgotten.is_empty() {
            self.turns = 0;
            return self.forgotten_note().map(Some);
        }
        self.turns += 1;
        let Some((unique, request)) = self.waiting.pop_first() else {
            return Ok(None);
        };
        self.sent.insert(unique, request.clone());
        if request.is_interrupted.load(Ordering::SeqCst) {
            self.interrupt(unique);
        }
        Ok(Some(Next::Question(request)))
    }

    fn forgotten_note(&mut self) -> Result<Next> {
        let many = matches!(self.phase, Phase::Open(terms) if terms.forgets_many);
        let count = match many {
            true => self.forgotten.len().min(MOST_FORGOTTEN),
            false => 1,
        };
        // With room for all of them nothing fails once they are taken out.
        let mut message = match (count, self.forgotten.first_key_value()) {
            (1, Some((node, _))) => Message::new(Opcode::Forget, *node),
            _ => Message::new(Opcode::BatchForget, 0)
                .u32(count as u32)
                .u32(0),
        }
        .with_room(count * 16)?;
        for _ in 0..count {
            let Some((node, counted)) = self.forgotten.pop_first() else {
                break;
            };
            if count > 1 {
                message = message.u64(node);
            }
            message = message.u64(counted);
        }
        let note = message.finish(0, Sender::default())?;
        debug_assert!(note.len() > IN_HEADER);
        Ok(Next::Note(note))
    }
}

/// Questions of a connection that has ended.
pub struct Ended(BTreeMap<u64, Arc<Request>>, BTreeMap<u64, Arc<Request>>);

impl Ended {
    /// Tells those who wait. With no lock held.
    pub fn tell(mut self) {
        for requests in [&mut self.0, &mut self.1] {
            while let Some((_, request)) = requests.pop_first() {
                request.answer(Err(Errno::ECONNABORTED));
            }
        }
    }
}
