//! [`Key`]: one key or keyring.

use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// A key's number.
pub type Serial = i32;

/// The longest description, with its zero byte.
pub const MAX_DESCRIPTION: usize = 4096;
/// The most bytes of a key.
const MAX_PAYLOAD: usize = 32_767;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes that programs read and write.
    User,
    /// Bytes that only the kernel reads.
    Logon,
    /// Links to others.
    Keyring,
}

impl Kind {
    /// By its name. `ENODEV`.
    pub fn named(name: &[u8]) -> Result<Kind> {
        match name {
            b"user" => Ok(Kind::User),
            b"logon" => Ok(Kind::Logon),
            b"keyring" => Ok(Kind::Keyring),
            _ => Err(Errno::ENODEV),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Logon => "logon",
            Kind::Keyring => "keyring",
        }
    }

    /// `EINVAL` for a description that it cannot have.
    pub fn check_description(self, description: &[u8]) -> Result<()> {
        let has_service = description.iter().position(|&byte| byte == b':') > Some(0);
        let fits = match self {
            Kind::Logon => has_service,
            _ => !description.is_empty(),
        };
        match fits && description.len() < MAX_DESCRIPTION {
            true => Ok(()),
            false => Err(Errno::EINVAL),
        }
    }

    /// `EINVAL` for bytes that it cannot hold.
    pub fn check_payload(self, payload: &[u8]) -> Result<()> {
        let fits = match self {
            Kind::Keyring => payload.is_empty(),
            _ => (1..=MAX_PAYLOAD).contains(&payload.len()),
        };
        match fits {
            true => Ok(()),
            false => Err(Errno::EINVAL),
        }
    }
}

/// What is in a key.
#[derive(Debug)]
pub enum Content {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The keys that a keyring links to, in the order in which they came.
    Links(Vec<Serial>),
    /// Nothing: asking for it gives this error.
    Negative(Errno),
}

/// A key.
#[derive(Debug)]
pub struct Key {
    pub kind: Kind,
    pub description: Vec<u8>,
    pub uid: u32,
    pub gid: u32,
    /// Rights of its possessor, owner, group and others, a byte each.
    pub perm: u32,
    pub content: Content,
    /// When it expires (seconds since boot).
    pub expires: Option<u64>,
    /// When it was revoked.
    pub revoked: Option<u64>,
    pub invalid: bool,
    /// Bytes that its owner's quota has for it.
    pub charged: usize,
    /// Keyrings that link to it, and processes that have it as a keyring of theirs.
    pub references: usize,
    /// The last search that has come by.
    pub visited: u64,
}

impl Key {
    /// What is wrong with it now, if anything: `ENOKEY`, `EKEYREVOKED`, `EKEYEXPIRED`.
    pub fn check_alive(&self, now: u64) -> Result<()> {
        match () {
            () if self.invalid => Err(Errno::ENOKEY),
            () if self.revoked.is_some() => Err(Errno::EKEYREVOKED),
            () if self.expires.is_some_and(|at| at <= now) => Err(Errno::EKEYEXPIRED),
            () => Ok(()),
        }
    }

    /// The error that it stands for, if it does.
    pub fn check_positive(&self) -> Result<()> {
        match self.content {
            Content::Negative(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The links of a keyring. `ENOTDIR`.
    pub fn links(&self) -> Result<&[Serial]> {
        match &self.content {
            Content::Links(links) => Ok(links),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub fn is(&self, kind: Kind, description: &[u8]) -> bool {
        self.kind == kind && self.description == description
    }

    /// Bytes of its content that count for a quota.
    pub fn content_bytes(&self) -> usize {
        match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Links(links) => links.len() * LINK_BYTES,
            Content::Negative(_) => 0,
        }
    }

    /// When it leaves its keyrings, `delay` after its end.
    pub fn leaves(&self, delay: u64) -> Option<u64> {
        match self.invalid {
            true => Some(0),
            false => {
                let ended = self.revoked.or(self.expires)?;
                Some(ended.saturating_add(delay))
            }
        }
    }
}

/// What a link counts for, in bytes.
pub const LINK_BYTES: usize = 4;
