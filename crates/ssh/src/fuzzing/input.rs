//! Dialogues from bytes that a fuzzer guided by coverage has made: [`Fuzzer::run_input`].
//!
//! The first byte says who the client is, eight more are the seed of what the owner
//! decides. The rest are messages, each after its length in two bytes, little-endian, so
//! that what is changed is the messages and not their packets; or packets, as they are.

use alloc::vec::Vec;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Fuzzer, Tally, corpus, login};

/// The client has logged in.
const LOGGED_IN: u8 = 1;
/// Nothing was agreed upon before.
const FRESH: u8 = 2;
/// What follows are packets.
const PACKETS: u8 = 4;
/// By so many bits the options of the login's key are up.
const OPTIONS: u32 = 3;

/// Bytes before the messages.
const HEAD: usize = 9;

impl Fuzzer {
    /// One dialogue from any bytes.
    ///
    /// # Panics
    /// If the engine breaks one of its promises.
    pub fn run_input(&self, input: &[u8]) -> Tally {
        let Some((head, rest)) = input.split_first_chunk::<HEAD>() else {
            return Tally::default();
        };
        let [kind, seed @ ..] = *head;
        let seed = u64::from_le_bytes(seed);
        let fresh = kind & FRESH != 0;
        let is_in = kind & LOGGED_IN != 0 && !fresh;
        let login = is_in.then(|| login(u32::from(kind >> OPTIONS)));
        let mut bytes = Vec::new();
        if fresh {
            bytes.extend_from_slice(corpus::VERSION);
        }
        match kind & PACKETS {
            0 => messages(rest).for_each(|message| corpus::packet(message, &mut bytes)),
            _ => bytes.extend_from_slice(rest),
        }
        self.talk(seed, ChaCha20Rng::seed_from_u64(seed), login, fresh, &bytes)
    }
}

/// The messages in an input; the last one may be cut short.
fn messages(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (length, more) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(more.len());
        let (message, more) = more.split_at(length);
        rest = more;
        Some(message)
    })
}

/// An input to begin with: the dialogue of a seed.
pub fn input(seed: u64) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let logged_in = !seed.is_multiple_of(4);
    let mut out = Vec::from([u8::from(logged_in) * LOGGED_IN]);
    out.extend_from_slice(&seed.to_le_bytes());
    corpus::messages(&mut rng, logged_in, |_, message| {
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&message[..usize::from(length)]);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_to_begin_with_get_somewhere() {
        let fuzzer = Fuzzer::new();
        let events: u64 = (0..200)
            .map(|seed| fuzzer.run_input(&input(seed)).events)
            .sum();
        assert!(events > 200, "{events}");
    }

    #[test]
    fn messages_are_taken_apart() {
        let all: Vec<&[u8]> = messages(&[1, 0, 7, 0, 0, 9, 0, 8]).collect();
        assert_eq!(all, [&[7][..], &[], &[8]]);
        assert_eq!(Fuzzer::new().run_input(&[1; 8]), Tally::default());
    }
}
