//! How it is found out that a service does what it is for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::units::Millis;
use super::values::Command;

/// How a service tells that it is ready, or how that is found out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Ready {
    /// It writes a line to this descriptor.
    Fd(u8),
    /// It sends `READY=1` to the socket that `NOTIFY_SOCKET` names.
    Notify,
    /// herd asks.
    Probe(Probe),
}

/// A question to a service, of which any answer in time is a good one unless
/// something else is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Probe {
    /// It takes a connection.
    Tcp(SocketAddr),
    /// The same, at a path.
    Unix(PathBuf),
    /// It answers a GET of this path with a status from 200 to 399.
    Http(SocketAddr, String),
    /// This command ends with status 0.
    Exec(Command),
}

/// Questions that are asked for as long as it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// How long after one answer it is asked again.
    #[serde(default = "period")]
    pub period: Millis,
    /// How long an answer may take.
    #[serde(default = "timeout")]
    pub timeout: Millis,
    /// So many in a row without a good answer, and it is not well.
    #[serde(default = "failures")]
    pub failures: u8,
}

fn period() -> Millis {
    Millis(10_000)
}

fn timeout() -> Millis {
    Millis(1_000)
}

fn failures() -> u8 {
    3
}

/// Lowest descriptor that can be told of: those before are the standard ones.
const LOWEST_FD: u8 = 3;

impl TryFrom<String> for Ready {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "notify" {
            return Ok(Ready::Notify);
        }
        match text.strip_prefix("fd:") {
            Some(number) => match number.parse() {
                Ok(number) if number >= LOWEST_FD => Ok(Ready::Fd(number)),
                _ => Err(format!("{text:?}: a descriptor is a number from 3 to 255")),
            },
            None => Probe::try_from(text).map(Ready::Probe).map_err(|error| {
                error.replace("write it like", "write it like \"fd:3\", \"notify\",")
            }),
        }
    }
}

impl From<Ready> for String {
    fn from(ready: Ready) -> Self {
        match ready {
            Ready::Fd(number) => format!("fd:{number}"),
            Ready::Notify => "notify".to_owned(),
            Ready::Probe(probe) => probe.into(),
        }
    }
}

impl TryFrom<String> for Probe {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let address = |rest: &str| {
            address(rest).ok_or_else(|| format!("{text:?}: {rest:?} is not PORT or ADDRESS:PORT"))
        };
        match text.split_once(':') {
            Some(("tcp", rest)) => Ok(Probe::Tcp(address(rest)?)),
            Some(("http", rest)) => {
                let (at, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let path = if path.is_empty() { "/" } else { path };
                if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
                    return Err(format!("{text:?}: no path of a page"));
                }
                Ok(Probe::Http(address(at)?, path.to_owned()))
            }
            Some(("unix", path)) if path.starts_with('/') => Ok(Probe::Unix(path.into())),
            Some(("unix", _)) => Err(format!("{text:?}: the path is not absolute")),
            Some(("exec", command)) => Command::split(command).map(Probe::Exec),
            _ => Err(format!(
                "{text:?} cannot be asked; write it like \"tcp:80\", \"unix:/run/x.sock\", \
                 \"http:80/health\" or \"exec:COMMAND\""
            )),
        }
    }
}

/// A port of this machine's, or an address with a port.
fn address(text: &str) -> Option<SocketAddr> {
    match text.parse::<u16>() {
        Ok(0) => None,
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => text.parse().ok().filter(|at: &SocketAddr| at.port() > 0),
    }
}

impl From<Probe> for String {
    fn from(probe: Probe) -> Self {
        match probe {
            Probe::Tcp(at) => format!("tcp:{at}"),
            Probe::Unix(path) => format!("unix:{}", path.display()),
            Probe::Http(at, path) => format!("http:{at}{path}"),
            Probe::Exec(command) => {
                let words = command.0.iter().map(String::as_str);
                // It came from text without a NUL, which alone cannot be quoted.
                let text = shlex::try_join(words).unwrap_or_default();
                format!("exec:{text}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_read_and_shown() {
        for (text, shown) in [
            ("fd:3", "fd:3"),
            ("notify", "notify"),
            ("tcp:80", "tcp:127.0.0.1:80"),
            ("tcp:[::1]:80", "tcp:[::1]:80"),
            ("http:80", "http:127.0.0.1:80/"),
            ("http:10.0.0.1:80/a?b", "http:10.0.0.1:80/a?b"),
            ("unix:/run/x", "unix:/run/x"),
            ("exec:test -e '/a b'", "exec:test -e '/a b'"),
        ] {
            let ready = Ready::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(ready.clone()), shown);
            assert_eq!(Ready::try_from(shown.to_owned()), Ok(ready));
        }
        for bad in [
            "fd:2",
            "fd:x",
            "tcp:",
            "tcp:0",
            "tcp:x",
            "unix:x",
            "exec:",
            "exec:'",
            "http:80/ x",
            "y",
        ] {
            assert!(Ready::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
