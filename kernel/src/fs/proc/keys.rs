//! `/proc/keys` and `/proc/key-users` (proc(5)).

use super::text::Text;
use crate::process::{current, keys};
use paddock_abi::Result;

/// The keys that the reader sees.
pub fn all(out: &mut Text<'_>) -> Result<()> {
    let Some(thread) = current() else {
        return Ok(());
    };
    let mut behind = 0;
    while let Some((serial, line)) = keys::with(thread, |keys, who| keys.line_behind(who, behind))?
    {
        out.bytes(&line)?;
        behind = serial;
    }
    Ok(())
}

/// What users have of keys, and may have.
pub fn users(out: &mut Text<'_>) -> Result<()> {
    let Some(thread) = current() else {
        return Ok(());
    };
    let mut from = Some(0);
    while let Some(uid) = from {
        let Some((uid, line)) = keys::with(thread, |keys, _| keys.user_line(uid))? else {
            break;
        };
        out.bytes(&line)?;
        from = uid.checked_add(1);
    }
    Ok(())
}
