//! The arithmetic of key exchange: shared secrets, the exchange hash, keys.

use alloc::vec::Vec;

use ml_kem::ml_kem_768::EncapsulationKey;
use p256::ecdh::EphemeralSecret;
use p256::elliptic_curve::Generate;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Code, Fault};
use crate::wire::Put;

/// The size of an ML-KEM-768 public key (FIPS 203, table 3).
const MLKEM_PUBLIC: usize = 1184;

/// A hash of SHA-256, which every method here uses.
pub(crate) type Hash = [u8; 32];

/// A key exchange method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// RFC 8731.
    Curve25519,
    /// RFC 5656, section 4, for clients that have nothing newer.
    NistP256,
    /// draft-ietf-sshm-mlkem-hybrid-kex.
    MlKem768X25519,
}

impl Method {
    /// The method that this side knows by a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "mlkem768x25519-sha256" => Some(Self::MlKem768X25519),
            "curve25519-sha256" | "curve25519-sha256@libssh.org" => Some(Self::Curve25519),
            "ecdh-sha2-nistp256" => Some(Self::NistP256),
            _ => None,
        }
    }

    /// Answers the client's public value: this side's public value, and the secret.
    pub(crate) fn respond<R: CryptoRng>(
        self,
        client: &[u8],
        rng: &mut R,
    ) -> Result<Response, Fault> {
        match self {
            Self::Curve25519 => curve25519(client, rng),
            Self::NistP256 => nist_p256(client, rng),
            Self::MlKem768X25519 => mlkem768_x25519(client, rng),
        }
    }
}

/// One side's result of a key exchange.
pub(crate) struct Response {
    /// What the client needs to find the same secret.
    pub(crate) public: Vec<u8>,
    /// The shared secret, in the encoding in which it is hashed.
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

const BAD_PUBLIC: Fault = Fault::new(Code::KeyExchangeFailed, "bad key exchange value");

/// A new key pair's public half, and its product with the client's.
fn x25519<R: CryptoRng>(
    client: &[u8],
    rng: &mut R,
) -> Result<(PublicKey, Zeroizing<[u8; 32]>), Fault> {
    let client: [u8; 32] = client.try_into().map_err(|_| BAD_PUBLIC)?;
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let private = StaticSecret::from(seed);
    seed.zeroize();
    let shared = private.diffie_hellman(&PublicKey::from(client));
    if !shared.was_contributory() {
        return Err(BAD_PUBLIC);
    }
    Ok((
        PublicKey::from(&private),
        Zeroizing::new(*shared.as_bytes()),
    ))
}

#[allow(
    clippy::disallowed_methods,
    reason = "a few for each connection, of which there is a bounded number"
)]
fn curve25519<R: CryptoRng>(client: &[u8], rng: &mut R) -> Result<Response, Fault> {
    let (public, shared) = x25519(client, rng)?;
    let mut secret = Zeroizing::new(Vec::with_capacity(37));
    secret.put_mpint(&*shared);
    Ok(Response {
        public: public.as_bytes().to_vec(),
        secret,
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "a few for each connection, of which there is a bounded number"
)]
fn nist_p256<R: CryptoRng>(client: &[u8], rng: &mut R) -> Result<Response, Fault> {
    // Only the plain form of points is sent (RFC 5656, section 3.1).
    if client.first() != Some(&4) {
        return Err(BAD_PUBLIC);
    }
    let client = p256::PublicKey::from_sec1_bytes(client).map_err(|_| BAD_PUBLIC)?;
    let private = EphemeralSecret::generate_from_rng(rng);
    let shared = private.diffie_hellman(&client);
    let mut secret = Zeroizing::new(Vec::with_capacity(37));
    secret.put_mpint(shared.raw_secret_bytes());
    Ok(Response {
        public: p256::Sec1Point::from(private.public_key())
            .as_bytes()
            .to_vec(),
        secret,
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "a few for each connection, of which there is a bounded number"
)]
fn mlkem768_x25519<R: CryptoRng>(client: &[u8], rng: &mut R) -> Result<Response, Fault> {
    let (encapsulation, point) = client.split_at_checked(MLKEM_PUBLIC).ok_or(BAD_PUBLIC)?;
    let (public, shared) = x25519(point, rng)?;
    let key = encapsulation.try_into().map_err(|_| BAD_PUBLIC)?;
    let key = EncapsulationKey::new(key).map_err(|_| BAD_PUBLIC)?;
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    let (ciphertext, encapsulated) = key.encapsulate_deterministic((&*seed).into());
    let mut both = Sha256::new();
    both.update(encapsulated);
    both.update(*shared);
    let mut secret = Zeroizing::new(Vec::with_capacity(36));
    secret.put_string(&both.finalize());
    let mut answer = ciphertext.as_slice().to_vec();
    answer.put_bytes(public.as_bytes());
    Ok(Response {
        public: answer,
        secret,
    })
}

/// Everything that the exchange hash covers but the secret (RFC 5656, section 4).
pub(crate) struct Transcript<'a> {
    pub(crate) client_version: &'a [u8],
    pub(crate) server_version: &'a [u8],
    pub(crate) client_offer: &'a [u8],
    pub(crate) server_offer: &'a [u8],
    pub(crate) host_key: &'a [u8],
    pub(crate) client_public: &'a [u8],
    pub(crate) server_public: &'a [u8],
}

impl Transcript<'_> {
    /// The exchange hash H. `secret` comes with its encoding.
    pub(crate) fn hash(&self, secret: &[u8]) -> Hash {
        let parts = [
            self.client_version,
            self.server_version,
            self.client_offer,
            self.server_offer,
            self.host_key,
            self.client_public,
            self.server_public,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        hash.update(secret);
        hash.finalize().into()
    }
}

/// The source of all keys of one exchange (RFC 4253, section 7.2).
pub(crate) struct KeyStream<'a> {
    pub(crate) secret: &'a [u8],
    pub(crate) exchange: &'a Hash,
    pub(crate) session: &'a Hash,
}

