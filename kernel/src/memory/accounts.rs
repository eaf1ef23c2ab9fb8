//! Who has how many frames: the accounts, under the lock of the frames.

use super::frames::FRAMES;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_frames::{AccountId, Frameful};

/// Opens an account below another. `ENOMEM`. Any context but an interrupt.
pub fn open(parent: AccountId) -> Result<AccountId> {
    loop {
        let wanted = FRAMES.lock().ledger.wanted_room();
        if let Some(wanted) = wanted {
            // The heap takes frames itself: made, and dropped, without the lock.
            let mut room = Vec::new();
            room.try_reserve_exact(wanted).map_err(|_| Errno::ENOMEM)?;
            let old = FRAMES.lock().ledger.take_room(room);
            drop(old);
        }
        if let Some(account) = FRAMES.lock().ledger.open(parent) {
            return Ok(account);
        }
    }
}

/// Closes an account; what it has it keeps. Any context.
pub fn close(account: AccountId) {
    FRAMES.lock().ledger.close(account);
}

/// What an account has. Any context.
pub fn of(account: AccountId) -> Frameful {
    FRAMES.lock().ledger.of(account)
}

/// Sets the most frames that an account may have. Any context.
pub fn set_max(account: AccountId, frames: u64) {
    FRAMES.lock().ledger.set_max(account, frames);
}
