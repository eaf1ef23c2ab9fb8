//! Who may log in: passwd(5), group(5), shadow(5), shells(5), and sshd's
//! `StrictModes`; and hosts(5). Files are read as bytes, line by line: a line that is not
//! what it should be stands for nothing and spoils nothing else.

mod hosts;
mod strict;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use crate::keys::BadLine;
pub use hosts::host_address;
pub use strict::{Weakness, weakness};

/// The most groups that are taken for one account, as `NGROUPS_MAX` of Linux.
const MAX_GROUPS: usize = 65_536;
/// Seconds of a day, the unit of shadow(5).
const DAY: u64 = 86_400;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its user number.
    pub uid: u32,
    /// Its group number.
    pub gid: u32,
    /// Its home directory, never empty.
    pub home: Vec<u8>,
    /// Its shell, never empty.
    pub shell: Vec<u8>,
    /// The password's field begins with `!`.
    is_locked: bool,
}

impl Account {
    /// The superuser's, where there is no /etc/passwd.
    pub fn root() -> Self {
        Self {
            name: "root".into(),
            uid: 0,
            gid: 0,
            home: b"/root".to_vec(),
            shell: b"/bin/sh".to_vec(),
            is_locked: false,
        }
    }

    /// Whether the account is locked (passwd -l) or has expired, by what
    /// /etc/shadow says; `now` in seconds since 1970. Why, for the log.
    ///
    /// # Errors
    /// What keeps the account from logging in.
    pub fn check_open(&self, shadow: &[u8], now: u64) -> Result<(), &'static str> {
        if self.is_locked {
            return Err("the account is locked (`!` in /etc/passwd)");
        }
        let entry = fields_of(shadow, self.name.as_bytes());
        let Some(fields) = entry else {
            return Ok(());
        };
        if fields.get(1).is_some_and(|field| field.starts_with(b"!")) {
            return Err("the account is locked (`!` in /etc/shadow)");
        }
        let expires = fields.get(7).and_then(|field| number::<u64>(field));
        match expires.is_some_and(|day| day <= now / DAY) {
            true => Err("the account has expired (/etc/shadow)"),
            false => Ok(()),
        }
    }

    /// Whether /etc/shells has the account's shell. User 0 needs no listed
    /// one: whoever could mend the file must get in.
    pub fn has_listed_shell(&self, shells: &[u8]) -> bool {
        let listed = |line: &[u8]| line.trim_ascii() == self.shell.as_slice();
        self.uid == 0 || shells.split(|byte| *byte == b'\n').any(listed)
    }

    /// The numbers of the groups that have the account as a member, its own
    /// group among them; in their order, none twice.
    pub fn groups(&self, group: &[u8], mut report: impl FnMut(BadLine)) -> Vec<u32> {
        let mut groups = alloc::vec![self.gid];
        for (line, fields) in entries(group) {
            let gid = fields.get(2).and_then(|field| number(field));
            let (Some(gid), Some(members)) = (gid, fields.get(3)) else {
                report(bad(line, "not a group"));
                continue;
            };
            let is_member = members
                .split(|byte| *byte == b',')
                .any(|member| member.trim_ascii() == self.name.as_bytes());
            if is_member && groups.len() < MAX_GROUPS {
                groups.push(gid);
            }
        }
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

/// The account of that name in /etc/passwd: the first whose line is a whole
/// one. Every line is read whether it is found or not.
pub fn find(passwd: &[u8], name: &str, mut report: impl FnMut(BadLine)) -> Option<Account> {
    let mut found = None;
    for (line, fields) in entries(passwd) {
        match account(&fields) {
            Some(account) if account.name == name && found.is_none() => found = Some(account),
            Some(_) => {}
            None => report(bad(line, "not an account")),
        }
    }
    found
}

fn account(fields: &[&[u8]]) -> Option<Account> {
    let &[name, password, uid, gid, _, home, ref shell @ ..] = fields else {
        return None;
    };
    let or = |field: &[u8], default: &[u8]| match field {
        [] => default.to_vec(),
        field => field.to_vec(),
    };
    let account = Account {
        name: core::str::from_utf8(name).ok()?.into(),
        uid: number(uid)?,
        gid: number(gid)?,
        home: or(home, b"/"),
        shell: or(shell.first().unwrap_or(&&b""[..]), b"/bin/sh"),
        is_locked: password.starts_with(b"!"),
    };
    let fine =
        !account.name.is_empty() && !account.home.contains(&0) && !account.shell.contains(&0);
    fine.then_some(account)
}

fn bad(line: usize, reason: &'static str) -> BadLine {
    BadLine {
        line,
        reason: reason.into(),
    }
}

/// The lines that say something, numbered from 1, in their fields.
fn entries(text: &[u8]) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
    text.split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        // At most as many as are looked at, whatever the line has.
        .map(|(number, line)| (number, line.splitn(10, |byte| *byte == b':').collect()))
}

fn fields_of<'a>(text: &'a [u8], name: &[u8]) -> Option<Vec<&'a [u8]>> {
    entries(text)
        .map(|(_, fields)| fields)
        .find(|fields| fields.first() == Some(&name))
}

/// A decimal number without a sign.
fn number<T: core::str::FromStr>(field: &[u8]) -> Option<T> {
    let digits = field.iter().all(u8::is_ascii_digit);
    let text = core::str::from_utf8(field).ok().filter(|_| digits)?;
    text.parse().ok()
}
