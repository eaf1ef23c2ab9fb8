//! The console as a terminal: the UART behind a line discipline.

use super::{input, output};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use paddock_tty::{Sink, Tty};

/// The UART as the place where a terminal's output goes.
#[derive(Debug)]
pub struct ConsoleSink;

/// The terminal has output that found no room.
static WAITING: AtomicBool = AtomicBool::new(false);

impl Sink for ConsoleSink {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            taken += output::write_bytes(&bytes[taken..]);
            if taken == bytes.len() {
                return taken;
            }
            // Set before the last look at the room: whoever makes room after
            // that look sees it.
            WAITING.store(true, SeqCst);
            if output::write_room() == 0 {
                return taken;
            }
        }
    }
}

/// Hands the terminal what is typed. For ever, unless memory runs out at the
/// very start. What the terminal has no room for is lost, as on every serial
/// line.
#[embassy_executor::task]
pub async fn feed(tty: Arc<Tty>) {
    let mut buffer = [0; 64];
    loop {
        let typed = input::input_queue()
            .wait_async(|| Some(input::read_input(&mut buffer)).filter(|&count| count > 0))
            .await;
        match typed {
            Ok(count) => {
                tty.receive(buffer.get(..count).unwrap_or(&[]));
            }
            Err(error) => return log::error!("console: input stops: {error}"),
        }
    }
}

/// Moves the terminal's output on when there is room again. For ever, unless
/// memory runs out at the very start.
#[embassy_executor::task]
pub async fn flush(tty: Arc<Tty>) {
    loop {
        let room = output::room()
            .wait_async(|| {
                let go = output::write_room() > 0 && WAITING.swap(false, SeqCst);
                go.then_some(())
            })
            .await;
        match room {
            Ok(()) => tty.push_output(),
            Err(error) => return log::error!("console: output stops: {error}"),
        }
    }
}
