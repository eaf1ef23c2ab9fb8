//! The key by which clients recognise this machine.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRng;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::public::KeyData;
use ssh_key::{LineEnding, PrivateKey};
use zeroize::{Zeroize, Zeroizing};

use crate::wire::Put;

const ALGORITHM: &[u8] = b"ssh-ed25519";

/// A host key of type ssh-ed25519.
#[derive(Clone)]
pub struct HostKey {
    signing: SigningKey,
    blob: Vec<u8>,
}

/// Why a file is not a host key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyError {
    /// Not in OpenSSH's private key format.
    Format,
    /// Protected by a passphrase.
    Encrypted,
    /// A key of another type than ssh-ed25519.
    OtherType,
}

impl fmt::Display for HostKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "not a private key in OpenSSH's format",
            Self::Encrypted => "the key is protected by a passphrase",
            Self::OtherType => "the key is not of type ssh-ed25519",
        })
    }
}

impl HostKey {
    /// Makes a new key.
    pub fn generate<R: CryptoRng>(rng: &mut R) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let key = Self::from_seed(&seed);
        seed.zeroize();
        key
    }

    /// The key that belongs to a secret seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let mut blob = Vec::new();
        blob.put_string(ALGORITHM);
        blob.put_string(signing.verifying_key().as_bytes());
        Self { signing, blob }
    }

    /// Reads OpenSSH's private key format (its PROTOCOL.key), unencrypted.
    pub fn from_openssh(text: &str) -> Result<Self, HostKeyError> {
        let key = PrivateKey::from_openssh(text).map_err(|_| HostKeyError::Format)?;
        if key.is_encrypted() {
            return Err(HostKeyError::Encrypted);
        }
        match key.key_data() {
            KeypairData::Ed25519(pair) => Ok(Self::from_seed(&pair.private.to_bytes())),
            _ => Err(HostKeyError::OtherType),
        }
    }

    /// Writes what [`Self::from_openssh`] and `ssh-keygen` read. The text is
    /// secret: it belongs in a file of mode 0600.
    pub fn to_openssh(&self, comment: &str) -> Result<Zeroizing<String>, HostKeyError> {
        let pair = Ed25519Keypair::from_seed(self.signing.as_bytes());
        PrivateKey::new(KeypairData::Ed25519(pair), comment)
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .map_err(|_| HostKeyError::Format)
    }

    /// The line of a `.pub` or `known_hosts` file, without a comment.
    pub fn public_line(&self) -> String {
        ssh_key::PublicKey::new(self.public(), "").to_string()
    }

    /// The fingerprint by which people know the key.
    pub fn fingerprint(&self) -> String {
        super::fingerprint(&self.public())
    }

    /// The public half as it goes over the wire.
    pub(crate) fn public_blob(&self) -> &[u8] {
        &self.blob
    }

    fn public(&self) -> KeyData {
        KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(
            self.signing.verifying_key().to_bytes(),
        ))
    }

    /// A signature as it goes over the wire (RFC 8709, section 6).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_string(ALGORITHM);
        out.put_string(&self.signing.sign(message).to_bytes());
        out
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_writing_and_reading() {
        let key = HostKey::from_seed(&[9; 32]);
        let text = key.to_openssh("root@paddock").unwrap();
        let again = HostKey::from_openssh(&text).unwrap();
        assert_eq!(again.public_blob(), key.public_blob());
        assert!(key.fingerprint().starts_with("SHA256:"));
        assert!(key.public_line().starts_with("ssh-ed25519 AAAA"));
        assert!(!alloc::format!("{key:?}").contains("9, 9"));
    }

    #[test]
    fn refuses_what_is_no_key() {
        assert_eq!(
            HostKey::from_openssh("hello").err(),
            Some(HostKeyError::Format)
        );
        assert_eq!(HostKey::from_openssh("").err(), Some(HostKeyError::Format));
    }
}
