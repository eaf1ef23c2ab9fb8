//! Root's keys as they were when they could be read last: for logins while
//! the disk does not answer, and to the monitor at any time.

use super::accounts;
use super::authorize::{self, Denial, Verdict};
use super::files::Contents;
use crate::async_fs;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use embassy_time::{Duration, with_timeout};
use paddock_ssh::{AuthRequest, AuthorizedKeys, KeyOptions, Origin, Refusal};
use paddock_sync::{Rank, SpinLock, try_arc};

/// The most that is kept, in bytes: it is looked through in the main loop.
const MAX: usize = 64 << 10;
/// How long a login to the monitor waits for the keys to be read anew.
const PATIENCE: Duration = Duration::from_millis(1000);

static KEYS: SpinLock<Option<Arc<Vec<u8>>>> = SpinLock::new(Rank::Leaf, None);
static REFRESHING: AtomicBool = AtomicBool::new(false);

/// Takes what has just been found about root: the file with its keys, and
/// why the account may not log in, if so. What cannot be known changes nothing.
pub fn note(keys: Result<&Contents, &Denial>, refused: Option<&Refusal>) {
    let kept = match (keys, refused) {
        (Err(denial), _) if denial.is_unreadable => return,
        (Ok(keys), None) => match copy(&keys.bytes) {
            Some(copy) => Some(copy),
            // Without memory the old ones stay.
            None => return,
        },
        _ => None,
    };
    let old = core::mem::replace(&mut *KEYS.lock(), kept);
    drop(old);
}

/// The whole lines that fit, unless they are kept already.
fn copy(bytes: &[u8]) -> Option<Arc<Vec<u8>>> {
    let fits = match bytes.get(..MAX) {
        None => bytes,
        Some(first) => {
            let end = first.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            &first[..end]
        }
    };
    let old = KEYS.lock().clone();
    if let Some(old) = old.filter(|old| old.as_slice() == fits) {
        return Some(old);
    }
    let mut copy = Vec::new();
    copy.try_reserve_exact(fits.len()).ok()?;
    copy.extend_from_slice(fits);
    try_arc(copy).ok()
}

/// Whether the key of a request is among those that were kept.
pub fn judge(request: &AuthRequest, address: IpAddr) -> Verdict<KeyOptions> {
    let Some(keys) = KEYS.lock().clone() else {
        return Err("root's keys have never been read".into());
    };
    let origin = Origin {
        address,
        now: accounts::now(),
    };
    // A certificate has to be for root, whatever the client calls itself.
    let as_root = AuthRequest {
        user: "root".into(),
        ..request.clone()
    };
    let found = AuthorizedKeys::new(&keys).search(&as_root, &origin, |_| {});
    found.map_err(authorize::key_refusal)
}

/// Has the keys read anew, and waits for that, but not for long.
pub async fn refresh() {
    // One at a time: it may be waiting for a disk that does not answer.
    if REFRESHING.swap(true, Ordering::Acquire) {
        return;
    }
    let reading = async_fs::run(|| {
        authorize::read_root();
        REFRESHING.store(false, Ordering::Release);
    });
    if let Ok(Err(_)) = with_timeout(PATIENCE, reading).await {
        REFRESHING.store(false, Ordering::Release);
    }
}
