//! request_key(2), where no program makes keys.
use super::*;
use crate::cases::contracts::prelude::*;

fn request(kind: &CStr, name: &CStr, ring: i64) -> Result<i64, Errno> {
    let (kind, name) = (kind.as_ptr(), name.as_ptr());
    call!(syscall(SYS_request_key, kind, name, 0i64, ring))
}

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        t.refused("none", find(c"absent"), ENOKEY);
        let key = user(c"a", THREAD)?;
        t.same("found", find(c"a"), Ok(key));
        let ring = add(c"keyring", c"r", b"", PROCESS)?;
        t.same("and linked", request(c"user", c"a", ring), Ok(key));
        t.same(
            "there",
            content(ring),
            Ok((key as i32).to_ne_bytes().to_vec()),
        );
        t.refused("no such kind", request(c"nothing", c"a", 0), ENOKEY);
        t.refused("no kind", request(c"", c"a", 0), EINVAL);
        let dead = add(c"keyring", c"dead", b"", PROCESS)?;
        t.works("a keyring ends", control(REVOKE, [dead, 0, 0]));
        t.refused("to link from", request(c"user", c"a", dead), EKEYREVOKED);
        let shut = add(c"keyring", c"shut", b"", PROCESS)?;
        t.works(
            "not to be written",
            control(SETPERM, [shut, 0x3b00_0000, 0]),
        );
        t.refused("nor linked from", request(c"user", c"a", shut), EACCES);
        let old = control(SET_REQKEY_KEYRING, [-1, 0, 0]);
        t.same("where they go", old, Ok(0));
        t.same("by process", control(SET_REQKEY_KEYRING, [2, 0, 0]), Ok(0));
        t.same("is told", control(SET_REQKEY_KEYRING, [-1, 0, 0]), Ok(2));
        t.refused("nowhere", control(SET_REQKEY_KEYRING, [77, 0, 0]), EINVAL);
        Ok(())
    })
}
