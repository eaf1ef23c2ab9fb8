//! The options before a key, with sshd's grammar (its auth-options.c).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{KeyRefusal, Origin, expiry, origin};
use crate::auth::AuthRequest;
use crate::keys::certificate;

/// A name and a value for a program's environment.
pub type Variable = (Vec<u8>, Vec<u8>);

/// What a key that has been let in may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOptions {
    /// What runs in place of whatever the client asks for.
    pub command: Option<Vec<u8>>,
    /// For the environment, if the server's owner allows that.
    pub environment: Vec<Variable>,
    /// No terminal is given.
    pub no_pty: bool,
    /// No connection is forwarded.
    pub no_port_forwarding: bool,
    /// No agent is forwarded.
    pub no_agent_forwarding: bool,
    /// No X11 is forwarded.
    pub no_x11_forwarding: bool,
    /// `~/.ssh/rc` is not run. This server never does.
    pub no_user_rc: bool,
    /// A key in a security token need not be touched.
    pub no_touch_required: bool,
    /// A key in a security token must have asked who is there.
    pub verify_required: bool,
    /// `HOST:PORT` to which `-L` may lead; any if empty.
    pub permit_open: Vec<String>,
    /// `[HOST:]PORT` on which `-R` may listen; any if empty.
    pub permit_listen: Vec<String>,
}

impl KeyOptions {
    /// Whether `-L` may lead to a host and port.
    pub(crate) fn may_connect(&self, host: &str, port: u16) -> bool {
        !self.no_port_forwarding && listed(&self.permit_open, host, port)
    }

    /// Whether `-R` may listen on a host and port.
    pub(crate) fn may_listen(&self, host: &str, port: u16) -> bool {
        !self.no_port_forwarding && listed(&self.permit_listen, host, port)
    }

    /// Whether `-L` and `-R` may be about local sockets: not with a list of
    /// ports, which would be no limit then.
    pub(crate) fn may_use_local_sockets(&self) -> bool {
        let has_lists = !self.permit_open.is_empty() || !self.permit_listen.is_empty();
        !self.no_port_forwarding && !has_lists
    }
}

/// Whether a list of `[HOST:]PORT` has a host and port; an empty one has all.
fn listed(list: &[String], host: &str, port: u16) -> bool {
    let allows = |endpoint: &String| {
        let (allowed, ports) = match endpoint.rsplit_once(':') {
            Some((allowed, ports)) => (allowed, ports),
            None => ("*", endpoint.as_str()),
        };
        let allowed = allowed.strip_prefix('[').unwrap_or(allowed);
        let allowed = allowed.strip_suffix(']').unwrap_or(allowed);
        (allowed == "*" || allowed.eq_ignore_ascii_case(host))
            && (ports == "*" || ports.parse() == Ok(port))
    };
    list.is_empty() || list.iter().any(allows)
}

/// A line's options, those that decide about the login included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    options: KeyOptions,
    /// A pattern list, already checked.
    from: Option<Vec<u8>>,
    /// Seconds since 1970.
    expires: Option<u64>,
    /// The key signs certificates.
    pub(super) is_authority: bool,
    /// Whom a certificate has to name, if not the user.
    principals: Vec<String>,
}

impl Parsed {
    /// What the key may do, if it may log in now and from there.
    pub(super) fn permit(
        self,
        request: &AuthRequest,
        origin: &Origin,
    ) -> Result<KeyOptions, KeyRefusal> {
        if self.expires.is_some_and(|expires| expires <= origin.now) {
            return Err(KeyRefusal::Expired);
        }
        match self.from {
            Some(from) if !origin::matches(&from, origin.address) => {
                return Err(KeyRefusal::OtherOrigin);
            }
            _ => {}
        }
        match &request.certificate {
            Some(certificate) => {
                certificate.permit(&request.user, &self.principals, self.options, origin)
            }
            None => Ok(self.options),
        }
    }
}

type Reason = Cow<'static, str>;

/// The longest piece of a line that is repeated in the log.
const SHOWN: usize = 40;

/// Parses the comma-separated options of a line.
pub(super) fn parse(mut text: &[u8]) -> Result<Parsed, Reason> {
    let mut parsed = Parsed::default();
    while !text.is_empty() {
        let end = unquoted(text, |byte| byte == b',').unwrap_or(text.len());
        let (option, rest) = text.split_at(end);
        match option.iter().position(|byte| *byte == b'=') {
            Some(at) => parsed.valued(&option[..at], &option[at + 1..])?,
            None => parsed.flag(option)?,
        }
        text = match rest {
            [b','] => return Err("an option is missing after the comma".into()),
            [_, more @ ..] => more,
            [] => rest,
        };
    }
    Ok(parsed)
}

fn unknown(name: &[u8]) -> Reason {
    format!(
        "unknown option `{}`, so its key is refused",
        printable(name)
    )
    .into()
}

