//! keyctl(2): linking, finding, changing and ending keys.
use super::*;
use crate::cases::contracts::prelude::*;

fn search(ring: i64, name: &CStr) -> Result<i64, Errno> {
    let (kind, name) = (c"user".as_ptr(), name.as_ptr());
    call!(syscall(SYS_keyctl, SEARCH, ring, kind, name, 0i64))
}

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        let outer = add(c"keyring", c"outer", b"", PROCESS)?;
        let inner = add(c"keyring", c"inner", b"", outer)?;
        let key = user(c"a", inner)?;
        t.same("found within", search(outer, c"a"), Ok(key));
        t.refused("another", search(outer, c"b"), ENOKEY);
        t.refused("in a key", search(key, c"a"), ENOTDIR);
        t.refused("a circle", control(LINK, [outer, inner, 0]), EDEADLK);
        t.works("linked", control(LINK, [key, outer, 0]));
        t.works("unlinked", control(UNLINK, [key, inner, 0]));
        t.refused("once", control(UNLINK, [key, inner, 0]), ENOENT);
        t.refused("from no keyring", control(UNLINK, [key, key, 0]), ENOTDIR);
        t.same("is there", search(outer, c"a"), Ok(key));
        let payload = b"new";
        let (at, length) = (payload.as_ptr(), payload.len());
        let updated = call!(syscall(SYS_keyctl, UPDATE, key, at, length));
        t.works("another content", updated);
        t.same("is read", content(key), Ok(payload.to_vec()));
        let ring = call!(syscall(SYS_keyctl, UPDATE, inner, at, 0));
        t.refused("a keyring has none", ring, EOPNOTSUPP);
        let mut room = [0u8; 2];
        let asked = call!(syscall(SYS_keyctl, READ, key, room.as_mut_ptr(), 2));
        t.same("how long it is", asked, Ok(3));
        t.same("and no more than fits", room, [0; 2]);
        ends(t, outer)?;
        t.works("cleared", control(CLEAR, [outer, 0, 0]));
        t.same("nothing is in it", content(outer), Ok(vec![]));
        t.refused("no keyring", control(CLEAR, [0, 0, 0]), EINVAL);
        t.refused("nothing such", call!(syscall(SYS_keyctl, 9999)), EOPNOTSUPP);
        Ok(())
    })
}

fn ends(t: &mut Report, ring: i64) -> Outcome {
    let key = user(c"revoked", ring)?;
    t.works("revoked", control(REVOKE, [key, 0, 0]));
    t.refused("is not read", content(key), EKEYREVOKED);
    t.refused(
        "nor revoked again",
        control(REVOKE, [key, 0, 0]),
        EKEYREVOKED,
    );
    t.refused("nor found", search(ring, c"revoked"), EKEYREVOKED);
    let key = user(c"short", ring)?;
    t.works("for a second", control(SET_TIMEOUT, [key, 1, 0]));
    t.works("is read", content(key));
    sys::sleep_ms(2100);
    t.refused("is over", content(key), EKEYEXPIRED);
    t.refused("for whoever looks", search(ring, c"short"), EKEYEXPIRED);
    let key = user(c"gone", ring)?;
    t.works("invalidated", control(INVALIDATE, [key, 0, 0]));
    t.refused("is no key", control(SETPERM, [key, 0, 0]), ENOKEY);
    Ok(())
}
