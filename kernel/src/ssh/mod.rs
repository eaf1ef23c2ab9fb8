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
mod greeting;
mod host_key;
mod incoming;
mod kept;
mod listen;
mod local;
mod monitor;
mod outgoing;
mod proc_file;
mod served;
mod settings;
mod stream;
mod watched;

use core::sync::atomic::{AtomicBool, Ordering};

pub use listen::start;
use settings::{describe as describe_settings, reload};

static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Shows its settings in `/proc`. Once, before the root is mounted.
pub fn show_settings() {
    proc_file::add();
}

/// Reads or makes the host key and says its fingerprint. Thread context,
/// before the server accepts.
pub fn prepare() {
    let (key, is_temporary) = host_key::load_or_make();
    let kind = if is_temporary {
        "ED25519, TEMPORARY: for this boot only"
    } else {
        "ED25519"
    };
    log::info!("ssh: host key {} ({kind})", key.fingerprint());
    door::init();
    settings::init(key);
    authorize::read_root();
    INITIALIZED.store(true, Ordering::Release);
}

/// Whether the file work of start-up is done.
pub fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Acquire)
}
