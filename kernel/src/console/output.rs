//! The way out: the transmit ring, who moves it on, and the panic's short
//! cut.

use super::uart::Uart;
use super::{input, logger};
use crate::interrupts::{self, Handler};
use crate::machine::Machine;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use paddock_console::{ByteRing, Line};
use paddock_sync::{IrqOff, OnceCell, Rank, SpinLock, WaitQueue};

/// Bytes that may be on their way.
const CAPACITY: usize = 16 * 1024;
/// Bytes of the ring that only the kernel's own messages may use.
const RESERVE: usize = 4 * 1024;
/// Writers are woken when at least this much room is theirs.
const WAKE_ROOM: usize = 2 * 1024;
/// See `log_ring`: the lock is held for the copy of one message.
const PATIENCE: u32 = 100_000;

/// Read without the lock in a panic alone.
static RING: ByteRing<CAPACITY> = ByteRing::new();
static LOCK: SpinLock<(), IrqOff> = SpinLock::new(Rank::Console, ());
static UART: OnceCell<Uart> = OnceCell::new();
static ROOM: WaitQueue = WaitQueue::new();
/// Bytes are moved on by interrupts; before, they are polled out.
static INTERRUPTS: AtomicBool = AtomicBool::new(false);
/// There is no UART: output goes nowhere, so that nobody waits for room.
static DISCARD: AtomicBool = AtomicBool::new(false);
/// A writer found too little room and is to be woken; changed with the lock
/// held. As long as it is set the transmit interrupt stays on: whoever moves
/// bytes on, on whichever CPU, may do so with locks held after which nobody
/// can be woken.
static STARVED: AtomicBool = AtomicBool::new(false);
static PANICKING: AtomicBool = AtomicBool::new(false);
/// The lock was not given back when it was last waited for in a report.
static STUCK: AtomicBool = AtomicBool::new(false);
/// Bytes of kernel messages that found the ring full and were not told of.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Finds the UART and connects the log. From here on what is printed is
/// seen; earlier messages follow now. Once, early at boot.
pub fn init(machine: &Machine) {
    logger::init();
    if let Some(level) = crate::machine::command_line().log_level {
        logger::set_level(level);
    }
    match machine.uart.as_ref().and_then(Uart::new) {
        Some(uart) => drop(UART.set(uart)),
        None => DISCARD.store(true, Relaxed),
    }
    let _lock = LOCK.lock();
    drain_polled();
}

/// Lets interrupts move output on and bring input. Once, when interrupts
/// work; without a UART interrupt output stays polled.
pub fn start_interrupts(machine: &Machine) {
    let interrupt = machine.uart.and_then(|uart| uart.interrupt);
    let (Some(uart), Some(interrupt)) = (UART.get(), interrupt) else {
        return;
    };
    let handler = Handler::new("uart", on_interrupt).triggered(interrupt.trigger);
    if let Err(error) = interrupts::register(interrupt.number, handler) {
        log::warn!("console: no interrupt ({error}); output is polled, there is no input");
        return;
    }
    let _lock = LOCK.lock();
    INTERRUPTS.store(true, Relaxed);
    uart.set_interrupts(false);
}

fn on_interrupt() {
    let Some(uart) = UART.get() else {
        return;
    };
    let (received, transmit) = uart.take_interrupts();
    if received {
        input::receive(uart);
    }
    if transmit && drain_for_writers() {
        ROOM.wake_all();
    }
}

/// Moves bytes on; whether writers are to be woken.
fn drain_for_writers() -> bool {
    let _lock = LOCK.lock();
    drain();
    if write_room() < WAKE_ROOM || !STARVED.swap(false, Relaxed) {
        return false;
    }
    // It may have nothing left to do.
    drain();
    true
}

/// Moves bytes to the UART while it has room; the interrupt does the rest.
/// With the lock held.
fn drain() {
    if !INTERRUPTS.load(Relaxed) {
        return drain_polled();
    }
    let Some(uart) = UART.get() else {
        return;
    };
    while let Some(byte) = RING.peek() {
        if !uart.try_send(byte) {
            break;
        }
        RING.pop();
    }
    uart.set_interrupts(!RING.is_empty() || STARVED.load(Relaxed));
}

fn drain_polled() {
    let uart = UART.get();
    if uart.is_none() && !DISCARD.load(Relaxed) {
        return;
    }
    while let Some(byte) = RING.pop() {
        if let Some(uart) = uart {
            uart.send_polled(byte);
        }
    }
}

