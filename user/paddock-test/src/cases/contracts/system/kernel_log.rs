//! syslog(2): what is asked of the kernel's log, and by whom.
use crate::cases::contracts::prelude::*;

/// What is read of the log is read once, and what is cleared is not shown.
fn said(t: &mut Report) -> Outcome {
    let mut bytes = vec![0u8; 1 << 20];
    let (at, length) = (bytes.as_mut_ptr(), 1 << 20);
    let say = |what: &str| std::fs::write("/dev/kmsg", what).map_err(|error| error.to_string());
    say("<6>the first of two\n")?;
    t.check("unread", raw!(SYS_syslog, 9, 0, 0).is_ok_and(|it| it > 0));
    let mut seen = String::new();
    while !seen.contains("the first of two") {
        let count = raw!(SYS_syslog, 2, at, length)? as usize;
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    say("<7>the second of two\n")?;
    let count = raw!(SYS_syslog, 2, at, length)? as usize;
    let seen = String::from_utf8_lossy(&bytes[..count]).into_owned();
    t.check("the next is read", seen.contains("the second of two"));
    t.check(
        "the first is not read again",
        !seen.contains("the first of two"),
    );
    yes!(t; "cleared": syscall(SYS_syslog, 5, 0, 0););
    let count = raw!(SYS_syslog, 3, at, length)? as usize;
    let seen = String::from_utf8_lossy(&bytes[..count]).into_owned();
    t.check("not shown", !seen.contains("of two"));
    Ok(())
}

/// What the console shows, and what it says of that.
fn levels(t: &mut Report) -> Outcome {
    const NAME: &str = "/proc/sys/kernel/printk";
    let own = text(NAME);
    let set = |what: &str| std::fs::write(NAME, what).map_err(|error| error.raw_os_error());
    let go = |what: i32, level: i32| raw!(SYS_syslog, what, 0, level);
    t.same("four are set", set("5 4 2 7"), Ok(()));
    t.same("and shown", text(NAME).as_str(), "5\t4\t2\t7\n");
    t.same(
        "one is",
        (go(8, 3), text(NAME).as_str()),
        (Ok(0), "3\t4\t2\t7\n"),
    );
    t.same(
        "below the least",
        (go(8, 1), text(NAME).as_str()),
        (Ok(0), "2\t4\t2\t7\n"),
    );
    t.same(
        "the first alone",
        (set("6"), text(NAME).as_str()),
        (Ok(()), "6\t4\t2\t7\n"),
    );
    t.same(
        "off",
        (go(6, 0), text(NAME).as_str()),
        (Ok(0), "2\t4\t2\t7\n"),
    );
    t.same(
        "off again",
        (go(6, 0), text(NAME).as_str()),
        (Ok(0), "2\t4\t2\t7\n"),
    );
    t.same(
        "on",
        (go(7, 0), text(NAME).as_str()),
        (Ok(0), "6\t4\t2\t7\n"),
    );
    t.same("no numbers", set("loud"), Err(Some(EINVAL)));
    std::fs::write(NAME, own).map_err(|error| error.to_string())
}

pub fn run(t: &mut Report) -> Outcome {
    let mut bytes = [0u8; 64];
    let at = bytes.as_mut_ptr();
    let go = |what: i32, at: *mut u8, length: i32| raw!(SYS_syslog, what, at, length);
    t.refused("no such thing", go(100, at, 8), EINVAL);
    t.refused("a negative one", go(-1, at, 8), EINVAL);
    t.refused("nowhere", go(3, null_mut(), 8), EINVAL);
    t.refused("a negative length", go(3, at, -1), EINVAL);
    t.same("none", go(3, at, 0), Ok(0));
    t.refused("no level", go(8, null_mut(), 0), EINVAL);
    t.refused("one too high", go(8, null_mut(), 9), EINVAL);
    t.refused("a negative level", go(8, null_mut(), -1), EINVAL);
    t.same("closed", go(0, null_mut(), 0), Ok(0));
    t.same("opened", go(1, null_mut(), 0), Ok(0));
    t.check("its size", go(10, null_mut(), 0).is_ok_and(|it| it >= 4096));
    t.refused("to read nowhere", go(2, null_mut(), 8), EINVAL);
    t.refused("less than nothing", go(2, at, -1), EINVAL);
    t.same("nothing is read", go(2, at, 0), Ok(0));
    said(t)?;
    levels(t)?;
    as_nobody(t, |t| {
        t.refused("nobody's level", go(8, null_mut(), 7), EPERM);
        t.refused("nor does it empty it", go(5, null_mut(), 0), EPERM);
        t.refused("or read", go(2, at, 8), EPERM);
        Ok(())
    })
}
