//! Dialogues that go wrong: messages that a client might send, changed by a
//! seeded generator, against the whole engine without encryption. For tests on
//! the host; not part of the server.

mod corpus;
mod input;

pub use input::input;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::auth::{Authenticated, Refusal};
use crate::channel::{ChannelId, ExitStatus};
use crate::config::Config;
use crate::connection::Connection;
use crate::engine::{Engine, Event, Output};
use crate::error::Ended;
use crate::forward::{Arrival, Bound, Place};
use crate::keys::{HostKey, KeyOptions};

/// What a run came to, so that a fuzzer can tell that it gets somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that led to an event.
    pub events: u64,
    /// Runs that ended before their dialogue did.
    pub faults: u64,
    /// Bytes that the engine had to say.
    pub answered: u64,
}

/// Bytes that may wait for the client at most: what may wait is bounded, and
/// one answer comes on top of it.
const MOST_PENDING: usize = 1 << 20;

struct Run {
    rng: ChaCha20Rng,
    engine: Engine<ChaCha20Rng>,
    channels: Vec<ChannelId>,
    places: Vec<Place>,
    /// The last port that was given to a client that asked for any.
    last_port: u16,
    tally: Tally,
}

/// What all runs share: host keys are slow to make.
pub struct Fuzzer {
    config: Arc<Config>,
}

impl Default for Fuzzer {
    fn default() -> Self {
        Self::new()
    }
}

impl Fuzzer {
    /// With settings that allow everything.
    #[allow(clippy::disallowed_methods, reason = "runs on the host")]
    pub fn new() -> Self {
        let mut config = Config::new(HostKey::from_seed(&[1; 32]));
        config.permit_user_environment = true;
        config.banner = Some("banner\r\n".into());
        Self {
            config: Arc::new(config),
        }
    }

    /// One dialogue from a seed; the same seed is the same dialogue.
    ///
    /// # Panics
    /// If the engine breaks one of its promises.
    pub fn run(&self, seed: u64) -> Tally {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let logged_in = !rng.next_u32().is_multiple_of(4);
        let fresh = rng.next_u32().is_multiple_of(16);
        let bytes = corpus::dialogue(&mut rng, logged_in, fresh);
        let login = (logged_in && !fresh).then(|| login(rng.next_u32()));
        self.talk(seed, rng, login, fresh, &bytes)
    }

    /// Has a client say `bytes` that has logged in, or not, or is `fresh`: nothing was
    /// agreed upon. The owner's decisions come from `rng`.
    fn talk(
        &self,
        seed: u64,
        rng: ChaCha20Rng,
        login: Option<Authenticated>,
        fresh: bool,
        bytes: &[u8],
    ) -> Tally {
        let mut engine = match Engine::new(self.config.clone(), ChaCha20Rng::seed_from_u64(seed)) {
            Ok(engine) => engine,
            Err(_) => return Tally::default(),
        };
        if !fresh {
            engine.skip_exchange(login.map(|login| Connection::new(login, self.config.clone())));
        }
        let mut run = Run {
            rng,
            engine,
            channels: Vec::new(),
            places: Vec::new(),
            last_port: 40_000,
            tally: Tally::default(),
        };
        if run.feed(bytes).is_err() {
            run.tally.faults = 1;
        }
        run.tally
    }
}

/// A login whose key may do all, or not.
fn login(which: u32) -> Authenticated {
    let mut options = KeyOptions::default();
    match which % 8 {
        0 => options.command = Some(b"forced".to_vec()),
        1 => options.no_pty = true,
        2 => options.no_port_forwarding = true,
        3 => options.permit_listen = Vec::from([String::from("8080")]),
        _ => {}
    }
    Authenticated::for_tests().with_options(options)
}

impl Run {
    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Ended> {
        while !bytes.is_empty() {
            self.poll()?;
            let most = 1 + self.rng.next_u32() as usize % 3000;
            let space = self.engine.space()?;
            assert!(!space.is_empty(), "no room, and nothing to be taken");
            let count = bytes.len().min(space.len()).min(most);
            space[..count].copy_from_slice(&bytes[..count]);
            self.engine.received(count);
            bytes = &bytes[count..];
        }
        self.poll()
    }

