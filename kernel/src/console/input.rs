//! Bytes that arrive at the UART: from its interrupt, through a ring, to the
//! console's terminal.

use super::uart::Uart;
use core::sync::atomic::{
    AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use paddock_sync::{IrqOff, Rank, SpinLock, WaitQueue};

/// Bytes that wait for a reader at most.
const CAPACITY: usize = 1024;

/// Written by the interrupt alone, read with [`READER`] held.
static BYTES: [AtomicU8; CAPACITY] = [const { AtomicU8::new(0) }; CAPACITY];
static HEAD: AtomicUsize = AtomicUsize::new(0);
static TAIL: AtomicUsize = AtomicUsize::new(0);
static READER: SpinLock<(), IrqOff> = SpinLock::new(Rank::Leaf, ());
static ARRIVED: WaitQueue = WaitQueue::new();

/// Where input is announced.
pub fn input_queue() -> &'static WaitQueue {
    &ARRIVED
}

/// Takes out what has arrived, as much as fits; 0 if nothing has. Any
/// context; wait at [`input_queue`].
pub fn read_input(buffer: &mut [u8]) -> usize {
    let _reader = READER.lock();
    let head = HEAD.load(Acquire);
    let mut tail = TAIL.load(Relaxed);
    let mut count = 0;
    for byte in buffer {
        if tail == head {
            break;
        }
        *byte = BYTES[tail % CAPACITY].load(Relaxed);
        tail = tail.wrapping_add(1);
        count += 1;
    }
    TAIL.store(tail, Release);
    count
}

/// Empties the UART. From its interrupt, the only caller. Bytes that nobody
/// reads in time are dropped, newest first.
pub fn receive(uart: &Uart) {
    let mut any = false;
    while let Some(byte) = uart.receive() {
        any |= keep(byte);
    }
    if any {
        ARRIVED.wake_all();
    }
}

fn keep(byte: u8) -> bool {
    let head = HEAD.load(Relaxed);
    let full = head.wrapping_sub(TAIL.load(Acquire)) >= CAPACITY;
    if !full {
        BYTES[head % CAPACITY].store(byte, Relaxed);
        HEAD.store(head.wrapping_add(1), Release);
    }
    !full
}
