//! Whether a key may log in: the user's `~/.ssh/authorized_keys`.

use super::files::{self, BadLines, Contents};
use super::{accounts, kept, settings};
use crate::process::vfs::namespace;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use paddock_abi::{Errno, Result};
use paddock_ssh::accounts::{Account, weakness};
use paddock_ssh::{AuthRequest, AuthorizedKeys, KeyOptions, KeyRefusal, Origin, Refusal};
use paddock_sync::try_arc;
use paddock_vfs::PathContext;

const ROOT: &str = "root";

/// What a key may do, and as whom.
pub struct Permit {
    /// The account's number.
    pub uid: u32,
    /// The key's options.
    pub options: KeyOptions,
}

/// What was decided.
pub type Verdict<T> = core::result::Result<T, Refusal>;

/// Why not, and whether that is all that is known.
pub struct Denial {
    /// The reason.
    pub refusal: Refusal,
    /// The files could not be read; they may well say otherwise.
    pub is_unreadable: bool,
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Denial {
            refusal,
            is_unreadable: false,
        }
    }
}

impl Denial {
    fn of(what: &str, error: Errno) -> Self {
        Denial {
            refusal: refusal(what, error),
            is_unreadable: files::is_unreadable(error),
        }
    }
}

/// Whether the key of a request may log in from an address, and what it may
/// do. The same is done for a name that does not exist, or that has no keys,
/// as for root's, so that the time taken tells little. May sleep.
pub fn judge(request: &AuthRequest, address: IpAddr) -> core::result::Result<Permit, Denial> {
    settings::refresh();
    let root = PathContext::root_at(namespace().root());
    let origin = Origin {
        address,
        now: accounts::now(),
    };
    match accounts::find(&root, &request.user) {
        Ok(account) => {
            let permit = judge_account(&root, &account, request, &origin)?;
            by_lists(&request.user)?;
            Ok(permit)
        }
        Err(error) => {
            let _ = judge_account(&root, &Account::root(), request, &origin);
            Err(match error {
                Errno::ENOENT => Refusal::from("no such user").into(),
                error => Denial::of("/etc/passwd cannot be read", error),
            })
        }
    }
}

/// Whether the lists of the settings let a user in.
pub fn by_lists(user: &str) -> Verdict<()> {
    match settings::in_force() {
        Some(in_force) if in_force.settings.denies(user) => {
            Err("the user is in deny_users of the settings".into())
        }
        Some(in_force) if !in_force.settings.allows(user) => {
            Err("the user is not in allow_users of the settings".into())
        }
        _ => Ok(()),
    }
}

/// Reads what decides about root's logins, for [`kept`]. May sleep.
pub fn read_root() {
    settings::refresh();
    let root = PathContext::root_at(namespace().root());
    match accounts::find(&root, ROOT) {
        Ok(account) => {
            let keys = keys_of(&root, &account);
            let _ = note_root(&root, &account, &keys);
        }
        Err(error) => log::warn!("ssh: root's account cannot be read: {error}"),
    }
}

/// Keeps root's keys in mind; whether the account may log in now.
fn note_root(
    root: &PathContext,
    account: &Account,
    keys: &core::result::Result<Contents, Denial>,
) -> Verdict<()> {
    let by_account = accounts::check(root, account);
    if account.name == ROOT {
        kept::note(keys.as_ref(), by_account.as_ref().err());
    }
    by_account
}

fn judge_account(
    root: &PathContext,
    account: &Account,
    request: &AuthRequest,
    origin: &Origin,
) -> core::result::Result<Permit, Denial> {
    let keys = keys_of(root, account);
    let by_account = note_root(root, account, &keys);
    let by_key = match keys {
        Ok(keys) => search(account, &keys, request, origin).map_err(Denial::from),
        Err(denial) => {
            if account.uid != 0 {
                let _ = judge_account(root, &Account::root(), request, origin);
            }
            Err(denial)
        }
    };
    let options = by_key?;
    by_account?;
    Ok(Permit {
        uid: account.uid,
        options,
    })
}

/// The file with an account's keys, which nobody else can have written.
fn keys_of(root: &PathContext, account: &Account) -> core::result::Result<Contents, Denial> {
    let keys = read_as(root, account, &keys_path(account)).map_err(|error| match error {
        Errno::ENOENT => Refusal::from("the user has no authorized_keys").into(),
        error => Denial::of("authorized_keys cannot be read", error),
    })?;
    check_modes(root, account, &keys)?;
    Ok(keys)
}

fn search(
    account: &Account,
    keys: &Contents,
    request: &AuthRequest,
    origin: &Origin,
) -> Verdict<KeyOptions> {
    let mut bad = BadLines::default();
    let found = AuthorizedKeys::new(&keys.bytes).search(request, origin, |line| bad.add(line));
    bad.name(&keys_path(account), keys);
    found.map_err(key_refusal)
}

/// Why a key may not log in, as a refusal.
pub fn key_refusal(refused: KeyRefusal) -> Refusal {
    Refusal {
        reason: alloc::format!("{refused}").into(),
        message: None,
    }
}

fn refusal(what: &str, error: Errno) -> Refusal {
    Refusal {
        reason: alloc::format!("{what}: {}", files::describe(error)).into(),
        message: None,
    }
}

fn keys_path(account: &Account) -> Vec<u8> {
    let mut path = account.home.clone();
    path.extend_from_slice(b"/.ssh/authorized_keys");
    path
}

/// Reads with the rights of the user, who may have put a link there.
fn read_as(root: &PathContext, account: &Account, path: &[u8]) -> Result<Contents> {
    let mut context = root.clone();
    context.cred = try_arc(accounts::cred(root, account)?)?;
    files::read(&context, path)
}

/// Insists that nobody else can have written the keys, as sshd does
/// (sshd_config(5), "StrictModes"): the file, and the folders up to the home.
fn check_modes(
    root: &PathContext,
    account: &Account,
    contents: &Contents,
) -> core::result::Result<(), Denial> {
    let unknown = |error| Denial::of("the owner of authorized_keys is unknown", error);
    let home = namespace()
        .resolve(root, &account.home, true)
        .and_then(|home| namespace().path_of(&home, &root.root))
        .map_err(unknown)?;
    let mut path = namespace()
        .path_of(&contents.place, &root.root)
        .map_err(unknown)?;
    loop {
        let metadata = namespace()
            .resolve(root, &path, true)
            .and_then(|place| place.inode().metadata())
            .map_err(unknown)?;
        if let Some(weakness) = weakness(metadata.uid, metadata.mode, account.uid) {
            let path = String::from_utf8_lossy(&path);
            let refusal = Refusal {
                reason: alloc::format!("{path} {weakness}").into(),
                message: None,
            };
            return Err(refusal.into());
        }
        if path == home || path == b"/" {
            return Ok(());
        }
        let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        path.truncate(parent.max(1));
    }
}