    /// Takes all events, and answers them one way or another.
    fn poll(&mut self) -> Result<(), Ended> {
        loop {
            let event = self.engine.poll()?;
            let waiting = self.engine.pending().len();
            assert!(waiting <= MOST_PENDING, "{waiting} bytes wait");
            self.tally.answered += waiting as u64;
            self.engine.sent(waiting);
            let Some(event) = event else {
                return Ok(());
            };
            self.tally.events += 1;
            self.act(event)?;
            self.meddle()?;
        }
    }

    fn coin(&mut self) -> bool {
        self.rng.next_u32().is_multiple_of(2)
    }

    fn act(&mut self, event: Event) -> Result<(), Ended> {
        match event {
            Event::Authorize(_) => {
                let answer = match self.coin() {
                    true => Ok(KeyOptions::default()),
                    false => Err(Refusal::from("no")),
                };
                self.engine.authorize(answer)?;
            }
            Event::Start(id, _) | Event::Connect(id, _) => {
                let granted = self.coin();
                self.engine.started(id, granted)?;
                self.channels.push(id);
            }
            Event::Listen(request) => {
                let bound = self.coin().then(|| self.bind());
                let place = self.engine.awaited(bound.as_ref())?;
                assert!(place.is_none() || bound.is_some(), "{request:?}");
                self.places.extend(place);
            }
            Event::Unlisten(place) => {
                let before = self.places.len();
                self.places.retain(|other| *other != place);
                assert!(self.places.len() < before, "{place:?} was not there");
            }
            Event::Opened(id) => assert!(self.engine.has_channel(id)),
            Event::Input(id, range) => {
                let count = self.engine.input(range).len();
                if self.coin() {
                    self.engine.consumed(id, count)?;
                }
            }
            Event::Closed(id) => {
                self.channels.retain(|other| *other != id);
                assert!(!self.engine.has_channel(id), "closed and still there");
            }
            Event::Refused(_)
            | Event::InputEnd(_)
            | Event::Resize(..)
            | Event::Signal(..)
            | Event::OutputUnwanted(_)
            | Event::Abandoned(_) => {}
        }
        Ok(())
    }

    /// A port and a path that nothing else has.
    fn bind(&mut self) -> Bound {
        self.last_port = self.last_port.wrapping_add(1);
        Bound {
            port: self.last_port,
            path: "/tmp/agent".into(),
        }
    }

    /// What programs and listeners do at any time.
    fn meddle(&mut self) -> Result<(), Ended> {
        if let Some(place) = self.places.last().cloned()
            && self.coin()
            && self.engine.may_open()
            && let Some(id) = self.engine.arrived(&place, &Arrival::default())?
        {
            self.channels.push(id);
        }
        let Some(&id) = self.channels.last() else {
            return Ok(());
        };
        match self.rng.next_u32() % 6 {
            0 => {
                let room = self.engine.room(id);
                let sent = self.engine.output(id, Output::Stderr, |space| {
                    assert!(space.len() <= room.max(1));
                    Some(space.len())
                })?;
                assert!(sent.unwrap_or(0) <= room);
            }
            1 => self.engine.output_end(id)?,
            2 => self.engine.finish(id, &ExitStatus::Code(3))?,
            3 => self.engine.close(id)?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: u64 = 3_000;

    /// A bounded run for every build; `cargo xtask fuzz-ssh` does more.
    #[test]
    fn dialogues_that_go_wrong_end_well() {
        let fuzzer = Fuzzer::new();
        let mut all = Tally::default();
        for seed in 0..RUNS {
            let one = fuzzer.run(seed);
            all.events += one.events;
            all.faults += one.faults;
        }
        // It gets somewhere: most messages mean something.
        assert!(all.events > RUNS, "{all:?}");
        assert!((RUNS / 10..RUNS * 9 / 10).contains(&all.faults), "{all:?}");
        assert_eq!(fuzzer.run(7), fuzzer.run(7));
    }

    /// A port that the client chose, and then any port: they are two places.
    #[test]
    fn a_chosen_port_and_any() {
        Fuzzer::new().run(1_753_139);
    }
}
