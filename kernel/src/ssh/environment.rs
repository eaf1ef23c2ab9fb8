//! What a session's program finds in its environment.

use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;
use paddock_abi::{Errno, Result};
use paddock_process::stack::Strings;
use paddock_ssh::accounts::Account;
use paddock_ssh::{SpawnRequest, Variable};

const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The client's.
    pub peer: SocketAddr,
    /// This side's.
    pub local: SocketAddr,
}

/// The environment of a program (ssh(1), "ENVIRONMENT"). What the key's line
/// and the system set is not the client's to change.
///
/// # Errors
/// `E2BIG`, `ENOMEM`.
pub fn environment(
    account: &Account,
    request: &SpawnRequest,
    ends: &Ends,
    terminal: Option<&str>,
) -> Result<Strings> {
    let Ends { peer, local } = ends;
    let (from, port) = (peer.ip(), peer.port());
    let client = format!("{from} {port} {}", local.port());
    let connection = format!("{from} {port} {} {}", local.ip(), local.port());
    let own: [(&[u8], &[u8]); 7] = [
        (b"USER", account.name.as_bytes()),
        (b"LOGNAME", account.name.as_bytes()),
        (b"HOME", &account.home),
        (b"SHELL", &account.shell),
        (b"PATH", PATH),
        (b"SSH_CLIENT", client.as_bytes()),
        (b"SSH_CONNECTION", connection.as_bytes()),
    ];
    let agent = request.agent_socket.as_deref().map(str::as_bytes);
    let optional: [(&[u8], Option<&[u8]>); 4] = [
        (b"SSH_AUTH_SOCK", agent),
        (b"SSH_TTY", terminal.map(str::as_bytes)),
        (b"TERM", request.pty.as_ref().map(|pty| pty.term.as_bytes())),
        (b"SSH_ORIGINAL_COMMAND", request.original_command.as_deref()),
    ];
    let there = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let set = pairs(&request.key_environment)
        .chain(own)
        .chain(there)
        .chain(pairs(&request.environment));
    let mut names: Vec<&[u8]> = Vec::new();
    let mut environment = Strings::new();
    for (name, value) in set {
        if !names.contains(&name) {
            names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            names.push(name);
            environment.push(&[name, b"=", value].concat())?;
        }
    }
    Ok(environment)
}

fn pairs(variables: &[Variable]) -> impl Iterator<Item = (&[u8], &[u8])> {
    variables
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_slice()))
}
