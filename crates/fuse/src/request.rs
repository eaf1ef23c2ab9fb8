//! [`Request`]: one question, and its answer.

use crate::message::{Fields, OUT_HEADER};
use crate::opcode::Opcode;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::{PreemptOff, Rank, SpinLock, WaitQueue, try_arc};

/// How long an answer may be, without its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Exactly(usize),
    UpTo(usize),
}

impl Expect {
    pub fn allows(self, length: usize) -> bool {
        match self {
            Expect::Exactly(wanted) => length == wanted,
            Expect::UpTo(most) => length <= most,
        }
    }

    fn most(self) -> usize {
        match self {
            Expect::Exactly(length) | Expect::UpTo(length) => length,
        }
    }
}

/// What has become of a question.
enum Outcome {
    Waiting,
    Answered(Result<Vec<u8>>),
    /// Nobody waits for the answer, or any more.
    Unwanted,
}

/// One question.
pub struct Request {
    pub unique: u64,
    pub opcode: Opcode,
    pub node: u64,
    pub expect: Expect,
    /// All of it.
    pub message: Vec<u8>,
    outcome: SpinLock<Outcome, PreemptOff>,
    /// A signal is to be handled by whoever waits.
    pub is_interrupted: AtomicBool,
    pub done: WaitQueue,
    _charge: Charge,
}

/// What a request costs besides its bytes.
const COST: usize = 512;

impl Request {
    /// Who waits for it pays, for the answer too; or nobody waits.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(
        (unique, opcode, node): (u64, Opcode, u64),
        message: Vec<u8>,
        expect: Expect,
        is_waited_for: bool,
        account: &Arc<paddock_charge::Account>,
    ) -> Result<Arc<Request>> {
        let bytes = message.len() + expect.most() + OUT_HEADER + COST;
        let outcome = match is_waited_for {
            true => Outcome::Waiting,
            false => Outcome::Unwanted,
        };
        try_arc(Request {
            unique,
            opcode,
            node,
            expect,
            message,
            outcome: SpinLock::new(Rank::Leaf, outcome),
            is_interrupted: AtomicBool::new(false),
            done: WaitQueue::new(),
            _charge: Charge::new(account, bytes)?,
        })
    }

    /// Whether it is answered. Never sleeps.
    pub fn is_answered(&self) -> bool {
        matches!(*self.outcome.lock(), Outcome::Answered(_))
    }

    /// Gives the answer to whoever waits for it; gives it back if nobody does.
    pub fn answer(&self, answer: Result<Vec<u8>>) -> Option<Vec<u8>> {
        {
            let mut outcome = self.outcome.lock();
            match *outcome {
                Outcome::Waiting => *outcome = Outcome::Answered(answer),
                _ => return answer.ok(),
            }
        }
        self.done.wake_all();
        None
    }

    /// The answer, of one that is answered. `EINTR` of another, which nobody waits for from
    /// now on.
    pub fn take(&self) -> Result<Vec<u8>> {
        let outcome = core::mem::replace(&mut *self.outcome.lock(), Outcome::Unwanted);
        match outcome {
            Outcome::Answered(answer) => answer,
            _ => Err(Errno::EINTR),
        }
    }

    /// Whoever waits has a signal to handle: whether that is news.
    pub fn interrupt(&self) -> bool {
        !self.is_interrupted.swap(true, Ordering::SeqCst)
    }
}

/// What the program has counted for an answer that nobody wants any more: a node that was
/// looked up, and an open file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub node: Option<u64>,
    pub open: Option<(Opcode, u64, u64)>,
}

impl Counted {
    /// By what was asked, of which node, and what was answered.
    pub fn by(opcode: Opcode, node: u64, answer: &[u8]) -> Counted {
        use Opcode::{Create, Link, Lookup, Mkdir, Mknod, Open, Opendir, Symlink};
        let first = Fields(answer).u64().ok().filter(|first| *first != 0);
        let number = |at: usize| Fields(answer.get(at..)?).u64().ok();
        match opcode {
            Lookup | Mknod | Mkdir | Symlink | Link => Counted {
                node: first,
                open: None,
            },
            Create => Counted {
                node: first,
                open: first
                    .zip(number(crate::answers::ENTRY_OUT))
                    .map(|(made, number)| (Opcode::Release, made, number)),
            },
            Open => Counted {
                node: None,
                open: number(0).map(|number| (Opcode::Release, node, number)),
            },
            Opendir => Counted {
                node: None,
                open: number(0).map(|number| (Opcode::Releasedir, node, number)),
            },
            _ => Counted::default(),
        }
    }
}
