//! What the owner of a server is told, and how it reads in a log.

use core::fmt;

use crate::admission::Stage;
use crate::error::Ended;

/// Something about a connection that its owner may want to know or to log.
/// Names that a client gave may hold any characters; the text that a notice
/// makes is one line of printable ones.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// The client has come so far.
    Reached(Stage),
    /// The client has logged in.
    LoggedIn {
        /// The user's name.
        user: &'a str,
        /// The key's fingerprint.
        fingerprint: &'a str,
    },
    /// An attempt to log in has been refused.
    Refused {
        /// The name the client gave.
        user: &'a str,
        /// The method.
        method: &'a str,
        /// The key's fingerprint, if there is one.
        fingerprint: Option<&'a str>,
        /// Why.
        reason: &'a str,
    },
    /// A program was not started, or a connection not made.
    NotStarted {
        /// Why.
        reason: &'static str,
    },
    /// The connection has ended; the last notice.
    Ended {
        /// The user's name and the key's fingerprint, if the client had
        /// logged in.
        login: Option<(&'a str, &'a str)>,
        /// How.
        ended: &'a Ended,
    },
}

/// The most characters of a client's word that are shown.
const SHOWN: usize = 64;

/// A client's word, printable.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for character in characters.by_ref().take(SHOWN) {
            match character {
                '!'..='~' if character != '\\' => fmt::Write::write_char(f, character)?,
                _ => write!(f, "{}", character.escape_unicode())?,
            }
        }
        match characters.next() {
            Some(_) => f.write_str("..."),
            None if self.0.is_empty() => f.write_str("(no name)"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Reached(Stage::Silent) => f.write_str("connected"),
            Notice::Reached(Stage::Greeted) => f.write_str("greeted"),
            Notice::Reached(Stage::HasKeys) => f.write_str("keys agreed"),
            Notice::LoggedIn { user, fingerprint } => {
                write!(
                    f,
                    "{} logged in by publickey with {fingerprint}",
                    Shown(user)
                )
            }
            Notice::Refused {
                user,
                method,
                fingerprint,
                reason,
            } => {
                write!(f, "refused {} for {}", Shown(method), Shown(user))?;
                if let Some(fingerprint) = fingerprint {
                    write!(f, " with {fingerprint}")?;
                }
                write!(f, ": {reason}")
            }
            Notice::NotStarted { reason } => {
                write!(f, "no program or connection was made: {reason}")
            }
            Notice::Ended { login, ended } => match login {
                Some((user, fingerprint)) => {
                    write!(f, "{} with {fingerprint} has ended: {ended}", Shown(user))
                }
                None => write!(f, "ended without a login: {ended}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    #[test]
    fn a_client_s_words_cannot_forge_a_line() {
        let user = "x\nroot logged in\u{1b}[2J\\ ";
        let line = Notice::Refused {
            user,
            method: "password",
            fingerprint: None,
            reason: "not a method of this server",
        };
        assert_eq!(
            line.to_string(),
            "refused password for x\\u{a}root\\u{20}logged\\u{20}in\\u{1b}[2J\\u{5c}\\u{20}: \
             not a method of this server"
        );
        let long = "y".repeat(1000);
        let line = Notice::LoggedIn {
            user: &long,
            fingerprint: "SHA256:x",
        };
        assert!(line.to_string().len() < 200);
        assert_eq!(Shown("").to_string(), String::from("(no name)"));
    }
}
