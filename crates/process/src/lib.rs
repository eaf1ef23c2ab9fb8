//! Processes without the hardware: who is whose child, which signal does
//! what, how an ELF file becomes memory, and the objects through which
//! processes talk (pipes, output channels, futexes).
//!
//! Everything here is plain data or an object with its own short lock; the
//! kernel decides when, and in which address space.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod acct;
pub mod aio;
mod channel;
mod cpu_timers;
pub mod elf;
pub mod futex;
mod io_owner;
mod leases;
pub mod locks;
pub mod oom;
pub mod pi_futex;
mod pipe;
mod ring;
pub mod script;
pub mod signal;
pub mod stack;
mod status;
mod timers;
mod tree;
mod weak_list;

pub use channel::{ChannelReader, ChannelWriter, OutputChannel, channel};
pub use cpu_timers::{CpuLimit, CpuTimer, CpuTimers, CpuTimes, Due, Measured, Setting};
pub use io_owner::{IoOwner, IoSignal};
pub use leases::{Break, LeaseKind, Leases, OpenBy};
pub use pipe::{
    Fifo, FifoEnd, PIPE_BUF, PIPE_MAX, PIPE_SIZE, Payer, PipeEnd, PipeReader, PipeWriter, pipe,
    reopen,
};
pub use ring::{Ring, TryRead};
pub use status::{IoUsage, Usage, WaitStatus};
pub use timers::{Schedule, TimerQueue};
pub use tree::{
    Bereft, ExitEffects, LEVELS_MAX, Local, Member, PID_MAX, PidSpace, Selector, TaskLimits,
    TraceEnd, Tracee, Tree, Waited,
};
pub use weak_list::{Listed, Membership, WeakList};
