//! fsconfig(2): its arguments, and what may come after what.
use crate::cases::contracts::prelude::*;

const FLAG: u32 = 0;
const TEXT: u32 = 1;
const BINARY: u32 = 2;
const PATH: u32 = 3;
const PATH_EMPTY: u32 = 4;
const FD: u32 = 5;
const CREATE: u32 = 6;
const RECONFIGURE: u32 = 7;
const NONE: *const c_char = null();

type Set<'a> = &'a dyn Fn(u32, *const c_char, *const c_char, i32) -> Result<i32, Errno>;

fn arguments(t: &mut Report, set: Set<'_>) {
    let (key, value) = (c"mode".as_ptr(), c"700".as_ptr());
    t.refused("an unknown command", set(100, NONE, NONE, 0), EOPNOTSUPP);
    t.refused("a flag without a name", set(FLAG, NONE, NONE, 0), EINVAL);
    t.refused("with a value", set(FLAG, c"ro".as_ptr(), value, 0), EINVAL);
    t.refused("with a number", set(FLAG, c"ro".as_ptr(), NONE, 1), EINVAL);
    t.refused("a text without a name", set(TEXT, NONE, value, 0), EINVAL);
    t.refused("without a value", set(TEXT, key, NONE, 0), EINVAL);
    t.refused("with a length", set(TEXT, key, value, 3), EINVAL);
    t.refused("bytes without a name", set(BINARY, NONE, value, 1), EINVAL);
    t.refused("without bytes", set(BINARY, key, NONE, 1), EINVAL);
    t.refused("no bytes", set(BINARY, key, value, 0), EINVAL);
    t.refused("too many", set(BINARY, key, value, (1 << 20) + 1), EINVAL);
    for path in [PATH, PATH_EMPTY] {
        t.refused("a path without a name", set(path, NONE, value, 0), EINVAL);
        t.refused("without a path", set(path, key, NONE, 0), EINVAL);
        t.refused("from nowhere", set(path, key, value, -1), EINVAL);
    }
    t.refused(
        "a descriptor without a name",
        set(FD, NONE, NONE, 0),
        EINVAL,
    );
    t.refused("with a text", set(FD, key, value, 0), EINVAL);
    t.refused("none", set(FD, key, NONE, -1), EINVAL);
    for command in [CREATE, RECONFIGURE] {
        t.refused("of something", set(command, key, NONE, 0), EINVAL);
        t.refused("with a value", set(command, NONE, value, 0), EINVAL);
        t.refused("with a number", set(command, NONE, NONE, 1), EINVAL);
    }
}

fn parameters(t: &mut Report, set: Set<'_>) {
    let value = c"700".as_ptr();
    let long = word(&"x".repeat(256));
    let nowhere = 8 as *const c_char;
    t.refused(
        "no such parameter",
        set(TEXT, c"no".as_ptr(), value, 0),
        EINVAL,
    );
    t.refused("of no name", set(TEXT, c"".as_ptr(), value, 0), EINVAL);
    t.refused("no such flag", set(FLAG, c"no".as_ptr(), NONE, 0), EINVAL);
    t.refused(
        "no such value",
        set(TEXT, c"mode".as_ptr(), c"9".as_ptr(), 0),
        EINVAL,
    );
    t.refused("none at all", set(FLAG, c"size".as_ptr(), NONE, 0), EINVAL);
    t.refused(
        "of another kind",
        set(BINARY, c"size".as_ptr(), value, 3),
        EINVAL,
    );
    t.refused("a long name", set(TEXT, long.as_ptr(), value, 0), EINVAL);
    t.refused(
        "a long value",
        set(TEXT, c"mode".as_ptr(), long.as_ptr(), 0),
        EINVAL,
    );
    t.refused("a name nowhere", set(FLAG, nowhere, NONE, 0), EFAULT);
    t.refused(
        "a value nowhere",
        set(TEXT, c"mode".as_ptr(), nowhere, 0),
        EFAULT,
    );
    t.refused(
        "bytes nowhere",
        set(BINARY, c"mode".as_ptr(), nowhere, 1),
        EFAULT,
    );
    t.refused(
        "no such descriptor",
        set(FD, c"mode".as_ptr(), NONE, 987),
        EBADF,
    );
    t.works("a value", set(TEXT, c"mode".as_ptr(), value, 0));
    t.works(
        "and a size",
        set(TEXT, c"size".as_ptr(), c"64k".as_ptr(), 0),
    );
    t.works("read only", set(FLAG, c"ro".as_ptr(), NONE, 0));
    t.works("or not", set(FLAG, c"rw".as_ptr(), NONE, 0));
    t.works("at once", set(FLAG, c"sync".as_ptr(), NONE, 0));
    t.works(
        "from somewhere",
        set(TEXT, c"source".as_ptr(), c"here".as_ptr(), 0),
    );
    t.refused(
        "twice",
        set(TEXT, c"source".as_ptr(), c"there".as_ptr(), 0),
        EINVAL,
    );
    t.refused(
        "from a flag",
        set(FLAG, c"source".as_ptr(), NONE, 0),
        EINVAL,
    );
}

pub fn run(t: &mut Report) -> Outcome {
    let config = |fd: i32, command: u32, key: *const c_char, value: *const c_char, aux: i32| {
        int!(SYS_fsconfig, fd, command, key, value, aux)
    };
    let fd = int!(SYS_fsopen, c"tmpfs".as_ptr(), 0)?;
    let set = |command, key, value, aux| config(fd, command, key, value, aux);
    let ro = c"ro".as_ptr();
    t.refused("below zero", config(-1, FLAG, ro, NONE, 0), EINVAL);
    t.refused("not open", config(987, FLAG, ro, NONE, 0), EBADF);
    file("f", b"")?;
    let other = opened("f", O_RDWR)?;
    t.refused("another file", config(other, FLAG, ro, NONE, 0), EINVAL);
    arguments(t, &set);
    parameters(t, &set);
    t.refused(
        "nothing to change yet",
        set(RECONFIGURE, NONE, NONE, 0),
        EBUSY,
    );
    t.works("made", set(CREATE, NONE, NONE, 0));
    t.refused("made twice", set(CREATE, NONE, NONE, 0), EBUSY);
    t.refused("a word too late", set(FLAG, ro, NONE, 0), EBUSY);
    let nobodys = int!(SYS_fsopen, c"tmpfs".as_ptr(), 0)?;
    as_nobody(t, |t| {
        t.works(
            "anybody may set",
            config(nobodys, FLAG, c"ro".as_ptr(), NONE, 0),
        );
        t.refused("not make", config(nobodys, CREATE, NONE, NONE, 0), EPERM);
        Ok(())
    })?;
    t.works(
        "which changed nothing",
        config(nobodys, CREATE, NONE, NONE, 0),
    );
    Ok(())
}
