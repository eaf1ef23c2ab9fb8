//! The sockets of a unit (systemd.socket(5)).

use toml::{Table, Value};

use super::unit::{self, Entry};
use super::{Imported, plain};

impl Imported {
    /// Takes over the unit that starts the service for its clients.
    pub(super) fn take_socket(&mut self, text: &str) {
        let (mut sockets, mut of_paths, mut name) = (Vec::new(), Table::new(), None);
        for entry in unit::entries(text) {
            let value = entry.value.as_str();
            let taken = match (entry.section.as_str(), entry.key.as_str()) {
                ("Unit", "Description" | "Documentation") | ("Install", "WantedBy") => Ok(()),
                ("Socket", "ListenStream") => address(value, "tcp", "unix").map(|text| {
                    sockets.push(text);
                }),
                ("Socket", "ListenDatagram") => {
                    address(value, "udp", "unix-datagram").map(|text| sockets.push(text))
                }
                ("Socket", "SocketMode") => {
                    of_paths.insert("mode".to_owned(), value.into());
                    Ok(())
                }
                ("Socket", "SocketUser") => {
                    of_paths.insert("owner".to_owned(), value.into());
                    Ok(())
                }
                ("Socket", "SocketGroup") => {
                    of_paths.insert("group".to_owned(), value.into());
                    Ok(())
                }
                ("Socket", "FileDescriptorName") => {
                    name = Some(value.to_owned());
                    Ok(())
                }
                ("Socket", "Accept") if is_no(value) => Ok(()),
                ("Socket", "Accept") => {
                    Err("the program is given the socket, not each connection".to_owned())
                }
                _ => Err("there is nothing like it".to_owned()),
            };
            self.note_left(&entry, taken);
        }
        if sockets.is_empty() {
            return;
        }
        let sockets = sockets.into_iter().map(|listen| {
            let mut table = match listen.starts_with("unix") {
                true => of_paths.clone(),
                false => Table::new(),
            };
            table.insert("listen".to_owned(), listen.into());
            table.extend(name.clone().map(|name| ("name".to_owned(), name.into())));
            Value::Table(table)
        });
        self.set("sockets", Value::Array(sockets.collect()));
        self.set("type", "socket");
    }

    fn note_left(&mut self, entry: &Entry, taken: Result<(), String>) {
        if let Err(why) = taken {
            self.left.push(plain(&format!("{entry} ({why})")));
        }
    }
}

fn is_no(value: &str) -> bool {
    matches!(value, "no" | "false" | "off" | "0")
}

/// A port, an address with one, or a path.
fn address(value: &str, port: &str, path: &str) -> Result<String, String> {
    match value.as_bytes().first() {
        Some(b'/') => Ok(format!("{path}:{value}")),
        Some(b'0'..=b'9' | b'[') => Ok(format!("{port}:{value}")),
        _ => Err("there is nothing like it".to_owned()),
    }
}
