//! Sockets that herd opens for a service, which finds them as sd_listen_fds(3) says.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::Mask;

/// Where clients come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// Connections.
    Tcp(SocketAddr),
    /// Datagrams.
    Udp(SocketAddr),
    /// Connections, at a path.
    Unix(PathBuf),
    /// Datagrams, at a path.
    UnixDatagram(PathBuf),
}

/// One socket. Written as text (`"tcp:80"`), or as a table with the text as `listen`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Socket {
    /// Where it listens.
    pub listen: Listen,
    /// By which name the service finds it; its own if absent.
    pub name: Option<String>,
    /// Permissions of the path.
    pub mode: Option<Mask>,
    /// User name or number that the path belongs to.
    pub owner: Option<String>,
    /// Group name or number that the path belongs to.
    pub group: Option<String>,
}

/// Most sockets of one service.
pub(super) const MOST: usize = 32;

/// Descriptor of the first, as of sd_listen_fds(3).
pub(crate) const FIRST: u8 = 3;

/// No path of a socket is longer, in bytes: unix(7).
const LONGEST_PATH: usize = 107;

/// The same as a table.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mask>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

impl Listen {
    /// The path in the file system, if it has one.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Listen::Unix(path) | Listen::UnixDatagram(path) => Some(path),
            Listen::Tcp(_) | Listen::Udp(_) => None,
        }
    }
}

impl TryFrom<&str> for Listen {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, String> {
        let at = |rest: &str| {
            address(rest).ok_or_else(|| format!("{text:?}: {rest:?} is not PORT or ADDRESS:PORT"))
        };
        let path = |rest: &str| match rest {
            _ if !rest.starts_with('/') => Err(format!("{text:?}: the path is not absolute")),
            _ if rest.len() > LONGEST_PATH => {
                Err(format!("{text:?}: no path of a socket is that long"))
            }
            _ if rest.contains('\0') => Err(format!("{text:?} contains a NUL byte")),
            _ => Ok(PathBuf::from(rest)),
        };
        match text.split_once(':') {
            Some(("tcp", rest)) => Ok(Listen::Tcp(at(rest)?)),
            Some(("udp", rest)) => Ok(Listen::Udp(at(rest)?)),
            Some(("unix", rest)) => Ok(Listen::Unix(path(rest)?)),
            Some(("unix-datagram", rest)) => Ok(Listen::UnixDatagram(path(rest)?)),
            _ => Err(format!(
                "{text:?} is no socket; write it like \"tcp:80\", \"udp:127.0.0.1:53\" \
                 or \"unix:/run/x.sock\""
            )),
        }
    }
}

/// A port at all addresses of this machine, or an address with a port.
fn address(text: &str) -> Option<SocketAddr> {
    match text.parse::<u16>() {
        Ok(0) => None,
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
        Err(_) => text.parse().ok().filter(|at: &SocketAddr| at.port() > 0),
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(at) => write!(f, "tcp:{at}"),
            Listen::Udp(at) => write!(f, "udp:{at}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::UnixDatagram(path) => write!(f, "unix-datagram:{}", path.display()),
        }
    }
}

impl TryFrom<Fields> for Socket {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let listen = Listen::try_from(fields.listen.as_str())?;
        let usable = |c: char| c.is_ascii_graphic() && c != ':';
        if let Some(name) = &fields.name
            && (name.is_empty() || name.len() > 255 || !name.chars().all(usable))
        {
            return Err(format!("{name:?} is no name of a socket"));
        }
        let of_paths = [
            ("mode", fields.mode.is_some()),
            ("owner", fields.owner.is_some()),
            ("group", fields.group.is_some()),
        ];
        if let Some((key, _)) = of_paths.iter().find(|(_, is_there)| *is_there)
            && listen.path().is_none()
        {
            return Err(format!("{key} has no use: {listen} has no path"));
        }
        Ok(Socket {
            listen,
            name: fields.name,
            mode: fields.mode,
            owner: fields.owner,
            group: fields.group,
        })
    }
}

impl Socket {
    fn fields(&self) -> Fields {
        Fields {
            listen: self.listen.to_string(),
            name: self.name.clone(),
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
        }
    }
}

impl Serialize for Socket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.fields();
        let is_plain = fields.name.is_none()
            && fields.mode.is_none()
            && fields.owner.is_none()
            && fields.group.is_none();
        match is_plain {
            true => serializer.serialize_str(&fields.listen),
            false => fields.serialize(serializer),
        }
    }
}

/// Reads text or a table.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Socket;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a socket like \"tcp:80\", or a table with `listen`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Socket, E> {
        let fields = Fields {
            listen: text.to_owned(),
            name: None,
            mode: None,
            owner: None,
            group: None,
        };
        Socket::try_from(fields).map_err(de::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Socket, A::Error> {
        let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Socket::try_from(fields).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Socket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_and_shown() {
        for (text, shown) in [
            ("tcp:80", "tcp:0.0.0.0:80"),
            ("tcp:[::1]:80", "tcp:[::1]:80"),
            ("udp:10.0.0.1:53", "udp:10.0.0.1:53"),
            ("unix:/run/a b", "unix:/run/a b"),
            ("unix-datagram:/dev/log", "unix-datagram:/dev/log"),
        ] {
            let listen = Listen::try_from(text).unwrap();
            assert_eq!(listen.to_string(), shown);
            assert_eq!(Listen::try_from(shown), Ok(listen));
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for bad in ["tcp:", "tcp:0", "udp:x", "unix:x", "80", "sctp:1", &long] {
            assert!(Listen::try_from(bad).is_err(), "{bad}");
        }
    }
}
