//! Filters, one upon the other, and what they say together.

use crate::Program;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::try_arc;
use zerocopy::{Immutable, IntoBytes};

/// What a call's filter is told of (`struct seccomp_data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub struct CallData {
    /// The call's number.
    pub number: i32,
    /// [`AUDIT_ARCH_AARCH64`].
    pub arch: u32,
    /// The address after the call.
    pub pc: u64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// The architecture, as filters know it.
pub const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;

impl CallData {
    /// The word at an offset in bytes, a multiple of four; zero beyond the end.
    pub(crate) fn word(&self, offset: u32) -> u32 {
        let (words, _) = self.as_bytes().as_chunks::<4>();
        let word = words.get(offset as usize / 4);
        word.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}

const ACTION: u32 = 0xffff_0000;
const DATA: u32 = 0x0000_ffff;
const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// The largest error number.
const MOST_ERRNO: u32 = 4095;

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Allow,
    /// It is made, and the log tells of it.
    Log,
    /// It is not made, and its result is this error; zero is success.
    Errno(u16),
    /// It is not made, and the thread gets `SIGSYS` with this number.
    Trap(u16),
    /// Somebody who traces or listens decides: there is nobody.
    Absent,
    /// The thread ends.
    KillThread,
    /// The process ends.
    KillProcess,
}

impl Verdict {
    fn new(value: u32) -> Verdict {
        let data = value & DATA;
        match value & ACTION {
            ALLOW => Verdict::Allow,
            LOG => Verdict::Log,
            ERRNO => Verdict::Errno(data.min(MOST_ERRNO) as u16),
            TRAP => Verdict::Trap(data as u16),
            TRACE | USER_NOTIF => Verdict::Absent,
            KILL_THREAD => Verdict::KillThread,
            _ => Verdict::KillProcess,
        }
    }
}

/// Whether a filter may return an action, which does what it says.
pub fn is_action(action: u32) -> bool {
    matches!(
        action,
        KILL_PROCESS | KILL_THREAD | TRAP | ERRNO | TRACE | LOG | ALLOW
    )
}

/// What the instructions of all filters of a thread may be together, each with what
/// a filter costs beside them.
const MOST_TOGETHER: usize = 32_768;
const BESIDE: usize = 4;

/// A filter, and those that were there before it.
#[derive(Debug)]
pub struct Filter {
    program: Program,
    before: Option<Arc<Filter>>,
    /// With those before it: how many there are, and what they cost.
    count: usize,
    cost: usize,
    /// Whatever it does not simply allow is told of.
    logs: bool,
    _charge: Option<Charge>,
}

impl Drop for Filter {
    /// One after the other: there may be thousands.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut filter) = next.and_then(Arc::into_inner) {
            next = filter.before.take();
        }
    }
}

impl Filter {
    /// Puts a program upon the filters that a thread has.
    ///
    /// # Errors
    /// `ENOMEM`, also for too many instructions.
    pub fn new(
        program: Program,
        before: Option<Arc<Filter>>,
        logs: bool,
        charge: Option<Charge>,
    ) -> Result<Arc<Filter>> {
        let (count, cost) = before.as_ref().map_or((0, 0), |it| (it.count, it.cost));
        let own = program.len();
        if own + cost > MOST_TOGETHER {
            return Err(Errno::ENOMEM);
        }
        try_arc(Filter {
            program,
            before,
            count: count + 1,
            cost: cost + own + BESIDE,
            logs,
            _charge: charge,
        })
    }

    /// How many filters there are with it.
    pub fn count(&self) -> usize {
        self.count
    }

    fn all(&self) -> impl Iterator<Item = &Filter> {
        core::iter::successors(Some(self), |filter| filter.before.as_deref())
    }

    /// Whether it is `other` or upon it.
    fn includes(&self, other: &Filter) -> bool {
        self.all().any(|filter| core::ptr::eq(filter, other))
    }

    /// What all of them say of a call: the strictest, of equals the newest; and
    /// whether the log is to tell of it.
    pub fn judge(&self, data: &CallData) -> (Verdict, bool) {
        // As numbers with a sign, a stricter action is the lower one.
        let strictness = |value: u32| (value & ACTION) as i32;
        let (mut said, mut logs) = (ALLOW, false);
        for filter in self.all() {
            let value = filter.program.run(data);
            if strictness(value) < strictness(said) {
                (said, logs) = (value, filter.logs);
            }
        }
        let verdict = Verdict::new(said);
        (verdict, logs || verdict == Verdict::Log)
    }
}

/// Which calls a thread may make.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// All.
    #[default]
    Disabled,
    /// read(2), write(2), exit(2) and the end of a handler.
    Strict,
    /// What its filters say.
    Filtered(Arc<Filter>),
}

impl Mode {
    /// Its number, as `PR_GET_SECCOMP` and `/proc` tell it.
    pub fn number(&self) -> u32 {
        match self {
            Mode::Disabled => 0,
            Mode::Strict => 1,
            Mode::Filtered(_) => 2,
        }
    }

    /// How many filters there are.
    pub fn filters(&self) -> usize {
        match self {
            Mode::Filtered(filter) => filter.count(),
            _ => 0,
        }
    }

    /// The filters that a new one is put upon. `EINVAL` in the strict mode.
    pub fn base(&self) -> Result<Option<Arc<Filter>>> {
        match self {
            Mode::Disabled => Ok(None),
            Mode::Strict => Err(Errno::EINVAL),
            Mode::Filtered(filter) => Ok(Some(filter.clone())),
        }
    }

    /// Whether another thread of the process may go over to `new`: it is then no
    /// freer than before.
    pub fn may_become(&self, new: &Filter) -> bool {
        match self {
            Mode::Disabled => true,
            Mode::Strict => false,
            Mode::Filtered(own) => new.includes(own),
        }
    }
}
