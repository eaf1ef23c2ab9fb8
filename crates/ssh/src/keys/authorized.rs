//! The `authorized_keys` file (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

use alloc::vec::Vec;
use core::fmt;

use ssh_key::PublicKey;
use ssh_key::public::KeyData;

/// Options that ask for nothing that this server would do otherwise.
const HARMLESS: &[&str] = &[
    "agent-forwarding",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-user-rc",
    "no-x11-forwarding",
    "port-forwarding",
    "pty",
    "user-rc",
    "x11-forwarding",
];

/// The keys that may log in.
#[derive(Clone, Debug, Default)]
pub struct AuthorizedKeys {
    keys: Vec<KeyData>,
}

/// A line that gives no key, and so lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl AuthorizedKeys {
    /// Reads a whole file. A bad line is reported and the others count. A line
    /// with an option that restricts the key, and that this server cannot
    /// honour, is bad: it must not let its key in without the restriction.
    pub fn parse(text: &str) -> (Self, Vec<BadLine>) {
        let mut keys = Vec::new();
        let mut bad = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            match parse_line(line.trim()) {
                Ok(Some(key)) => keys.push(key),
                Ok(None) => {}
                Err(reason) => bad.push(BadLine {
                    line: line_number,
                    reason,
                }),
            }
        }
        (Self { keys }, bad)
    }

    /// Whether a key may log in.
    pub fn contains(&self, key: &KeyData) -> bool {
        self.keys.contains(key)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nobody may log in.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn parse_line(line: &str) -> Result<Option<KeyData>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = match is_key_type(first_word(line)) {
        true => line,
        false => after_options(line)?,
    };
    let mut words = line.split_ascii_whitespace();
    let (Some(kind), Some(data)) = (words.next(), words.next()) else {
        return Err("a key type and a key are needed");
    };
    let key = PublicKey::from_openssh(&alloc::format!("{kind} {data}"))
        .map_err(|_| "not a public key")?;
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::Rsa(_) => {
            Ok(Some(key.key_data().clone()))
        }
        _ => Err("this type of key is not supported"),
    }
}

fn first_word(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or_default()
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

/// What follows the options, all of which must be harmless.
fn after_options(line: &str) -> Result<&str, &'static str> {
    let end = unquoted(line, |byte| byte == b' ' || byte == b'\t').ok_or("not a public key")?;
    let (mut options, rest) = line.split_at(end);
    let rest = rest.trim_start();
    if !is_key_type(first_word(rest)) {
        return Err("not a public key");
    }
    while !options.is_empty() {
        let end = unquoted(options, |byte| byte == b',').unwrap_or(options.len());
        let (option, others) = options.split_at(end);
        if !HARMLESS
            .iter()
            .any(|name| name.eq_ignore_ascii_case(option))
        {
            return Err("an option of this line is not supported, so its key is refused");
        }
        options = others.get(1..).unwrap_or_default();
    }
    Ok(rest)
}

/// Where the first such byte outside of double quotes is.
fn unquoted(text: &str, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.bytes().position(|byte| {
        let found = !quoted && wanted(byte);
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = byte == b'\\' && !escaped;
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn line(seed: u8) -> alloc::string::String {
        crate::keys::HostKey::from_seed(&[seed; 32]).public_line()
    }

    #[test]
    fn keys_comments_and_options() {
        let text = format!(
            "# people\n\n{}\r\n  {} a comment of several words\nno-port-forwarding,pty {} x\n",
            line(1).trim(),
            line(2).trim(),
            line(3).trim()
        );
        let (keys, bad) = AuthorizedKeys::parse(&text);
        assert_eq!((keys.len(), bad.as_slice()), (3, &[][..]));
    }

    #[test]
    fn a_restriction_is_never_dropped() {
        for options in [
            "command=\"/bin/date , ssh-ed25519\"",
            "restrict",
            "pty,from=\"10.0.0.1\"",
            "cert-authority",
            "expiry-time=\"20300101\"",
        ] {
            let (keys, bad) = AuthorizedKeys::parse(&format!("{options} {}", line(1)));
            assert_eq!((keys.len(), bad.len()), (0, 1), "{options}");
        }
    }

    #[test]
    fn one_bad_line_spoils_nothing_else() {
        let text = format!("ssh-ed25519 AAAAnonsense\nrubbish\nssh-rsa\n{}", line(4));
        let (keys, bad) = AuthorizedKeys::parse(&text);
        assert_eq!(keys.len(), 1);
        assert_eq!(
            bad.iter().map(|bad| bad.line).collect::<Vec<_>>(),
            [1, 2, 3]
        );
    }
}
