//! Keys: the host's own, and those that may log in.

mod authorized;
mod host;
mod verify;

pub use authorized::{AuthorizedKeys, BadLine, KeyOptions, KeyRefusal, Origin, Variable};
pub use host::{HostKey, HostKeyError};
pub(crate) use verify::{matches_algorithm, verify};

use alloc::string::{String, ToString};

use ssh_key::HashAlg;
use ssh_key::public::KeyData;

/// The fingerprint by which people know a key: `SHA256:` and base64.
pub fn fingerprint(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
