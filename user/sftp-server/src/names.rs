//! Names of users and groups, and the lines that `ls -l` shows.

use std::collections::HashMap;
use std::fs;

use crate::attributes::Attributes;

/// Half a year, in seconds: older files show their year.
const RECENT: i64 = 182 * 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The names in /etc/passwd and /etc/group by their numbers, read at the first
/// question.
#[derive(Debug, Default)]
pub struct Names {
    users: Option<HashMap<u32, Vec<u8>>>,
    groups: Option<HashMap<u32, Vec<u8>>>,
}

impl Names {
    /// A user's name.
    pub fn user(&mut self, uid: u32) -> Option<&[u8]> {
        let users = self.users.get_or_insert_with(|| table("/etc/passwd"));
        users.get(&uid).map(Vec::as_slice)
    }

    /// A group's name.
    pub fn group(&mut self, gid: u32) -> Option<&[u8]> {
        let groups = self.groups.get_or_insert_with(|| table("/etc/group"));
        groups.get(&gid).map(Vec::as_slice)
    }

    /// A line about a file, as `ls -l` has it; `now` in seconds since 1970,
    /// times in UTC.
    pub fn line(&mut self, name: &[u8], attributes: &Attributes, links: u64, now: i64) -> Vec<u8> {
        let (uid, gid) = attributes.owner.unwrap_or_default();
        let shown = |name: Option<&[u8]>, number: u32| match name {
            Some(name) => String::from_utf8_lossy(name).into_owned(),
            None => number.to_string(),
        };
        let user = shown(self.user(uid), uid);
        let group = shown(self.group(gid), gid);
        let mode = mode_text(attributes.mode.unwrap_or_default());
        let size = attributes.size.unwrap_or_default();
        let mtime = attributes.times.map_or(0, |(_, mtime)| mtime.into());
        let time = time_text(mtime, now);
        let mut line =
            format!("{mode} {links:4} {user:<8} {group:<8} {size:8} {time} ").into_bytes();
        line.extend_from_slice(name);
        line
    }
}

/// Third fields with the first. Bytes need not be text; other lines count for
/// nothing, and of two with the same number the first counts.
fn table(path: &str) -> HashMap<u32, Vec<u8>> {
    let text = fs::read(path).unwrap_or_default();
    let mut table = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().unwrap_or_default();
        let number = fields.nth(1).and_then(|field| str::from_utf8(field).ok());
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            table.entry(number).or_insert_with(|| name.to_vec());
        }
    }
    table
}

/// `drwxr-xr-x` and the like.
fn mode_text(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o010_000 => 'p',
        0o140_000 => 's',
        0o020_000 => 'c',
        0o060_000 => 'b',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// `Nov 28 07:53`, or `Nov 28  2024` for what is old or yet to come.
fn time_text(time: i64, now: i64) -> String {
    let (year, month, day) = date(time.div_euclid(86_400));
    let month = MONTHS[month - 1];
    let second = time.rem_euclid(86_400);
    match (0..RECENT).contains(&(now - time)) {
        true => format!(
            "{month} {day:2} {:02}:{:02}",
            second / 3600,
            second / 60 % 60
        ),
        false => format!("{month} {day:2} {year:5}"),
    }
}

/// Year, month from 1 and day from 1 of a day since 1970, which is not before
/// that.
fn date(mut days: i64) -> (i64, usize, i64) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        (days, year) = (days - length, year + 1);
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(19_783), (2024, 3, 1));
        assert_eq!(date(49_709), (2106, 2, 6));
    }

    #[test]
    fn lines_are_those_of_ls() {
        let attributes = Attributes {
            size: Some(12),
            owner: Some((0, 4_000_000)),
            mode: Some(0o104_754),
            times: Some((0, 1_709_208_000)),
        };
        let line = |now| {
            let line = Names::default().line(b"na\xffme", &attributes, 2, now);
            String::from_utf8_lossy(&line).into_owned()
        };
        assert_eq!(
            line(1_709_208_060),
            "-rwsr-xr--    2 root     4000000        12 Feb 29 12:00 na\u{fffd}me"
        );
        assert!(line(1_809_208_060).contains(" Feb 29  2024 na"));
        assert_eq!(mode_text(0o041_776), "drwxrwxrwT");
    }
}
