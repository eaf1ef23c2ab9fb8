//! `/proc/keys` and `/proc/key-users` (proc(5)).

use crate::key::{Content, Key, Kind, Serial};
use crate::perm::Need;
use crate::search::Wanted;
use crate::store::{Caller, Keys};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use paddock_abi::{Errno, Result};

/// A text that has room for what is put there; what has none is left out.
pub(crate) struct Line(Vec<u8>);

impl Line {
    /// With room for so many bytes. `ENOMEM`.
    pub fn new(room: usize) -> Result<Line> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
        Ok(Line(bytes))
    }

    pub fn put(&mut self, text: fmt::Arguments<'_>) {
        // It never fails: see `write_str`.
        let _ = self.write_fmt(text);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let room = self.0.capacity() - self.0.len();
        let bytes = bytes.get(..room).unwrap_or(bytes);
        if bytes.len() <= room {
            self.0.extend_from_slice(bytes);
        }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// How long a key has, as `/proc/keys` says it.
struct TimeLeft(Option<u64>);

impl fmt::Display for TimeLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        const WEEK: u64 = 7 * DAY;
        match self.0 {
            None => f.write_str("perm"),
            Some(0) => f.write_str("expd"),
            Some(left @ ..MINUTE) => write!(f, "{left:3}s"),
            Some(left @ ..HOUR) => write!(f, "{:3}m", left / MINUTE),
            Some(left @ ..DAY) => write!(f, "{:3}h", left / HOUR),
            Some(left @ ..WEEK) => write!(f, "{:3}d", left / DAY),
            Some(left) => write!(f, "{:3}w", left / WEEK),
        }
    }
}

impl Keys {
    /// The line of `/proc/keys` of the first key behind `behind` that the caller sees, and
    /// its number.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn line_behind(
        &mut self,
        who: &Caller<'_>,
        behind: Serial,
    ) -> Result<Option<(Serial, Vec<u8>)>> {
        let mut from = behind.saturating_add(1);
        while let Some(serial) = self.all.range(from..).next().map(|(serial, _)| *serial) {
            let possessed = self.search_own(who, Wanted::Serial(serial)).is_ok();
            let key = self.key(serial)?;
            if key.grants(who.cred, possessed, Need::VIEW) {
                return Ok(Some((serial, line(who, serial, key)?)));
            }
            from = serial.saturating_add(1);
        }
        Ok(None)
    }

    /// The line of `/proc/key-users` of the first user from `from` on, and its number.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn user_line(&self, from: u32) -> Result<Option<(u32, Vec<u8>)>> {
        let mut users = self.users.iter().skip_while(|(uid, _)| *uid < from);
        let Some((uid, held)) = users.next() else {
            return Ok(None);
        };
        let (keys, bytes) = (held.keys, held.bytes);
        let (most, most_bytes) = self.limits.of(uid);
        let mut text = Line::new(128)?;
        text.put(format_args!(
            "{uid:5}: {keys:5} {keys}/{keys} {keys}/{most} {bytes}/{most_bytes}\n"
        ));
        Ok(Some((uid, text.into_bytes())))
    }
}

fn line(who: &Caller<'_>, serial: Serial, key: &Key) -> Result<Vec<u8>> {
    let mut text = Line::new(key.description.len() + 128)?;
    let flag = |is, letter| if is { letter } else { '-' };
    let negative = matches!(key.content, Content::Negative(_));
    let flags = [
        'I',
        flag(key.revoked.is_some(), 'R'),
        '-',
        'Q',
        '-',
        flag(negative, 'N'),
        flag(key.invalid, 'i'),
    ];
    text.put(format_args!("{serial:08x} "));
    for letter in flags {
        text.put(format_args!("{letter}"));
    }
    let namespace = &who.cred.user_namespace;
    let left = TimeLeft(key.expires.map(|at| at.saturating_sub(who.now)));
    let uid = namespace.shown_uid(key.uid);
    let gid = match key.gid {
        u32::MAX => -1,
        gid => i64::from(namespace.shown_gid(gid)),
    };
    let (references, perm, name) = (key.references, key.perm, key.kind.name());
    text.put(format_args!(
        " {references:5} {left:>4} {perm:08x} {uid:5} {gid:5} {name:<9} "
    ));
    text.bytes(&key.description);
    match &key.content {
        Content::Links(links) if links.is_empty() => text.put(format_args!(": empty")),
        Content::Links(links) => text.put(format_args!(": {}", links.len())),
        Content::Bytes(bytes) if key.kind != Kind::Keyring => {
            text.put(format_args!(": {}", bytes.len()));
        }
        _ => {}
    }
    text.bytes(b"\n");
    Ok(text.into_bytes())
}
