//! The engine under bytes that no client would send, and in odd pieces.

mod host;

use std::sync::Arc;

use paddock_ssh::{AuthorizedKeys, Config, Ended, Engine, HostKey};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn engine() -> Engine<ChaCha20Rng> {
    let config = Config::new(HostKey::from_seed(&[1; 32]));
    Engine::new(Arc::new(config), ChaCha20Rng::from_seed([2; 32])).unwrap()
}

/// Feeds bytes in pieces of the given sizes, in turn; how it ended, if it did.
fn feed(engine: &mut Engine<ChaCha20Rng>, mut bytes: &[u8], sizes: &[usize]) -> Result<(), Ended> {
    let mut sizes = sizes.iter().cycle();
    while !bytes.is_empty() {
        while engine.poll()?.is_some() {}
        let space = engine.space()?;
        assert!(!space.is_empty());
        let count = bytes.len().min(space.len()).min(*sizes.next().unwrap());
        space[..count].copy_from_slice(&bytes[..count]);
        engine.received(count);
        bytes = &bytes[count..];
        let sent = engine.pending().len();
        engine.sent(sent);
    }
    while engine.poll()?.is_some() {}
    Ok(())
}

/// A packet without encryption.
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (payload.len() + 1 + 4 + 4) % 8) % 8;
    let mut out = ((payload.len() + 1 + padding) as u32)
        .to_be_bytes()
        .to_vec();
    out.push(padding as u8);
    out.extend(payload);
    out.extend(vec![0; padding]);
    out
}

/// An offer with good or bad lists.
fn offer(kex: &str, guessed: bool) -> Vec<u8> {
    let lists = [
        kex,
        "ssh-ed25519",
        "aes256-ctr",
        "aes256-ctr",
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-256-etm@openssh.com",
        "none",
        "none",
        "",
        "",
    ];
    let mut out = vec![20];
    out.extend([3; 16]);
    for list in lists {
        out.extend((list.len() as u32).to_be_bytes());
        out.extend(list.as_bytes());
    }
    out.extend([u8::from(guessed), 0, 0, 0, 0]);
    out
}

proptest! {
    #[test]
    fn any_bytes_end_well(bytes in prop::collection::vec(any::<u8>(), 0..2000), size in 1usize..300) {
        let _ = feed(&mut engine(), &bytes, &[size]);
    }

    #[test]
    fn any_packets_end_well(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 0..20),
        kind in 0u8..110,
        size in 1usize..300,
    ) {
        let mut bytes = b"SSH-2.0-fuzz\r\n".to_vec();
        for mut payload in payloads {
            payload[0] = kind;
            bytes.extend(packet(&payload));
        }
        let _ = feed(&mut engine(), &bytes, &[size]);
    }

    #[test]
    fn any_key_exchange_ends_well(
        public in prop::collection::vec(any::<u8>(), 0..1300),
        hybrid in any::<bool>(),
        guessed in any::<bool>(),
        cut in 0usize..1500,
        sizes in prop::collection::vec(1usize..500, 1..5),
    ) {
        let kex = if hybrid { "mlkem768x25519-sha256" } else { "curve25519-sha256" };
        let mut init = vec![30];
        init.extend((public.len() as u32).to_be_bytes());
        init.extend(&public);
        init.truncate(cut.max(1));
        let mut bytes = b"SSH-2.0-fuzz\r\n".to_vec();
        bytes.extend(packet(&offer(kex, guessed)));
        bytes.extend(packet(&init));
        bytes.extend(packet(&[21]));
        bytes.extend([7; 200]);
        prop_assert!(feed(&mut engine(), &bytes, &sizes).is_err() || guessed || public.len() == 32);
    }

    #[test]
    fn any_authorized_keys_file_is_read(text in "(?s).{0,300}") {
        let _ = AuthorizedKeys::new(text.as_bytes()).count();
    }

    #[test]
    fn any_host_key_file_is_read(text in "(?s).{0,300}") {
        let wrapped = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n");
        prop_assert!(HostKey::from_openssh(&text).is_err());
        prop_assert!(HostKey::from_openssh(&wrapped).is_err());
    }
}

#[test]
fn the_version_line_and_the_first_offer_may_come_together() {
    let bytes = [
        b"SSH-2.0-x\r\n".to_vec(),
        packet(&offer("curve25519-sha256", false)),
    ]
    .concat();
    for size in [1, 2, 3, 11, 12, 13, bytes.len()] {
        let mut engine = engine();
        assert_eq!(feed(&mut engine, &bytes, &[size]), Ok(()));
    }
}

#[test]
fn strict_key_exchange_allows_nothing_else() {
    let strict = "curve25519-sha256,kex-strict-c-v00@openssh.com";
    let version = b"SSH-2.0-x\r\n".to_vec();
    let ignore = packet(&[2, 0, 0, 0, 0]);
    let before = [
        version.clone(),
        ignore.clone(),
        packet(&offer(strict, false)),
    ]
    .concat();
    let after = [
        version.clone(),
        packet(&offer(strict, false)),
        ignore.clone(),
    ]
    .concat();
    assert!(feed(&mut engine(), &before, &[4096]).is_err());
    assert!(feed(&mut engine(), &after, &[4096]).is_err());
    let plain = [
        version,
        ignore.clone(),
        packet(&offer("curve25519-sha256", false)),
        ignore,
    ]
    .concat();
    assert_eq!(feed(&mut engine(), &plain, &[4096]), Ok(()));
}

#[test]
fn channels_and_logins_wait_for_keys() {
    for kind in [5, 50, 80, 90, 94, 98] {
        let bytes = [
            b"SSH-2.0-x\r\n".to_vec(),
            packet(&[kind, 0, 0, 0, 0, 0, 0, 0, 0]),
        ]
        .concat();
        assert!(feed(&mut engine(), &bytes, &[4096]).is_err());
    }
}
