//! ptrace(2) on the side of threads that are traced: where they stand still, and what
//! their tracers find of them there. Who traces whom is the tree's.

mod events;

pub use events::{
    detach, event_of_clone, inherit, is_by_weaker, process_ended, tell_clone, tell_end, tell_exec,
    tell_vfork_done, thread_ended, tracer_ended,
};

use super::numbers::known_to;
use super::object::{Process, UserThread};
use super::{cgroup, signals, tree};
use crate::arch::debug::{self, PSTATE_SS};
use crate::arch::trap::TrapFrame;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use paddock_abi::ptrace::*;
use paddock_abi::signal::{SI_USER, SIGCHLD, SIGKILL, SIGTRAP, Siginfo};
use paddock_abi::{Errno, Result};
use paddock_process::WaitStatus;
use paddock_process::signal::{Delivery, FpState, Registers};
use paddock_sync::{PreemptGuard, Rank, SpinLock, try_box};

/// It has a tracer.
const TRACED: u32 = 1;
/// It stands still for that, until this is cleared.
const STANDS: u32 = 2;
/// It stands until its process goes on, or its tracer interrupts it.
const LISTENS: u32 = 4;
/// It stops at system calls.
const CALLS: u32 = 8;
/// It stops after one instruction.
const STEPS: u32 = 0x10;
/// Its tracer has interrupted it.
const TRAP: u32 = 0x20;
/// Its tracer has been told that it ends.
const ENDS: u32 = 0x40;

/// `NT_ARM_SYSTEM_CALL` outside of system calls, and for one that is not to be made.
pub const NO_CALL: i32 = -1;

/// What a thread has for its tracer.
pub struct Trace {
    flags: AtomicU32,
    /// It takes steps. The thread's own.
    stepping: AtomicBool,
    /// Which stop of its process it has told its tracer of.
    stop_told: AtomicU64,
    /// What its tracer may look at and change while it stands.
    pub area: SpinLock<Option<Box<Area>>>,
}

/// What a tracer sees of a thread that stands still, and changes of it.
#[derive(Clone)]
pub struct Area {
    /// General registers.
    pub registers: Registers,
    /// Floating-point registers.
    pub fp: FpState,
    /// The thread pointer.
    pub tls: u64,
    /// The system call under way.
    pub number: i32,
    /// Where it stands in that (`PTRACE_SYSCALL_INFO_…`).
    pub place: u8,
    /// The signal that it stands for; none in an ordinary stop of its process.
    pub info: Option<Siginfo>,
    /// `PTRACE_GETEVENTMSG`.
    pub message: u64,
    /// With what signal it goes on; zero for none.
    pub signal: u32,
}

/// How a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoOn {
    /// To the next signal or event.
    Freely,
    /// To the next beginning or end of a system call.
    ToCall,
    /// For one instruction.
    Step,
}

/// Why a thread stands still.
struct Stop {
    signal: u8,
    event: u8,
    info: Option<Siginfo>,
    message: u64,
    place: u8,
}

impl Trace {
    /// Of a thread that is not traced.
    pub fn new() -> Trace {
        Trace {
            flags: AtomicU32::new(0),
            stepping: AtomicBool::new(false),
            stop_told: AtomicU64::new(0),
            area: SpinLock::new(Rank::Leaf, None),
        }
    }

    fn has(&self, flags: u32) -> bool {
        self.flags.load(Ordering::Acquire) & flags != 0
    }

    fn set(&self, flags: u32) {
        self.flags.fetch_or(flags, Ordering::AcqRel);
    }

    fn clear(&self, flags: u32) {
        self.flags.fetch_and(!flags, Ordering::AcqRel);
    }

    /// Whether this CPU takes steps while the thread is on it. For the switch.
    pub fn is_stepping(&self) -> bool {
        self.stepping.load(Ordering::Relaxed)
    }

    fn make_area(&self) -> Result<()> {
        if self.area.lock().is_some() {
            return Ok(());
        }
        let area = try_box(Area {
            registers: Registers {
                x: [0; 31],
                sp: 0,
                pc: 0,
                pstate: 0,
            },
            fp: FpState {
                vregs: [0; 64],
                fpsr: 0,
                fpcr: 0,
            },
            tls: 0,
            number: NO_CALL,
            place: PTRACE_SYSCALL_INFO_NONE,
            info: None,
            message: 0,
            signal: 0,
        })?;
        *self.area.lock() = Some(area);
        Ok(())
    }
}

