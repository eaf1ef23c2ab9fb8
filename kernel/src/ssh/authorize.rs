//! Whether a key may log in: the user's `~/.ssh/authorized_keys`.

use super::accounts;
use super::files::{self, BadLines, Contents};
use crate::user::vfs::namespace;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use paddock_abi::{Errno, Result};
use paddock_ssh::accounts::{Account, weakness};
use paddock_ssh::{AuthRequest, AuthorizedKeys, KeyOptions, Origin, Refusal};
use paddock_sync::try_arc;
use paddock_vfs::PathContext;

/// What a key may do, and as whom.
pub struct Permit {
    /// The account's number.
    pub uid: u32,
    /// The key's options.
    pub options: KeyOptions,
}

type Verdict<T> = core::result::Result<T, Refusal>;

/// Whether the key of a request may log in from an address, and what it may
/// do. The same is done for a name that does not exist, or that has no keys,
/// as for root's, so that the time taken tells little. May sleep.
pub fn judge(request: &AuthRequest, address: IpAddr) -> Verdict<Permit> {
    let root = PathContext::root_at(namespace().root());
    let origin = Origin {
        address,
        now: accounts::now(),
    };
    match accounts::find(&root, &request.user) {
        Ok(account) => judge_account(&root, &account, request, &origin),
        Err(error) => {
            let _ = judge_account(&root, &Account::root(), request, &origin);
            match error {
                Errno::ENOENT => Err("no such user".into()),
                error => Err(refusal("/etc/passwd cannot be read", error)),
            }
        }
    }
}

fn judge_account(
    root: &PathContext,
    account: &Account,
    request: &AuthRequest,
    origin: &Origin,
) -> Verdict<Permit> {
    let by_key = judge_key(root, account, request, origin);
    let by_account = accounts::check(root, account);
    let options = by_key?;
    by_account.map(|()| Permit {
        uid: account.uid,
        options,
    })
}

fn judge_key(
    root: &PathContext,
    account: &Account,
    request: &AuthRequest,
    origin: &Origin,
) -> Verdict<KeyOptions> {
    let path = keys_path(account);
    let contents = match read_as(root, account, &path) {
        Ok(contents) => contents,
        Err(error) => {
            if account.uid != 0 {
                let _ = judge_key(root, &Account::root(), request, origin);
            }
            return Err(match error {
                Errno::ENOENT => "the user has no authorized_keys".into(),
                error => refusal("authorized_keys cannot be read", error),
            });
        }
    };
    check_modes(root, account, &contents)?;
    let mut bad = BadLines::default();
    let found =
        AuthorizedKeys::new(&contents.bytes).search(&request.key, origin, |line| bad.add(line));
    bad.name(&path, &contents);
    found.map_err(|refused| Refusal {
        reason: alloc::format!("{refused}").into(),
        message: None,
    })
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
fn check_modes(root: &PathContext, account: &Account, contents: &Contents) -> Verdict<()> {
    let unknown = |error| refusal("the owner of authorized_keys is unknown", error);
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
            return Err(Refusal {
                reason: alloc::format!("{path} {weakness}").into(),
                message: None,
            });
        }
        if path == home || path == b"/" {
            return Ok(());
        }
        let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        path.truncate(parent.max(1));
    }
}
