//! All terminals, and whose they are.

use alloc::sync::Arc;
use paddock_sync::OnceCell;
use paddock_tty::Terminals;

static TERMINALS: OnceCell<Arc<Terminals>> = OnceCell::new();

/// Sets the terminals there are. Once, before the root is mounted.
pub fn set(terminals: Arc<Terminals>) {
    if TERMINALS.set(terminals).is_err() {
        panic!("terminals were made twice");
    }
}

/// All terminals. After the root is mounted.
pub fn all() -> &'static Arc<Terminals> {
    match TERMINALS.get() {
        Some(terminals) => terminals,
        None => panic!("terminals are asked for before the root is mounted"),
    }
}
