//! Whose account it is, and whether it may log in now.

use super::files::{self, BadLines, read_if_there};
use crate::time;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_cred::Groups;
use paddock_ssh::Refusal;
use paddock_ssh::accounts::{self, Account};
use paddock_vfs::{Cred, PathContext};

const PASSWD: &[u8] = b"/etc/passwd";
const GROUP: &[u8] = b"/etc/group";
const SHADOW: &[u8] = b"/etc/shadow";
const SHELLS: &[u8] = b"/etc/shells";
/// While one of them is there, only user 0 may log in (nologin(5)).
const NO_LOGIN: [&[u8]; 2] = [b"/etc/nologin", b"/run/nologin"];
/// The most of such a file that its reader is shown, in bytes.
const MAX_MESSAGE: usize = 2048;

/// The account of that name. Without an /etc/passwd there is root alone. May
/// sleep.
///
/// # Errors
/// `ENOENT`, and those of reading the file.
pub fn find(root: &PathContext, name: &str) -> Result<Account> {
    let contents = match files::read(root, PASSWD) {
        Ok(contents) => contents,
        Err(Errno::ENOENT) if name == "root" => return Ok(Account::root()),
        Err(error) => return Err(error),
    };
    let mut bad = BadLines::default();
    let found = accounts::find(&contents.bytes, name, |line| bad.add(line));
    bad.name(PASSWD, &contents);
    found.ok_or(Errno::ENOENT)
}

/// An account's identity: its groups are those of /etc/group. May sleep.
///
/// # Errors
/// `ENOMEM`, `EINVAL` for too many groups.
pub fn cred(root: &PathContext, account: &Account) -> Result<Cred> {
    let mut cred = Cred::user(account.uid, account.gid);
    if let Some(contents) = read_if_there(root, GROUP) {
        let mut bad = BadLines::default();
        let groups = account.groups(&contents.bytes, |line| bad.add(line));
        bad.name(GROUP, &contents);
        cred.groups = Groups::new(groups)?;
    }
    Ok(cred)
}

/// Whether the account may log in now. May sleep.
///
/// # Errors
/// Why not.
pub fn check(root: &PathContext, account: &Account) -> core::result::Result<(), Refusal> {
    let shadow = bytes(root, SHADOW);
    account.check_open(&shadow, now())?;
    if let Some(shells) = read_if_there(root, SHELLS)
        && !account.has_listed_shell(&shells.bytes)
    {
        return Err("the account's shell is not in /etc/shells".into());
    }
    if account.uid == 0 {
        return Ok(());
    }
    match NO_LOGIN.iter().find_map(|path| read_if_there(root, path)) {
        Some(contents) => Err(Refusal {
            reason: "there is an /etc/nologin".into(),
            message: Some(message(&contents.bytes)),
        }),
        None => Ok(()),
    }
}

fn bytes(root: &PathContext, path: &[u8]) -> Vec<u8> {
    read_if_there(root, path).map_or(Vec::new(), |contents| contents.bytes)
}

/// The time in seconds since 1970.
pub fn now() -> u64 {
    time::wall() / 1_000_000_000
}

/// A file's text for a client's terminal: nothing in it can do anything there.
fn message(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(MAX_MESSAGE)];
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end().lines().map(|line| {
        let fine = line.chars().filter(|character| !character.is_control());
        fine.collect::<String>() + "\r\n"
    });
    match text.collect::<String>() {
        text if text.is_empty() => "Logging in is not possible now.\r\n".to_string(),
        text => text,
    }
}
