//! The system behind the server: keys, programs, time.

use super::door::{Visit, now_ms};
use super::incoming::{self, Incoming};
use super::served::Served;
use super::{fallback, outgoing};
use crate::random;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use embassy_time::Timer;
use paddock_ssh::{
    AuthRequest, Backend, ConnectRequest, Ended, KeyOptions, ListenRequest, Notice, RateLimit,
    Refusal, SpawnError, SpawnRequest,
};
use paddock_sync::{Rank, SpinLock};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// A strong generator for one connection, or one key.
pub fn new_rng() -> ChaCha20Rng {
    let mut seed = [0; 32];
    random::fill(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

/// Lines about clients that have not logged in: they must not fill the log.
static STRANGERS: SpinLock<RateLimit> = SpinLock::new(Rank::Leaf, RateLimit::new(50, 500));

/// Logs a line about a client that has not logged in, unless there are many.
pub fn log_stranger(peer: SocketAddr, line: fmt::Arguments<'_>) {
    let Some(held_back) = STRANGERS.lock().allow(now_ms()) else {
        return;
    };
    if held_back > 0 {
        log::info!("ssh: {held_back} lines about clients without a login were left out");
    }
    log::info!("ssh: {peer}: {line}");
}

/// The one system.
pub struct System {
    /// The connection.
    pub visit: Arc<Visit>,
}

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

impl Backend for System {
    type Process = Served;
    type Authorize = Pending<core::result::Result<KeyOptions, Refusal>>;
    type Spawn = Pending<core::result::Result<Served, SpawnError>>;
    type Listener = Incoming;
    type Listen = Pending<core::result::Result<Incoming, SpawnError>>;
    type Timer = Timer;

    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    fn authorize(&self, request: &AuthRequest) -> Self::Authorize {
        Box::pin(fallback::decide(request.clone(), self.visit.clone()))
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    fn connect(&self, request: ConnectRequest) -> Self::Spawn {
        Box::pin(async move {
            let made = outgoing::connect(request).await;
            made.map_err(|error| SpawnError(error.describe()))
        })
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    fn listen(&self, request: ListenRequest) -> Self::Listen {
        Box::pin(async move {
            let made = incoming::listen(request).await;
            made.map_err(|error| SpawnError(error.describe()))
        })
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    fn spawn(&self, request: SpawnRequest) -> Self::Spawn {
        Box::pin(fallback::start(request, self.visit.clone()))
    }

    fn timer(&self, milliseconds: u64) -> Timer {
        Timer::after_millis(milliseconds)
    }

    fn note(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Reached(stage) => return self.visit.reach(*stage),
            Notice::Refused { .. }
            | Notice::Ended {
                login: None,
                ended: Ended::Fault(_),
            } => self.visit.note_failure(),
            _ => {}
        }
        match notice {
            Notice::Refused { .. } | Notice::Ended { login: None, .. } => {
                log_stranger(self.visit.peer, format_args!("{notice}"));
            }
            notice => log::info!("ssh: {}: {notice}", self.visit.peer),
        }
    }

    fn open_session(&self) -> bool {
        self.visit.log_in()
    }
}
