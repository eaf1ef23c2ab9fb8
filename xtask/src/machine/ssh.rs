//! The real OpenSSH client, aimed at the guest and independent of the user's
//! own settings.

use crate::process::tool;
use crate::{keys, paths};
use anyhow::{Result, bail};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// `ssh` to the guest behind a port of this host, with the key that was made
/// for it and a file of its own for known hosts. Words for ssh, then for the
/// guest, may be appended.
pub fn command(port: u16) -> Result<Command> {
    command_with(port, &keys::own_key(), &keys::known_hosts(), &[])
}

/// The same with another key, known hosts, and more options for ssh.
pub fn command_with(
    port: u16,
    key: &Path,
    known_hosts: &Path,
    options: &[&str],
) -> Result<Command> {
    command_to("127.0.0.1", port, key, known_hosts, options)
}

/// The same to another address.
pub fn command_to(
    host: &str,
    port: u16,
    key: &Path,
    known_hosts: &Path,
    options: &[&str],
) -> Result<Command> {
    if !key.exists() {
        bail!(
            "there is no key {}; `cargo xtask run` makes it",
            key.display()
        );
    }
    let mut ssh = tool("ssh")?;
    ssh.args(["-F", "none", "-p", &port.to_string(), "-i"])
        .arg(key);
    ssh.arg("-o")
        .arg(format!("UserKnownHostsFile=\"{}\"", known_hosts.display()));
    for option in [
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=accept-new",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "PreferredAuthentications=publickey",
        "LogLevel=ERROR",
        "ConnectTimeout=30",
    ] {
        ssh.args(["-o", option]);
    }
    ssh.args(options);
    ssh.arg(format!("root@{host}"))
        .current_dir(paths::workspace());
    Ok(ssh)
}

/// Connects and reads the server's first line.
pub fn banner(port: u16, limit: Duration) -> Result<String> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), limit)?;
    stream.set_read_timeout(Some(limit))?;
    let mut line = String::new();
    BufReader::new(stream.take(256)).read_line(&mut line)?;
    if !line.starts_with("SSH-2.0-") {
        bail!("not an SSH server's greeting: `{}`", line.trim_end());
    }
    Ok(line.trim_end().to_owned())
}

/// The host key's fingerprint that the kernel printed last.
pub fn fingerprint(console: &str) -> Option<&str> {
    let line = console
        .lines()
        .rfind(|line| line.contains("ssh: host key "))?;
    line.split_once("ssh: host key ")
        .map(|(_, rest)| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_fingerprint_counts() {
        let console =
            "[0] ssh: host key SHA256:old (ED25519)\r\n[1] ssh: host key SHA256:new (ED25519)\r\n";
        assert_eq!(fingerprint(console), Some("SHA256:new (ED25519)"));
        assert_eq!(fingerprint("nothing"), None);
    }
}
