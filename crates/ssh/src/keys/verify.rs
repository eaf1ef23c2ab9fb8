//! Signatures by which clients prove that they hold a key.

use ssh_key::Signature;
use ssh_key::public::KeyData;

use super::KeyOptions;

/// The verifier's trait under the name its crate gives it.
use ed25519_dalek::Verifier;

/// The smallest RSA modulus accepted, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Whether `algorithm` is one that is accepted, and one for this type of key.
pub(crate) fn matches_algorithm(key: &KeyData, algorithm: &str) -> bool {
    match key {
        KeyData::Rsa(_) => {
            matches!(algorithm, "rsa-sha2-256" | "rsa-sha2-512") && strong_enough(key)
        }
        KeyData::Ed25519(_)
        | KeyData::Ecdsa(_)
        | KeyData::SkEd25519(_)
        | KeyData::SkEcdsaSha2NistP256(_) => algorithm == key.algorithm().as_str(),
        _ => false,
    }
}

/// Whether a key is long enough, of its type.
pub(crate) fn strong_enough(key: &KeyData) -> bool {
    match key {
        KeyData::Rsa(key) => rsa_bits(key) >= MIN_RSA_BITS,
        _ => true,
    }
}

/// Whether keys of this type can be listed: those of which some may log in.
pub(crate) fn is_known_type(key: &KeyData) -> bool {
    matches!(
        key,
        KeyData::Rsa(_)
            | KeyData::Ed25519(_)
            | KeyData::Ecdsa(_)
            | KeyData::SkEd25519(_)
            | KeyData::SkEcdsaSha2NistP256(_)
    )
}

fn rsa_bits(key: &ssh_key::public::RsaPublicKey) -> usize {
    key.n()
        .as_positive_bytes()
        .map_or(0, |bytes| bytes.len() * 8)
}

/// What a security token says of its user (OpenSSH's PROTOCOL.u2f).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    /// Somebody has touched it.
    pub(crate) touched: bool,
    /// It knows who (by a PIN, say).
    pub(crate) verified: bool,
}

impl Presence {
    /// Of keys that are in no token, which nobody can touch.
    const NONE_NEEDED: Self = Self {
        touched: true,
        verified: true,
    };
    const TOUCHED: u8 = 1;
    const VERIFIED: u8 = 4;

    /// Whether it is enough for what a key's options ask for.
    pub(crate) fn satisfies(self, options: &KeyOptions) -> bool {
        (self.touched || options.no_touch_required) && (self.verified || !options.verify_required)
    }
}

/// Checks a signature made with exactly `algorithm`; `None` if it is not good.
pub(crate) fn verify(
    key: &KeyData,
    algorithm: &str,
    signature: &[u8],
    signed: &[u8],
) -> Option<Presence> {
    let signature = Signature::try_from(signature).ok()?;
    let is_good = signature.algorithm().as_str() == algorithm
        && matches_algorithm(key, algorithm)
        && key.verify(signed, &signature).is_ok();
    is_good.then(|| presence(key, &signature))
}

fn presence(key: &KeyData, signature: &Signature) -> Presence {
    if !matches!(key, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_)) {
        return Presence::NONE_NEEDED;
    }
    // Flags and a counter are its end, and signed.
    let bytes = signature.as_bytes();
    let flags = bytes
        .len()
        .checked_sub(TRAILER)
        .and_then(|at| bytes.get(at));
    let flags = flags.copied().unwrap_or(0);
    Presence {
        touched: flags & Presence::TOUCHED != 0,
        verified: flags & Presence::VERIFIED != 0,
    }
}

/// Bytes of a token's flags and counter.
const TRAILER: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Put;
    use alloc::vec::Vec;
    use ed25519_dalek::{Signer, SigningKey};
    use sha2::{Digest, Sha256};
    use ssh_key::public::{Ed25519PublicKey, SkEd25519};

    const NAME: &str = "sk-ssh-ed25519@openssh.com";

    /// What a token signs (OpenSSH's PROTOCOL.u2f), and its key.
    fn token(flags: u8, signed: &[u8]) -> (KeyData, Vec<u8>) {
        let key = SigningKey::from_bytes(&[3; 32]);
        let mut text = Sha256::digest(b"ssh:").to_vec();
        text.put_u8(flags);
        text.put_u32(77);
        text.put_bytes(&Sha256::digest(signed));
        let mut signature = Vec::new();
        signature.put_string(NAME.as_bytes());
        signature.put_string(&key.sign(&text).to_bytes());
        signature.put_u8(flags);
        signature.put_u32(77);
        let public = Ed25519PublicKey(key.verifying_key().to_bytes());
        (SkEd25519::new(public, "ssh:").into(), signature)
    }

    #[test]
    fn a_token_says_whether_somebody_is_there() {
        for (flags, touched, verified) in [
            (0, false, false),
            (1, true, false),
            (5, true, true),
            (4, false, true),
        ] {
            let (key, signature) = token(flags, b"text");
            let presence = verify(&key, NAME, &signature, b"text");
            assert_eq!(presence, Some(Presence { touched, verified }));
            assert_eq!(verify(&key, NAME, &signature, b"other"), None);
            assert_eq!(verify(&key, "ssh-ed25519", &signature, b"text"), None);
            // The flags and the counter are signed.
            for at in 1..=5 {
                let mut forged = signature.clone();
                let at = forged.len() - at;
                forged[at] ^= 1;
                assert_eq!(verify(&key, NAME, &forged, b"text"), None);
            }
        }
    }

    #[test]
    fn options_say_what_is_enough() {
        let presence = |touched, verified| Presence { touched, verified };
        let usual = KeyOptions::default();
        assert!(presence(true, false).satisfies(&usual));
        assert!(!presence(false, true).satisfies(&usual));
        let lax = KeyOptions {
            no_touch_required: true,
            ..KeyOptions::default()
        };
        assert!(presence(false, false).satisfies(&lax));
        let strict = KeyOptions {
            verify_required: true,
            ..KeyOptions::default()
        };
        assert!(!presence(true, false).satisfies(&strict));
        assert!(presence(true, true).satisfies(&strict));
        assert!(Presence::NONE_NEEDED.satisfies(&strict));
    }
}