impl UserThread {
    /// Whether it has a tracer.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.trace.has(TRACED)
    }

    /// Whether its tracer has interrupted it.
    pub fn is_interrupted(&self) -> bool {
        self.trace.has(TRAP)
    }

    /// It is traced by process `tracer` from now on. `ESRCH`, `EPERM`, `ENOMEM`.
    pub fn begin_trace(&self, tracer: u32, seized: bool, options: TraceOptions) -> Result<()> {
        self.trace.make_area()?;
        tree().lock().trace(self.tid, tracer, seized, options)?;
        self.trace.stop_told.store(0, Ordering::Relaxed);
        self.trace.set(TRACED);
        let mut signals = self.process.signals.lock();
        let known = signals.set_traced(self.tid, true);
        drop(signals);
        known.inspect_err(|_| tree().lock().untrace(self.tid))?;
        self.watch();
        // It may stand still already, as its process does.
        self.process.changed.wake_all();
        Ok(())
    }

    /// It has no tracer any more, and goes on.
    pub fn end_trace(&self) {
        let _ = self.process.signals.lock().set_traced(self.tid, false);
        self.trace.clear(!0);
        self.unwatch();
        self.notify();
        self.process.changed.wake_all();
    }

    /// It goes on. The tree knows that.
    pub fn go_on(&self, how: GoOn, signal: u32) {
        if let Some(area) = &mut *self.trace.area.lock() {
            area.signal = signal;
        }
        self.trace.clear(CALLS | STEPS);
        self.trace.set(match how {
            GoOn::Freely => 0,
            GoOn::ToCall => CALLS,
            GoOn::Step => STEPS,
        });
        self.trace.clear(STANDS | LISTENS);
        self.process.changed.wake_all();
    }

    /// `PTRACE_LISTEN`. The tree knows that.
    pub fn listen(&self) {
        self.trace.set(LISTENS);
        self.process.changed.wake_all();
    }

    /// `PTRACE_INTERRUPT`.
    pub fn interrupt(&self) {
        self.trace.set(TRAP);
        self.notify();
        self.process.changed.wake_all();
    }

    /// Whether its process is stopped, and it has not told its tracer of that.
    fn has_stop_to_tell(&self) -> bool {
        let stop = self.process.stop.lock();
        self.is_traced()
            && stop.stopped
            && self.trace.stop_told.load(Ordering::Relaxed) != stop.number
    }
}

/// Whether nothing keeps a thread from dying.
fn is_killed(thread: &UserThread) -> bool {
    let signals = thread.process.signals.lock();
    let by_kill = |status| matches!(status, WaitStatus::Signaled { signal, .. } if u32::from(signal) == SIGKILL);
    signals.ending().is_some_and(by_kill) || signals.kill_waits(thread.tid)
}

/// The running thread, which this is, stands still until its tracer has it go on; with
/// what signal. `None` if it has no tracer. May sleep.
fn stand(thread: &UserThread, frame: &mut TrapFrame, stop: &Stop) -> Option<u32> {
    let process = &thread.process;
    let trace = &thread.trace;
    show(thread, frame, stop)?;
    trace.set(STANDS);
    let status = WaitStatus::Trapped {
        signal: stop.signal,
        event: stop.event,
    };
    let Some(tracer) = tree().lock().trace_stop(thread.tid, status) else {
        trace.clear(STANDS);
        return None;
    };
    tell_tracer(&tracer, process, thread.tid, status);
    let listens_no_more =
        || trace.has(LISTENS) && (trace.has(TRAP) || !process.stop.lock().stopped);
    let may_go = || (!trace.has(STANDS) || listens_no_more() || is_killed(thread)).then_some(());
    cgroup::stand_while(thread, || process.changed.wait_until(may_go));
    tree().lock().trace_resume(thread.tid);
    if trace.has(LISTENS) {
        trace.set(TRAP);
    }
    trace.clear(STANDS | LISTENS);
    thread.notify_self();
    let signal = take_back(thread, frame);
    set_stepping(thread, frame, trace.has(TRACED) && trace.has(STEPS));
    Some(signal)
}

