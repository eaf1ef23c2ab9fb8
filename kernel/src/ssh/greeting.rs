//! What an interactive login is told first: what is wrong, then /etc/motd.

use super::{files, settings};
use crate::process::vfs;
use crate::{violations, watchdog};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use paddock_ssh::SpawnRequest;
use paddock_ssh::accounts::Account;
use paddock_vfs::PathContext;

/// Services that have failed, a line each; herd keeps it.
const FAILED: &[u8] = b"/run/herd/failed";
const MOTD: &[u8] = b"/etc/motd";
/// In a home: its user wants to be told nothing.
const HUSH: &[u8] = b"/.hushlogin";
/// The most of a file that is shown, in bytes.
const MOST: usize = 8192;

/// The text for a terminal; none for a command, or where it is not wanted.
/// Sleeps.
pub fn text(root: &PathContext, account: &Account, request: &SpawnRequest) -> Vec<u8> {
    let is_wanted = settings::in_force().is_some_and(|in_force| in_force.settings.motd);
    let is_interactive = request.pty.is_some() && request.command.is_none();
    let hush = [account.home.as_slice(), HUSH].concat();
    if !is_wanted || !is_interactive || files::state(root, &hush).is_ok() {
        return Vec::new();
    }
    let mut text = String::new();
    add_file(&mut text, root, FAILED, "failed service: ");
    let (_, reports) = watchdog::counts();
    if reports > 0 {
        text += &format!("watchdog: {reports} reports since the start, see `dmesg`\r\n");
    }
    if violations::count() > 0 {
        let count = violations::count();
        text += &format!("kernel: {count} violations of its own rules, see `dmesg`\r\n");
    }
    for (mount, complaint) in vfs::namespace().complaints() {
        let line = format!("{}: {complaint}\r\n", mount.source());
        // A filesystem may be mounted in several places.
        if !text.contains(&line) {
            text += &line;
        }
    }
    add_file(&mut text, root, MOTD, "");
    text.into_bytes()
}

/// Adds a file's lines, each after a word, so that nothing in them can act on
/// the terminal.
fn add_file(text: &mut String, root: &PathContext, path: &[u8], word: &str) {
    let Some(contents) = files::read_if_there(root, path) else {
        return;
    };
    let bytes = contents.bytes.get(..MOST).unwrap_or(&contents.bytes);
    for line in String::from_utf8_lossy(bytes).lines() {
        text.push_str(word);
        text.extend(line.chars().filter(|character| !character.is_control()));
        text.push_str("\r\n");
    }
}
