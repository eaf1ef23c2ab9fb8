//! The `authorized_keys` file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

mod expiry;
mod options;
mod origin;
#[cfg(test)]
mod tests;

use alloc::borrow::Cow;
use core::fmt;
use core::net::IpAddr;

use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use super::is_known_type;
use crate::auth::AuthRequest;
use options::Parsed;
pub use options::{KeyOptions, Variable};
pub(super) use origin::matches_networks;

/// The keys that may log in, as a view of the file's text. It is read line by
/// line: nothing is kept of it, whatever its size.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizedKeys<'a> {
    text: &'a [u8],
}

/// A line that gives no key, and so lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it: printable, and short.
    pub reason: Cow<'static, str>,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.reason)
    }
}

/// Where a client is, and when.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Its address.
    pub address: IpAddr,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Why a key may not log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// No line has it.
    NotListed,
    /// It may not be used any more (`expiry-time`).
    Expired,
    /// It may not be used from where the client is (`from`).
    OtherOrigin,
    /// Its certificate does not do, for this reason.
    Certificate(&'static str),
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Certificate(reason) = self {
            return write!(f, "the certificate does not do: {reason}");
        }
        f.write_str(match self {
            Self::Certificate(reason) => reason,
            Self::NotListed => "the key is not listed",
            Self::Expired => "the key has expired (expiry-time)",
            Self::OtherOrigin => "the key is not allowed from this address (from)",
        })
    }
}

/// What one line says.
struct Entry {
    key: KeyData,
    parsed: Parsed,
}

impl Entry {
    /// Whether it has the key of a request, or the authority of its
    /// certificate. An authority's key is none to log in with.
    fn is_about(&self, request: &AuthRequest) -> bool {
        match (&request.certificate, self.parsed.is_authority) {
            (Some(certificate), true) => self.key == *certificate.authority(),
            (None, false) => self.key == request.key,
            _ => false,
        }
    }
}

impl<'a> AuthorizedKeys<'a> {
    /// The keys in a file's bytes, which need not be text.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// Looks for a line that lets the key of a request in, and gives what it may
    /// do: one with the key itself, or with the authority of its certificate.
    /// The first such line counts. Every line is read whether it is found or not;
    /// `report` is told of each bad one. A line with an option that is unknown
    /// or cannot be honoured is bad: it must not let its key in without it.
    ///
    /// # Errors
    /// Why the key may not log in: if several lines have it, of the last.
    pub fn search(
        &self,
        request: &AuthRequest,
        origin: &Origin,
        mut report: impl FnMut(BadLine),
    ) -> Result<KeyOptions, KeyRefusal> {
        let mut found = Err(KeyRefusal::NotListed);
        for (line, entry) in self.entries() {
            match entry {
                Ok(entry) if found.is_err() && entry.is_about(request) => {
                    found = entry.parsed.permit(request, origin);
                }
                Ok(_) => {}
                Err(reason) => report(BadLine { line, reason }),
            }
        }
        found
    }

    /// How many lines give a key, and how many are bad.
    pub fn count(&self) -> (usize, usize) {
        self.entries()
            .fold((0, 0), |(good, bad), (_, entry)| match entry {
                Ok(_) => (good + 1, bad),
                Err(_) => (good, bad + 1),
            })
    }

    fn entries(&self) -> impl Iterator<Item = (usize, Result<Entry, Cow<'static, str>>)> + 'a {
        let text = self.text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(self.text);
        text.split(|byte| *byte == b'\n')
            .enumerate()
            .filter_map(|(index, line)| {
                let entry = parse_line(line.trim_ascii()).transpose()?;
                Some((index + 1, entry))
            })
    }
}

/// Some editors begin a text with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn parse_line(line: &[u8]) -> Result<Option<Entry>, Cow<'static, str>> {
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let (parsed, line) = match is_key_type(first_word(line)) {
        true => (Parsed::default(), line),
        false => {
            let (options, rest) = split_options(line).ok_or("not a public key")?;
            (options::parse(options)?, rest)
        }
    };
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(|word| core::str::from_utf8(word).map_err(|_| "not a public key"));
    let (Some(kind), Some(data)) = (words.next(), words.next()) else {
        return Err("a key type and a key are needed".into());
    };
    let key = PublicKey::from_openssh(&alloc::format!("{} {}", kind?, data?))
        .map_err(|_| "not a public key")?;
    match key.key_data() {
        key if is_known_type(key) => Ok(Some(Entry {
            key: key.clone(),
            parsed,
        })),
        _ => Err("this type of key is not supported".into()),
    }
}

fn first_word(line: &[u8]) -> &[u8] {
    line.split(u8::is_ascii_whitespace)
        .next()
        .unwrap_or_default()
}

fn is_key_type(word: &[u8]) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|prefix| word.starts_with(prefix.as_bytes()))
}

/// Divides a line into its options and what follows them.
fn split_options(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = options::unquoted(line, |byte| matches!(byte, b' ' | b'\t'))?;
    let (options, rest) = line.split_at(end);
    let rest = rest.trim_ascii_start();
    is_key_type(first_word(rest)).then_some((options, rest))
}