/// Puts what the tracer may see where it finds it. `None` if there is no such place.
fn show(thread: &UserThread, frame: &TrapFrame, stop: &Stop) -> Option<()> {
    let fp = signals::fp_to_frame(&thread.current_fp());
    let mut area = thread.trace.area.lock();
    let area = area.as_mut()?;
    area.registers = signals::registers_of(frame);
    area.registers.pstate &= !PSTATE_SS;
    area.fp = fp;
    area.tls = crate::arch::cpu::user_tls();
    area.place = stop.place;
    area.info = stop.info;
    area.message = stop.message;
    area.signal = 0;
    area.number = match stop.place {
        PTRACE_SYSCALL_INFO_NONE => NO_CALL,
        _ => frame.x[8] as i32,
    };
    Some(())
}

/// Goes on as the tracer has left the registers; with what signal.
fn take_back(thread: &UserThread, frame: &mut TrapFrame) -> u32 {
    let area = thread.trace.area.lock();
    let Some(area) = area.as_deref().cloned() else {
        return 0;
    };
    if area.registers.pc != frame.pc {
        // It goes on somewhere else than in the call that was interrupted.
        *thread.interrupted.lock() = None;
    }
    signals::set_registers(frame, &area.registers);
    thread.load_fp(&signals::fp_from_frame(&area.fp));
    thread.set_tls(area.tls);
    area.signal
}

/// The running thread takes steps from now on, or none.
fn set_stepping(thread: &UserThread, frame: &mut TrapFrame, on: bool) {
    if thread.trace.stepping.load(Ordering::Relaxed) != on {
        let _stay = PreemptGuard::new();
        thread.trace.stepping.store(on, Ordering::Relaxed);
        debug::set_stepping(on);
    }
    match on {
        true => frame.pstate |= PSTATE_SS,
        false => frame.pstate &= !PSTATE_SS,
    }
}

/// An instruction has been stepped over. Gives whether that is for a tracer.
pub fn stepped(frame: &mut TrapFrame) -> bool {
    let Some(thread) = super::current() else {
        return false;
    };
    if !thread.is_traced() {
        set_stepping(thread, frame, false);
    }
    thread.is_traced()
}

/// `SIGCHLD` for a tracer, who is woken.
fn tell_tracer(tracer: &Arc<Process>, process: &Process, tid: u32, status: WaitStatus) {
    let hears = status.is_end() || tracer.signals.lock().hears_stops();
    if hears {
        let number = known_to(&tracer.space, tid);
        let info = signals::child_info(tracer, SIGCHLD, process, number, status);
        let _ = signals::send_to_process(tracer, &info);
    }
    tracer.children.wake_all();
}

/// What `PTRACE_GETSIGINFO` says of a stop that is no signal's.
fn event_info(thread: &UserThread, signal: u32, code: i32) -> Siginfo {
    let uid = super::identity::viewer().shown_uid(thread.with_cred(|cred| cred.uid.real));
    Siginfo::from_process(signal, code, thread.number.get() as i32, uid)
}

/// Stops at an event, if its tracer asked for that or `always`; sends itself the signal
/// that the tracer has it go on with.
fn stop_at(thread: &UserThread, frame: &mut TrapFrame, signal: u32, event: u8, message: u64) {
    let code = i32::from(event) << 8 | signal as i32;
    let stop = Stop {
        signal: signal as u8,
        event,
        info: Some(event_info(thread, signal, code)),
        message,
        place: PTRACE_SYSCALL_INFO_NONE,
    };
    let signal = stand(thread, frame, &stop).unwrap_or(0);
    send_to_self(thread, signal);
}

fn send_to_self(thread: &UserThread, signal: u32) {
    if signal != 0 {
        let info = event_info(thread, signal, SI_USER);
        let _ = signals::send_to_thread(&thread.process, thread.tid, &info);
    }
}

fn options(thread: &UserThread) -> TraceOptions {
    let tracee = tree().lock().tracee(thread.tid);
    tracee.map_or(TraceOptions::empty(), |it| it.options)
}

/// A system call begins: its number, as the tracer leaves it; `None` if it is not to be
/// made. May sleep.
pub fn call_begins(thread: &UserThread, frame: &mut TrapFrame) -> Option<u64> {
    if !thread.trace.has(CALLS) {
        return Some(frame.x[8]);
    }
    stop_at_call(thread, frame, PTRACE_SYSCALL_INFO_ENTRY);
    let number = thread.trace.area.lock().as_ref().map(|it| it.number)?;
    let made = number != NO_CALL && !is_killed(thread);
    // As the register has it, if the tracer has not chosen another.
    let same = frame.x[8] as i32 == number;
    made.then_some(if same {
        frame.x[8]
    } else {
        number as u32 as u64
    })
}

