//! The operator's keys: which public keys may log in, and the private key
//! that goes with them if the user has none.

use crate::paths;
use crate::process::{capture, tool};
use crate::step::note;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A private key made for this purpose alone. It is always authorized, so that
/// tests and `cargo xtask ssh` need no one's real keys.
pub fn own_key() -> PathBuf {
    paths::out().join("id_ed25519")
}

/// Where `cargo xtask ssh` remembers the guest's host key.
pub fn known_hosts() -> PathBuf {
    paths::out().join("known_hosts")
}

/// Lines for the guest's `authorized_keys`: the user's `~/.ssh/*.pub` and the
/// own key, which is made if it is not there.
pub fn authorized_keys() -> Result<String> {
    make_own_key()?;
    let mut lines = String::new();
    for path in user_keys() {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read the public key {}", path.display()))?;
        append(&mut lines, &text);
    }
    append(
        &mut lines,
        &fs::read_to_string(own_key().with_extension("pub"))?,
    );
    Ok(lines)
}

fn append(lines: &mut String, text: &str) {
    lines.push_str(text.trim_end());
    lines.push('\n');
}

/// The user's public keys, in order of their names.
pub fn user_keys() -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME") else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(Path::new(&home).join(".ssh")) else {
        return Vec::new();
    };
    let mut keys: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pub"))
        .filter(|path| !path.to_string_lossy().ends_with("-cert.pub"))
        .collect();
    keys.sort();
    keys
}

fn make_own_key() -> Result<()> {
    let path = own_key();
    if path.exists() && path.with_extension("pub").exists() {
        return Ok(());
    }
    note(&format!("making a key for logging in: {}", path.display()));
    let _ = fs::remove_file(&path);
    generate(&path, "paddock")
}

/// Makes a key pair without a passphrase: the private half at `path`, which must
/// not be there, the public one beside it as `.pub`, with this comment.
///
/// # Errors
/// What `ssh-keygen` said.
pub fn generate(path: &Path, comment: &str) -> Result<()> {
    let mut keygen = tool("ssh-keygen")?;
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]);
    capture(keygen.arg(path)).map(drop)
}
