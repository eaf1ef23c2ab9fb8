//! The settings file, `/etc/ssh/paddock.toml`. It is strict: what is unknown or
//! out of range is a mistake with its line, and a file with a mistake is not
//! used at all.

mod read;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::admission::AdmissionLimits;
use crate::config::Config;
use crate::pattern;

/// The most ports to listen on.
pub const MAX_PORTS: usize = 8;
/// The most connections that have not logged in, whatever the file says.
pub const MAX_UNAUTHENTICATED: usize = 32;
/// The most that have.
pub const MAX_SESSIONS: usize = 64;

/// What the owner of a machine decides; the rest is in [`Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen.
    pub ports: Vec<u16>,
    /// The machine's own addresses to which connections are served; all of
    /// them if empty.
    pub addresses: Vec<IpAddr>,
    /// Shown to every client before it logs in.
    pub banner: Option<String>,
    /// Whether an interactive login is told what is wrong, and /etc/motd.
    pub motd: bool,
    /// Patterns of users; if there are any, nobody else may log in.
    pub allow_users: Vec<String>,
    /// Patterns of users who may not, whatever the others say.
    pub deny_users: Vec<String>,
    /// Whether `environment=` before a key acts.
    pub permit_user_environment: bool,
    /// Whether connections are forwarded.
    pub permit_forwarding: bool,
    /// Numbers.
    pub limits: Limits,
}

/// The numbers of the section `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that have not logged in, 2 to [`MAX_UNAUTHENTICATED`].
    pub unauthenticated: usize,
    /// Those of one address.
    pub per_address: usize,
    /// How long a login may take, 5 to 600 s.
    pub grace_seconds: u64,
    /// Refusals before a connection ends, 1 to 20.
    pub tries: u32,
    /// Connections that have logged in, 4 to [`MAX_SESSIONS`].
    pub sessions: usize,
    /// Channels of one connection, 1 to 128.
    pub channels: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ports: [22].into(),
            addresses: Vec::new(),
            banner: None,
            motd: true,
            allow_users: Vec::new(),
            deny_users: Vec::new(),
            permit_user_environment: false,
            permit_forwarding: true,
            limits: Limits {
                unauthenticated: 16,
                per_address: 4,
                grace_seconds: 30,
                tries: 4,
                sessions: MAX_SESSIONS,
                channels: 32,
            },
        }
    }
}

/// Something wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// What: printable, one line.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.reason)
    }
}

impl Settings {
    /// Reads the file's bytes. What they do not say is as it is by default.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the lines.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<Mistake>> {
        read::read(bytes)
    }

    /// Whether connections to an own address are served.
    pub fn serves(&self, own: IpAddr) -> bool {
        let own = own.to_canonical();
        let matches = |address: &IpAddr| address.is_unspecified() || address.to_canonical() == own;
        self.addresses.is_empty() || self.addresses.iter().any(matches)
    }

    /// Whether a user may log in, as far as the lists go.
    pub fn allows(&self, user: &str) -> bool {
        let is_allowed = self.allow_users.is_empty() || has(&self.allow_users, user);
        is_allowed && !self.denies(user)
    }

    /// Whether a user is on the list of those who may not log in.
    pub fn denies(&self, user: &str) -> bool {
        has(&self.deny_users, user)
    }

    /// Puts into a configuration what is the file's to say.
    pub fn apply(&self, config: &mut Config) {
        config.banner = self.banner.clone();
        config.permit_user_environment = self.permit_user_environment;
        config.permit_forwarding = self.permit_forwarding;
        config.login_grace_ms = self.limits.grace_seconds * 1000;
        config.max_auth_tries = self.limits.tries;
        config.max_channels = self.limits.channels;
    }

    /// The same for the limits of connections.
    pub fn limit(&self, limits: &mut AdmissionLimits) {
        limits.pending = self.limits.unauthenticated;
        limits.early = self.limits.unauthenticated.div_ceil(2);
        limits.per_source = self.limits.per_address;
        limits.sessions = limits.sessions.min(self.limits.sessions);
    }
}

fn has(list: &[String], user: &str) -> bool {
    let mut patterns = list.iter();
    patterns.any(|listed| pattern::matches(listed.as_bytes(), user.as_bytes()))
}
