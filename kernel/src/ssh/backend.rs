//! The system behind the server: keys, programs, time.

use super::accounts::{self, Account};
use super::child::Child;
use super::host_key::read;
use crate::user::vfs::namespace;
use crate::{async_fs, random};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use embassy_time::Timer;
use paddock_abi::{Errno, Result};
use paddock_ssh::{AuthRequest, AuthorizedKeys, Backend, KeyData, SpawnError, SpawnRequest};
use paddock_vfs::PathContext;
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
    /// The client's address, for the log.
    pub peer: String,
}

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

impl Backend for System {
    type Process = Child;
    type Authorize = Pending<bool>;
    type Spawn = Pending<core::result::Result<Child, SpawnError>>;
    type Timer = Timer;

    fn authorize(&self, request: &AuthRequest) -> Self::Authorize {
        let AuthRequest { user, key } = request.clone();
        let peer = self.peer.clone();
        Box::pin(async move {
            let name = user.clone();
            let known = async_fs::run(move || is_authorized(&name, &key))
                .await
                .and_then(|known| known);
            match known {
                Ok(known) => known,
                Err(error) => {
                    log::warn!("ssh: {peer}: keys of {user:?} cannot be read: {error}");
                    false
                }
            }
        })
    }

    fn spawn(&self, request: SpawnRequest) -> Self::Spawn {
        let peer = self.peer.clone();
        Box::pin(async move {
            let started = async_fs::run(move || Child::start(request))
                .await
                .and_then(|child| child);
            started.map_err(|error| {
                log::warn!("ssh: {peer}: program not started: {error}");
                SpawnError(error.describe())
            })
        })
    }

    fn timer(&self, milliseconds: u64) -> Timer {
        Timer::after_millis(milliseconds)
    }

    fn log(&self, line: fmt::Arguments<'_>) {
        log::info!("ssh: {}: {line}", self.peer);
    }
}

fn is_authorized(user: &str, key: &KeyData) -> Result<bool> {
    let context = PathContext::root_at(namespace().root());
    let account = match accounts::find(&context, user) {
        Ok(account) => account,
        Err(Errno::ENOENT) => return Ok(false),
        Err(error) => return Err(error),
    };
    let text = match read(&context, keys_path(&account).as_bytes()) {
        Ok(text) => text,
        Err(Errno::ENOENT) => return Ok(false),
        Err(error) => return Err(error),
    };
    let (keys, bad) = AuthorizedKeys::parse(&text);
    for line in bad {
        log::warn!("ssh: {}: {line}", keys_path(&account));
    }
    Ok(keys.contains(key))
}

fn keys_path(account: &Account) -> String {
    alloc::format!(
        "{}/.ssh/authorized_keys",
        account.home.trim_end_matches('/')
    )
}
