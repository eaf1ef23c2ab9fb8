//! Keys: the host's own, and those that may log in.

mod authorized;
mod certificate;
mod host;
mod verify;

pub use authorized::{AuthorizedKeys, BadLine, KeyOptions, KeyRefusal, Origin, Variable};
pub use certificate::Certificate;
pub(crate) use certificate::plain_algorithm;
pub use host::{HostKey, HostKeyError};
pub(crate) use verify::{Presence, is_known_type, matches_algorithm, strong_enough, verify};

use alloc::string::{String, ToString};

use ssh_key::HashAlg;
use ssh_key::public::KeyData;

/// A key as the log names it: by its fingerprint, and its certificate if it
/// came with one.
pub(crate) fn shown(key: &KeyData, certificate: Option<&Certificate>) -> String {
    match certificate {
        Some(certificate) => alloc::format!("{} ({certificate})", fingerprint(key)),
        None => fingerprint(key),
    }
}

/// The fingerprint by which people know a key: `SHA256:` and base64.
pub fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