fn printable(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN).map(|byte| match byte {
        0x20..0x7f => char::from(*byte),
        _ => '?',
    });
    shown.collect()
}

impl Parsed {
    /// An option without a value; `no-` turns what can be turned.
    fn flag(&mut self, name: &[u8]) -> Result<(), Reason> {
        let name = name.to_ascii_lowercase();
        let (negated, what) = match name.strip_prefix(b"no-") {
            Some(what) => (true, what),
            None => (false, name.as_slice()),
        };
        let options = &mut self.options;
        match (what, negated) {
            (b"restrict", false) => {
                options.no_pty = true;
                options.no_port_forwarding = true;
                options.no_agent_forwarding = true;
                options.no_x11_forwarding = true;
                options.no_user_rc = true;
            }
            (b"pty", _) => options.no_pty = negated,
            (b"port-forwarding", _) => options.no_port_forwarding = negated,
            (b"agent-forwarding", _) => options.no_agent_forwarding = negated,
            (b"x11-forwarding", _) => options.no_x11_forwarding = negated,
            (b"user-rc", _) => options.no_user_rc = negated,
            (b"touch-required", _) => options.no_touch_required = negated,
            (b"verify-required", false) => options.verify_required = true,
            (b"cert-authority", false) => self.is_authority = true,
            _ => return Err(unknown(&name)),
        }
        Ok(())
    }

    fn valued(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        let name = name.to_ascii_lowercase();
        let known: &[&[u8]] = &[
            b"command",
            b"environment",
            b"expiry-time",
            b"from",
            b"permitlisten",
            b"permitopen",
            b"principals",
            b"tunnel",
        ];
        if !known.contains(&name.as_slice()) {
            return Err(unknown(&name));
        }
        let value = dequote(value)
            .ok_or_else(|| format!("the value of `{}` must be quoted", printable(&name)))?;
        self.set(&name, value)
    }

    fn set(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), Reason> {
        let options = &mut self.options;
        match name {
            b"command" if options.command.is_some() => return Err(twice("command")),
            b"command" => options.command = Some(value),
            b"from" if self.from.is_some() => return Err(twice("from")),
            b"from" => {
                origin::check(&value)?;
                self.from = Some(value);
            }
            b"expiry-time" => {
                let time = expiry::parse(&value).ok_or("`expiry-time` is not a time")?;
                self.expires = Some(self.expires.map_or(time, |other| other.min(time)));
            }
            b"environment" => {
                let (name, value) = variable(&value)?;
                if !options.environment.iter().any(|(other, _)| *other == name) {
                    options.environment.push((name, value));
                }
            }
            b"permitopen" => options.permit_open.push(endpoint(&value, true)?),
            b"permitlisten" => options.permit_listen.push(endpoint(&value, false)?),
            b"principals" => {
                self.principals =
                    certificate::principals(&value).ok_or("`principals` needs names")?;
            }
            // For what is never given.
            _ => {}
        }
        Ok(())
    }
}

fn twice(name: &str) -> Reason {
    format!("`{name}` is given twice").into()
}

/// `NAME=VALUE`, the name of letters, digits and `_`.
fn variable(text: &[u8]) -> Result<Variable, Reason> {
    let at = text.iter().position(|byte| *byte == b'=');
    let (name, value) = at
        .map(|at| (&text[..at], &text[at + 1..]))
        .ok_or("`environment` needs NAME=VALUE")?;
    let fine = !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    match fine {
        true => Ok((name.to_vec(), value.to_vec())),
        false => Err("`environment` has a bad name".into()),
    }
}

/// `HOST:PORT`, or a port alone where the host is optional. The port is a
/// number or `*`.
fn endpoint(text: &[u8], needs_host: bool) -> Result<String, Reason> {
    let bad = "`permitopen` and `permitlisten` need HOST:PORT";
    let text = core::str::from_utf8(text).map_err(|_| bad)?;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, text),
    };
    let fine_host = match host {
        Some(host) => !host.is_empty() && !host.contains(char::is_whitespace),
        None => !needs_host,
    };
    match fine_host && (port == "*" || port.parse::<u16>().is_ok_and(|port| port > 0)) {
        true => Ok(text.into()),
        false => Err(bad.into()),
    }
}

/// What stands in double quotes, where `\"` is a quote. Nothing may follow.
fn dequote(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut out = Vec::new();
    loop {
        match rest {
            [b'"'] => return Some(out).filter(|out| !out.contains(&0)),
            [b'\\', b'"', more @ ..] => {
                out.push(b'"');
                rest = more;
            }
            [b'"', ..] | [] => return None,
            [byte, more @ ..] => {
                out.push(*byte);
                rest = more;
            }
        }
    }
}

/// Where the first such byte outside of double quotes is.
pub(super) fn unquoted(text: &[u8], wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.iter().position(|&byte| {
        let found = !quoted && wanted(byte);
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        // As sshd has it: only a quote can be escaped.
        escaped = byte == b'\\';
        found
    })
}
