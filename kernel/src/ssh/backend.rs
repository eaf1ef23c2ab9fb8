//! The system behind the server: keys, programs, time.

use super::authorize::judge;
use super::child::Child;
use crate::{async_fs, random};
use alloc::boxed::Box;
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use embassy_time::Timer;
use paddock_ssh::{AuthRequest, Backend, KeyOptions, Notice, Refusal, SpawnError, SpawnRequest};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// A strong generator for one connection, or one key.
pub fn new_rng() -> ChaCha20Rng {
    let mut seed = [0; 32];
    random::fill(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

/// The one system.
pub struct System {
    /// The client's address.
    pub peer: SocketAddr,
}

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

impl Backend for System {
    type Process = Child;
    type Authorize = Pending<core::result::Result<KeyOptions, Refusal>>;
    type Spawn = Pending<core::result::Result<Child, SpawnError>>;
    type Timer = Timer;

    fn authorize(&self, request: &AuthRequest) -> Self::Authorize {
        let request = request.clone();
        let address = self.peer.ip();
        Box::pin(async move {
            async_fs::run(move || judge(&request, address))
                .await
                .unwrap_or(Err("out of memory".into()))
        })
    }

    fn spawn(&self, request: SpawnRequest) -> Self::Spawn {
        Box::pin(async move {
            async_fs::run(move || Child::start(request))
                .await
                .and_then(|child| child)
                .map_err(|error| SpawnError(error.describe()))
        })
    }

    fn timer(&self, milliseconds: u64) -> Timer {
        Timer::after_millis(milliseconds)
    }

    fn note(&self, notice: &Notice<'_>) {
        match notice {
            Notice::HasKeys => {}
            notice => log::info!("ssh: {}: {notice}", self.peer),
        }
    }
}
