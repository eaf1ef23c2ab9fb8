//! All terminals, and whose they are.

use alloc::sync::Arc;
use paddock_abi::stat::make_device;
use paddock_sync::OnceCell;
use paddock_tty::{Terminals, Tty};

static TERMINALS: OnceCell<Arc<Terminals>> = OnceCell::new();

/// Sets the terminals there are. Once, before the root is mounted.
pub fn set(terminals: Arc<Terminals>) {
    if TERMINALS.set(terminals).is_err() {
        panic!("terminals were made twice");
    }
}

/// The major number of pseudo-terminals, and the console's numbers.
const PTS_MAJOR: u32 = 136;
const CONSOLE: (u32, u32) = (204, 64);

/// The device number of the terminal that controls a session; 0 if none does.
pub fn device_of(session: u32) -> u64 {
    match all().controlling(session) {
        Some(terminal) => device(&terminal),
        None => 0,
    }
}

/// A terminal's device number.
pub fn device(terminal: &Tty) -> u64 {
    match terminal.is_pty() {
        true => make_device(PTS_MAJOR, terminal.number()),
        false => make_device(CONSOLE.0, CONSOLE.1),
    }
}

/// All terminals. After the root is mounted.
pub fn all() -> &'static Arc<Terminals> {
    match TERMINALS.get() {
        Some(terminals) => terminals,
        None => panic!("terminals are asked for before the root is mounted"),
    }
}