/// A system call ends with `result`; what it gives, as the tracer leaves it. May sleep.
pub fn call_ends(thread: &UserThread, frame: &mut TrapFrame, result: u64) -> u64 {
    if !thread.trace.has(CALLS) || thread.is_ending() {
        return result;
    }
    let again = thread.interrupted.lock().map(|it| it.how);
    let shown = again.map_or(result, Errno::to_return_value);
    frame.x[0] = shown;
    stop_at_call(thread, frame, PTRACE_SYSCALL_INFO_EXIT);
    if frame.x[0] == shown {
        return result;
    }
    *thread.interrupted.lock() = None;
    frame.x[0]
}

fn stop_at_call(thread: &UserThread, frame: &mut TrapFrame, place: u8) {
    /// `PTRACE_O_TRACESYSGOOD`.
    const MARK: u32 = 0x80;
    let marks = options(thread).contains(TraceOptions::SYSGOOD);
    let signal = SIGTRAP | if marks { MARK } else { 0 };
    let stop = Stop {
        signal: signal as u8,
        event: 0,
        info: Some(event_info(thread, SIGTRAP, signal as i32)),
        message: u64::from(place),
        place,
    };
    let signal = stand(thread, frame, &stop).unwrap_or(0);
    send_to_self(thread, signal);
}

/// On the way to user mode, before signals: the stop that its tracer has asked for.
/// May sleep.
pub fn before_signals(thread: &UserThread, frame: &mut TrapFrame) {
    if !thread.is_traced() {
        if thread.trace.is_stepping() {
            set_stepping(thread, frame, false);
        }
        return;
    }
    if thread.trace.has(TRAP) && !thread.has_stop_to_tell() {
        thread.trace.clear(TRAP);
        stop_at(thread, frame, SIGTRAP, PTRACE_EVENT_STOP, 0);
    }
}

/// The next thing that a traced thread does about signals, of each of which its tracer
/// is told first. May sleep.
pub fn next_delivery(thread: &UserThread, frame: &mut TrapFrame) -> Option<Delivery> {
    let process = &thread.process;
    loop {
        let info = process.signals.lock().take_next(thread.tid)?;
        let Some(info) = ask(thread, frame, info) else {
            continue;
        };
        let mut signals = process.signals.lock();
        let blocked = signals
            .mask(thread.tid)
            .is_ok_and(|mask| mask.contains(info.signal()));
        if blocked && info.signal() != SIGKILL {
            let _ = signals.send(&info, Some(thread.tid));
            continue;
        }
        let delivery = signals.decide(thread.tid, &info);
        if delivery.is_some() {
            return delivery;
        }
    }
}

/// What signal the tracer has the thread take in place of this one.
fn ask(thread: &UserThread, frame: &mut TrapFrame, info: Siginfo) -> Option<Siginfo> {
    if info.signal() == SIGKILL {
        return Some(info);
    }
    let stop = Stop {
        signal: info.signal() as u8,
        event: 0,
        info: Some(info),
        message: 0,
        place: PTRACE_SYSCALL_INFO_NONE,
    };
    match stand(thread, frame, &stop) {
        None => Some(info),
        Some(0) => None,
        Some(signal) => {
            let changed = thread.trace.area.lock().as_ref().and_then(|it| it.info);
            let same = changed.filter(|info| info.signal() == signal);
            Some(same.unwrap_or_else(|| event_info(thread, signal, SI_USER)))
        }
    }
}

/// Tells the tracer once that the thread's process is stopped; whether it did. May
/// sleep.
pub fn tell_stop(thread: &UserThread, frame: &mut TrapFrame) -> bool {
    if !thread.has_stop_to_tell() || thread.is_ending() {
        return false;
    }
    let (number, signal) = {
        let stop = thread.process.stop.lock();
        (stop.number, u32::from(stop.signal))
    };
    thread.trace.stop_told.store(number, Ordering::Relaxed);
    thread.trace.clear(TRAP);
    let seized = tree().lock().tracee(thread.tid).is_some_and(|it| it.seized);
    match seized {
        true => stop_at(thread, frame, signal, PTRACE_EVENT_STOP, 0),
        false => {
            let stop = Stop {
                signal: signal as u8,
                event: 0,
                info: None,
                message: 0,
                place: PTRACE_SYSCALL_INFO_NONE,
            };
            let signal = stand(thread, frame, &stop).unwrap_or(0);
            send_to_self(thread, signal);
        }
    }
    true
}
