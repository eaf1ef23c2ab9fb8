//! Bytes that arrive at the UART: from its interrupt, through a ring, to the
//! console's terminal.

use super::uart::Uart;
use paddock_console::ByteRing;
use paddock_sync::{IrqOff, Rank, SpinLock, WaitQueue};

/// Bytes that wait for a reader at most.
const CAPACITY: usize = 1024;

/// Written by the interrupt alone, read with [`READER`] held.
static RING: ByteRing<CAPACITY> = ByteRing::new();
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
    let mut count = 0;
    for (place, byte) in buffer.iter_mut().zip(core::iter::from_fn(|| RING.pop())) {
        *place = byte;
        count += 1;
    }
    count
}

/// Empties the UART. From its interrupt, the only caller. Bytes that nobody
/// reads in time are dropped, newest first.
pub fn receive(uart: &Uart) {
    let mut any = false;
    while let Some(byte) = uart.receive() {
        any |= RING.push(byte);
    }
    if any {
        ARRIVED.wake_all();
    }
}
