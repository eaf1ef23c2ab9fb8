//! Who may log in: /etc/passwd (passwd(5)).

use super::host_key::read;
use alloc::string::String;
use paddock_abi::{Errno, Result};
use paddock_vfs::PathContext;

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its user number.
    pub uid: u32,
    /// Its group number.
    pub gid: u32,
    /// Its home directory.
    pub home: String,
    /// Its shell.
    pub shell: String,
}

/// The account of that name. Without an /etc/passwd there is root alone. May
/// sleep.
///
/// # Errors
/// `ENOENT`, and those of reading the file.
pub fn find(context: &PathContext, name: &str) -> Result<Account> {
    match read(context, b"/etc/passwd") {
        Ok(text) => text
            .lines()
            .find_map(|line| parse(line, name))
            .ok_or(Errno::ENOENT),
        Err(Errno::ENOENT) if name == "root" => Ok(root()),
        Err(error) => Err(error),
    }
}

fn root() -> Account {
    Account {
        name: String::from("root"),
        uid: 0,
        gid: 0,
        home: String::from("/root"),
        shell: String::from("/bin/sh"),
    }
}

fn parse(line: &str, name: &str) -> Option<Account> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = fields.nth(1)?;
    let shell = fields
        .next()
        .map(str::trim)
        .filter(|shell| !shell.is_empty());
    Some(Account {
        name: String::from(name),
        uid,
        gid,
        home: String::from(if home.is_empty() { "/" } else { home }),
        shell: String::from(shell.unwrap_or("/bin/sh")),
    })
}
