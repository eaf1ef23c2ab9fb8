//! keyrings(7): what a user may have, /proc/key-users and /proc/sys/kernel/keys.
use super::*;
use crate::cases::contracts::prelude::*;

const SOMEBODY: u32 = 45_678;

/// Keys and bytes that somebody has.
fn held() -> (u32, u32) {
    let text = text("/proc/key-users");
    let prefix = format!("{SOMEBODY:5}:");
    let line = text.lines().find(|line| line.starts_with(&prefix));
    let mut words = line.unwrap_or_default().split_whitespace().skip(3);
    let mut first = || {
        let pair = words.next().unwrap_or_default();
        let (has, _) = pair.split_once('/').unwrap_or_default();
        has.parse().unwrap_or(0)
    };
    (first(), first())
}

fn setting(name: &str) -> u32 {
    let text = text(&format!("/proc/sys/kernel/keys/{name}"));
    text.trim().parse().unwrap_or(0)
}

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        let (most, most_bytes) = (setting("maxkeys"), setting("maxbytes"));
        t.check("settings", most > 10 && most_bytes > 1000);
        t.check("of the superuser", setting("root_maxkeys") >= most);
        t.check("a delay", setting("gc_delay") > 0);
        become_user(SOMEBODY, SOMEBODY)?;
        user(c"first", THREAD)?;
        let before = held();
        user(c"second", THREAD)?;
        let after = held();
        t.same("one more", after.0, before.0 + 1);
        // Its name with a zero, its bytes, and a link.
        t.same("so many bytes", after.1 - before.1, 7 + 7 + 4);
        let much = vec![1u8; most_bytes.min(32_000) as usize];
        let refused = add(c"user", c"much", &much, THREAD);
        t.refused("too many bytes", refused, EDQUOT);
        let mut made = 0;
        let refused = loop {
            match user(&word(&format!("k{made}")), THREAD) {
                Ok(_) if made < 4 * most => made += 1,
                Ok(_) => return Err("no limit".to_owned()),
                Err(error) => break error,
            }
        };
        t.same("too many", refused, Errno(EDQUOT));
        t.same("all that there may be", held().0, most);
        t.works("one that is there", user(c"first", THREAD));
        Ok(())
    })
}
