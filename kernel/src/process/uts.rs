//! The names of the host and its domain (uname(2)).

use alloc::vec::Vec;
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// The longest name, in bytes.
pub const NAME_MAX: usize = 64;

/// Empty until they are set.
struct Names {
    host: Vec<u8>,
    domain: Vec<u8>,
}

static NAMES: SpinLock<Names, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Names {
        host: Vec::new(),
        domain: Vec::new(),
    },
);

/// The host's name. Never sleeps.
pub fn hostname() -> Vec<u8> {
    or(NAMES.lock().host.clone(), b"paddock")
}

/// The domain's name, as uname(2) tells it. Never sleeps.
pub fn domain() -> Vec<u8> {
    or(NAMES.lock().domain.clone(), b"(none)")
}

fn or(name: Vec<u8>, default: &[u8]) -> Vec<u8> {
    match name.is_empty() {
        true => default.to_vec(),
        false => name,
    }
}

/// Sets the host's name, of at most [`NAME_MAX`] bytes. Never sleeps.
pub fn set_hostname(name: Vec<u8>) {
    let old = core::mem::replace(&mut NAMES.lock().host, name);
    drop(old);
}

/// Sets the domain's name, likewise.
pub fn set_domain(name: Vec<u8>) {
    let old = core::mem::replace(&mut NAMES.lock().domain, name);
    drop(old);
}
