//! The SSH server (SPEC S17) on the main loop: keys and settings at start-up,
//! programs for the sessions, and the system behind `paddock-ssh`.
//!
//! Start-up and steady state are apart (SPEC S10): [`prepare`] does the file
//! work before the server accepts; after that only worker threads touch
//! files.

mod accounts;
mod authorize;
mod backend;
mod child;
mod door;
mod environment;
mod fallback;
mod files;
mod host_key;
mod kept;
mod listen;
mod monitor;
mod outgoing;
mod served;
mod watched;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_ssh::Config;
use paddock_sync::OnceCell;

pub use listen::start;

static CONFIG: OnceCell<Arc<Config>> = OnceCell::new();
static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Reads or makes the host key and says its fingerprint. Thread context,
/// before the server accepts.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn prepare() {
    let key = host_key::load_or_make();
    log::info!("ssh: host key {} (ED25519)", key.fingerprint());
    door::init();
    authorize::read_root();
    let _ = CONFIG.set(Arc::new(Config::new(key)));
    INITIALIZED.store(true, Ordering::Release);
}

/// Whether the file work of start-up is done.
pub fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Acquire)
}
