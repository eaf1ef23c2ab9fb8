//! Signatures by which clients prove that they hold a key.

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, Signature};

/// The verifier's trait under the name its crate gives it.
use ed25519_dalek::Verifier;

/// The smallest RSA modulus accepted, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Whether `algorithm` is one that is accepted, and one for this type of key.
pub(crate) fn matches_algorithm(key: &KeyData, algorithm: &str) -> bool {
    match key {
        KeyData::Ed25519(_) => algorithm == "ssh-ed25519",
        KeyData::Ecdsa(key) => {
            key.curve() == EcdsaCurve::NistP256 && algorithm == "ecdsa-sha2-nistp256"
        }
        KeyData::Rsa(key) => {
            matches!(algorithm, "rsa-sha2-256" | "rsa-sha2-512") && rsa_bits(key) >= MIN_RSA_BITS
        }
        _ => false,
    }
}

fn rsa_bits(key: &ssh_key::public::RsaPublicKey) -> usize {
    key.n()
        .as_positive_bytes()
        .map_or(0, |bytes| bytes.len() * 8)
}

/// Checks a signature made with exactly `algorithm`.
pub(crate) fn verify(key: &KeyData, algorithm: &str, signature: &[u8], signed: &[u8]) -> bool {
    let Ok(signature) = Signature::try_from(signature) else {
        return false;
    };
    let named = match signature.algorithm() {
        Algorithm::Ed25519 => "ssh-ed25519",
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        } => "ecdsa-sha2-nistp256",
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        } => "rsa-sha2-256",
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        } => "rsa-sha2-512",
        _ => return false,
    };
    named == algorithm
        && matches_algorithm(key, algorithm)
        && key.verify(signed, &signature).is_ok()
}
