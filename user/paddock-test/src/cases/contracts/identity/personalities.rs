//! personality(2).
use crate::cases::contracts::prelude::*;

fn set(kind: u32) -> Result<i64, Errno> {
    raw!(SYS_personality, kind)
}

pub fn run(t: &mut Report) -> Outcome {
    const ASK: u32 = u32::MAX;
    // Old ones of Unix, and what is asked for besides.
    let all = [
        0x0010_0000,
        0x0020_0000,
        0x0040_0000,
        0x0080_0000,
        0x0100_0000,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x0004_0000,
        0x0400_0001,
        0x0500_0002,
        0x0700_0003,
        0x0600_0006,
        0x000c,
        0x0400_000f,
    ];
    let mut before = 0;
    for kind in all {
        t.same("the one before", set(kind), Ok(i64::from(before)));
        t.same("is kept", set(ASK), Ok(i64::from(kind)));
        before = kind;
    }
    let child = sys::in_child(|| i32::from(set(ASK) != Ok(i64::from(before))))?;
    t.same("by a child", child, End::Exited(0));
    t.works("the ordinary", set(0));
    let release = || {
        // SAFETY: plain numbers.
        let mut found: utsname = unsafe { std::mem::zeroed() };
        call!(uname(&raw mut found)).map(|_| found.release[..4].to_vec())
    };
    let new = release()?;
    t.works("as version 2.6", set(0x002_0000));
    t.same(
        "is told so",
        release(),
        Ok(b"2.6.".map(|it| it as c_char).to_vec()),
    );
    t.works("no more", set(0));
    t.same("is told as it is", release(), Ok(new));
    Ok(())
}
