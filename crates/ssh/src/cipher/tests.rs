use super::*;
use alloc::vec::Vec;

const fn ctr(aes: Aes, hash: Hash, etm: bool) -> Suite {
    Suite::Ctr(aes, MacKind { hash, etm })
}

const SUITES: [Suite; 7] = [
    Suite::ChaCha20Poly1305,
    Suite::Gcm(Aes::Bits256),
    Suite::Gcm(Aes::Bits128),
    ctr(Aes::Bits256, Hash::Sha256, true),
    ctr(Aes::Bits128, Hash::Sha512, true),
    ctr(Aes::Bits128, Hash::Sha256, false),
    ctr(Aes::Bits256, Hash::Sha512, false),
];

fn cipher(suite: Suite) -> Cipher {
    let keys = KeyStream {
        secret: b"secret",
        exchange: &[1; 32],
        session: &[2; 32],
    };
    Cipher::new(suite, Direction::ClientToServer, &keys)
}

/// A packet with a body of 32 bytes and room for the tag.
fn packet(cipher: &Cipher) -> Vec<u8> {
    let mut packet = 32u32.to_be_bytes().to_vec();
    packet.extend(0..32);
    packet.resize(packet.len() + cipher.tag(), 0);
    packet
}

#[test]
fn what_is_sealed_opens_in_order() {
    for suite in SUITES {
        let (mut sealing, mut opening) = (cipher(suite), cipher(suite));
        for sequence in 0..3 {
            let mut bytes = packet(&sealing);
            sealing.seal(sequence, &mut bytes).unwrap();
            let field = *bytes.first_chunk().unwrap();
            assert_eq!(opening.length(sequence, field), 32);
            opening.open(sequence, &mut bytes).unwrap();
            assert!(
                bytes[LENGTH..LENGTH + 32].iter().copied().eq(0..32),
                "{suite:?}"
            );
        }
    }
}

#[test]
fn no_changed_bit_gets_through() {
    for suite in SUITES {
        let mut sealed = packet(&cipher(suite));
        cipher(suite).seal(7, &mut sealed).unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(cipher(suite).open(7, &mut changed), Err(BAD_TAG));
        }
        assert!(cipher(suite).open(7, &mut sealed).is_ok());
    }
}

#[test]
fn a_packet_counts_once() {
    for suite in SUITES {
        let (mut sealing, mut opening) = (cipher(suite), cipher(suite));
        let mut bytes = packet(&sealing);
        sealing.seal(0, &mut bytes).unwrap();
        opening.open(0, &mut bytes.clone()).unwrap();
        assert_eq!(opening.open(1, &mut bytes), Err(BAD_TAG), "{suite:?}");
    }
}

#[test]
fn a_slice_without_a_tag_is_refused() {
    for suite in SUITES {
        assert!(cipher(suite).open(0, &mut [0; 10]).is_err());
        assert!(cipher(suite).seal(0, &mut [0; 10]).is_err());
    }
}