impl KeyStream<'_> {
    /// The first `N` bytes under a letter from `A` to `F`.
    pub(crate) fn derive<const N: usize>(&self, letter: u8) -> Zeroizing<[u8; N]> {
        let mut out = Zeroizing::new([0; N]);
        for filled in (0..N).step_by(32) {
            let mut hash = Sha256::new();
            hash.update(self.secret);
            hash.update(self.exchange);
            let (known, rest) = out.split_at_mut(filled);
            if known.is_empty() {
                hash.update([letter]);
                hash.update(self.session);
            } else {
                hash.update(known);
            }
            let count = rest.len().min(32);
            rest[..count].copy_from_slice(&hash.finalize()[..count]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_kem::kem::{Decapsulate, KeyExport};
    use ml_kem::ml_kem_768::DecapsulationKey;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([5; 32])
    }

    #[test]
    fn both_sides_of_curve25519_agree() {
        let private = StaticSecret::from([8; 32]);
        let public = PublicKey::from(&private);
        let answer = Method::Curve25519
            .respond(public.as_bytes(), &mut rng())
            .unwrap();
        let point: [u8; 32] = answer.public.try_into().unwrap();
        let mut expected = Vec::new();
        expected.put_mpint(private.diffie_hellman(&PublicKey::from(point)).as_bytes());
        assert_eq!(*answer.secret, expected);
    }

    #[test]
    fn both_sides_of_nist_p256_agree() {
        let private = EphemeralSecret::generate_from_rng(&mut rng());
        let public = p256::Sec1Point::from(private.public_key());
        let answer = Method::NistP256
            .respond(public.as_bytes(), &mut ChaCha20Rng::from_seed([6; 32]))
            .unwrap();
        assert_eq!(answer.public.len(), 65);
        let point = p256::PublicKey::from_sec1_bytes(&answer.public).unwrap();
        let mut expected = Vec::new();
        expected.put_mpint(private.diffie_hellman(&point).raw_secret_bytes());
        assert_eq!(*answer.secret, expected);
        // Not on the curve, the point at infinity, compressed.
        let mut off = public.as_bytes().to_vec();
        off[64] ^= 1;
        let compressed = [&[2], &public.as_bytes()[1..33]].concat();
        for bad in [&off[..], &[0], &[], &compressed, &public.as_bytes()[..64]] {
            assert!(Method::NistP256.respond(bad, &mut rng()).is_err());
        }
    }

    #[test]
    fn both_sides_of_the_hybrid_agree() {
        let private = StaticSecret::from([8; 32]);
        let decapsulation = DecapsulationKey::from_seed([4; 64].into());
        let mut public = decapsulation.encapsulation_key().to_bytes().to_vec();
        public.put_bytes(PublicKey::from(&private).as_bytes());
        let answer = Method::MlKem768X25519.respond(&public, &mut rng()).unwrap();
        let (ciphertext, point) = answer.public.split_at(1088);
        let point: [u8; 32] = point.try_into().unwrap();
        let mut both = Sha256::new();
        both.update(decapsulation.decapsulate(ciphertext.try_into().unwrap()));
        both.update(private.diffie_hellman(&PublicKey::from(point)).as_bytes());
        let mut expected = Vec::new();
        expected.put_string(&both.finalize());
        assert_eq!(*answer.secret, expected);
    }

    #[test]
    fn bad_public_values_are_refused() {
        let hybrid = Method::MlKem768X25519;
        for (method, size) in [
            (Method::Curve25519, 31),
            (Method::Curve25519, 33),
            (hybrid, 1215),
        ] {
            assert!(method.respond(&alloc::vec![9; size], &mut rng()).is_err());
        }
        // A point of small order, and coefficients that are not reduced.
        assert!(Method::Curve25519.respond(&[0; 32], &mut rng()).is_err());
        assert!(hybrid.respond(&[255; 1216], &mut rng()).is_err());
    }

    #[test]
    fn long_keys_begin_like_short_ones() {
        let keys = KeyStream {
            secret: b"k",
            exchange: &[1; 32],
            session: &[1; 32],
        };
        let long = keys.derive::<64>(b'C');
        assert_eq!(long[..12], *keys.derive::<12>(b'C'));
        assert_ne!(long[..32], long[32..]);
        assert_ne!(long[..32], *keys.derive::<32>(b'D'));
    }
}