/// See [`emit_parts`].
pub fn emit(text: &[u8]) {
    emit_parts(&[text]);
}

/// Prints kernel text, line ends as CR LF, without anything between the
/// parts. Any context. What finds the ring full is lost and counted.
pub fn emit_parts(parts: &[&[u8]]) {
    if panicking() {
        return parts.iter().for_each(|text| emit_polled(text));
    }
    for _ in 0..PATIENCE {
        if let Some(_lock) = LOCK.try_lock() {
            report_loss();
            parts.iter().for_each(|text| push_text(text, 0));
            drain();
            return;
        }
        crate::arch::cpu::relax();
    }
    LOST.fetch_add(parts.iter().map(|text| text.len() as u64).sum(), Relaxed);
}

/// As [`emit_parts`], for reports of trouble: all that waits and then this is sent
/// before it returns, past a console whose lock is not given back. Any context.
pub fn emit_urgent(parts: &[&[u8]]) {
    let patience = if STUCK.load(Relaxed) { 1 } else { PATIENCE };
    for _ in 0..patience {
        if let Some(_lock) = LOCK.try_lock() {
            STUCK.store(false, Relaxed);
            drain_polled();
            for text in parts {
                push_text(text, 0);
                drain_polled();
            }
            return;
        }
        crate::arch::cpu::relax();
    }
    STUCK.store(true, Relaxed);
    parts.iter().for_each(|text| emit_polled(text));
}

/// Says how much was lost, when there is room again. With the lock held.
fn report_loss() {
    if LOST.load(Relaxed) != 0 && RING.room() > RESERVE {
        let mut line = Line::new();
        let lost = LOST.swap(0, Relaxed);
        line.format(format_args!("[{lost} bytes of messages lost]"));
        line.end();
        push_text(line.bytes(), 0);
    }
}

/// Puts text into the ring, leaving `reserve` bytes free; with the lock held.
/// What does not fit is lost and counted.
fn push_text(text: &[u8], reserve: usize) {
    let taken = push_while_room(text, reserve);
    LOST.fetch_add((text.len() - taken) as u64, Relaxed);
}

/// Puts text into the ring, line ends as CR LF, while there are more than
/// `reserve` bytes free; how much of it. With the lock held.
fn push_while_room(text: &[u8], reserve: usize) -> usize {
    for (index, &byte) in text.iter().enumerate() {
        if RING.room() < reserve + 2 {
            return index;
        }
        if byte == b'\n' {
            RING.push(b'\r');
        }
        RING.push(byte);
    }
    text.len()
}

/// Writes a process's bytes as they are; how many were taken. Take the rest
/// to [`room`]'s queue. Any context.
pub fn write_bytes(bytes: &[u8]) -> usize {
    let _lock = LOCK.lock();
    let taken = bytes.len().min(RING.room().saturating_sub(RESERVE));
    bytes[..taken].iter().for_each(|&byte| {
        RING.push(byte);
    });
    note_starved(taken < bytes.len());
    drain();
    taken
}

/// With the lock held, before [`drain`].
fn note_starved(starved: bool) {
    if starved {
        STARVED.store(true, Relaxed);
    }
}

/// Like [`write_bytes`], with line ends turned into CR LF.
pub fn write_text(text: &[u8]) -> usize {
    let _lock = LOCK.lock();
    let taken = push_while_room(text, RESERVE);
    note_starved(taken < text.len());
    drain();
    taken
}

/// Bytes that [`write_bytes`] would take now.
pub fn write_room() -> usize {
    RING.room().saturating_sub(RESERVE)
}

/// Where room for [`write_bytes`] is announced.
pub fn room() -> &'static WaitQueue {
    &ROOM
}

/// Whether the machine is going down.
pub fn panicking() -> bool {
    PANICKING.load(Relaxed)
}

/// From here on printing takes no lock and waits for the UART instead. What
/// was still on its way goes first. For the panic path, interrupts masked.
pub fn enter_panic_mode() {
    if !PANICKING.swap(true, Relaxed) {
        drain_polled();
    }
}

fn emit_polled(text: &[u8]) {
    let Some(uart) = UART.get() else {
        return;
    };
    for &byte in text {
        if byte == b'\n' {
            uart.send_polled(b'\r');
        }
        uart.send_polled(byte);
    }
}

/// Holds the console's lock, and with it interrupts, meanwhile.
#[cfg(feature = "test-kernel")]
pub fn hold_while(work: impl FnOnce()) {
    let _lock = LOCK.lock();
    work();
}
