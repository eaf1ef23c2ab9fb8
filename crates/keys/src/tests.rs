//! What processes see of each other's keys, and that none is lost or kept.

use crate::key::Content;
use crate::*;
use paddock_abi::{Errno, Result};
use paddock_cred::Cred;
use proptest::prelude::*;
use std::sync::Arc;
use std::vec::Vec;

fn root() -> Arc<Cred> {
    Cred::shared_root()
}

fn user(uid: u32) -> Cred {
    let mut cred = Cred::clone(&root());
    cred.uid.real = uid;
    cred.uid.effective = uid;
    cred.uid.fs = uid;
    cred.gid.fs = uid;
    cred.effective = paddock_cred::CapSet::default();
    cred
}

fn caller(cred: &Cred, pid: u32, now: u64) -> Caller<'_> {
    Caller {
        cred,
        pid,
        tid: pid,
        now,
    }
}

/// References, links and quotas agree with each other.
fn check(keys: &Keys) {
    let mut bytes = 0;
    for (serial, key) in &keys.all {
        let links = |key: &crate::key::Key| match &key.content {
            Content::Links(links) => links.iter().filter(|link| *link == serial).count(),
            _ => 0,
        };
        let linked: usize = keys.all.values().map(|key| links(key)).sum();
        assert!(key.references >= linked && key.references > 0, "{serial}");
        assert_eq!(key.charged, key.description.len() + 1 + key.content_bytes());
        bytes += key.charged;
    }
    let held: Vec<_> = keys.users.iter().collect();
    assert_eq!(held.iter().map(|it| it.1.bytes).sum::<usize>(), bytes);
    let count: u32 = held.iter().map(|it| it.1.keys).sum();
    assert_eq!(count as usize, keys.all.len());
}

#[test]
fn a_key_is_found_read_and_changed() {
    let (mut keys, cred) = (Keys::new(), user(7));
    let who = caller(&cred, 1, 0);
    let add = |keys: &mut Keys, payload: &[u8]| {
        keys.add(&who, Kind::User, b"a", payload, PROCESS_KEYRING)
    };
    let serial = add(&mut keys, b"one").unwrap();
    assert_eq!(add(&mut keys, b"other"), Ok(serial));
    assert_eq!(keys.read(&who, serial).unwrap(), b"other");
    let found = keys.request(&who, Kind::User, b"a", false, 0);
    assert_eq!(found, Ok(serial));
    let text = keys.describe(&who, serial).unwrap();
    assert_eq!(text, b"user;7;7;3f010000;a\0");
    assert_eq!(keys.update(&who, serial, b"third"), Ok(()));
    assert_eq!(keys.read(&who, serial).unwrap(), b"third");
    assert_eq!(keys.unlink_from(&who, serial, PROCESS_KEYRING), Ok(()));
    assert_eq!(keys.read(&who, serial), Err(Errno::ENOKEY));
    check(&keys);
}

#[test]
fn strangers_see_nothing_of_it() {
    let (mut keys, own, other) = (Keys::new(), user(7), user(8));
    let (who, stranger) = (caller(&own, 1, 0), caller(&other, 2, 0));
    let serial = keys
        .add(&who, Kind::User, b"a", b"x", SESSION_KEYRING)
        .unwrap();
    assert_eq!(keys.read(&stranger, serial), Err(Errno::EACCES));
    assert_eq!(keys.describe(&stranger, serial), Err(Errno::EACCES));
    assert_eq!(keys.revoke(&stranger, serial), Err(Errno::EACCES));
    let found = keys.request(&stranger, Kind::User, b"a", false, 0);
    assert_eq!(found, Err(Errno::ENOKEY));
    assert_eq!(keys.set_perm(&who, serial, 0x3f00_0003), Ok(()));
    assert_eq!(keys.read(&stranger, serial).unwrap(), b"x");
    assert_eq!(keys.set_perm(&who, serial, 1 << 31), Err(Errno::EINVAL));
}

#[test]
fn children_are_in_the_session_and_new_programs_have_no_more() {
    let (mut keys, cred) = (Keys::new(), user(7));
    let (parent, child) = (caller(&cred, 1, 0), caller(&cred, 2, 0));
    keys.join_session(&parent, Some(b"work")).unwrap();
    let shared = keys.add(&parent, Kind::User, b"s", b"x", SESSION_KEYRING);
    let own = keys.add(&parent, Kind::User, b"p", b"x", PROCESS_KEYRING);
    let thread = keys.add(&parent, Kind::User, b"t", b"x", THREAD_KEYRING);
    keys.forked(1, 2).unwrap();
    let find =
        |keys: &mut Keys, who: &Caller<'_>, name| keys.request(who, Kind::User, name, false, 0);
    assert_eq!(find(&mut keys, &child, b"s"), shared);
    assert_eq!(find(&mut keys, &child, b"p"), Err(Errno::ENOKEY));
    assert_eq!(find(&mut keys, &parent, b"p"), own);
    assert_eq!(find(&mut keys, &parent, b"t"), thread);
    keys.execed(1);
    assert_eq!(find(&mut keys, &parent, b"p"), Err(Errno::ENOKEY));
    assert_eq!(find(&mut keys, &parent, b"s"), shared);
    keys.ended(1);
    assert_eq!(find(&mut keys, &child, b"s"), shared);
    keys.ended(2);
    check(&keys);
    // The user's own stay.
    assert_eq!(keys.all.len(), 2);
}

#[test]
fn a_dead_key_says_so_until_it_is_swept() {
    let (mut keys, cred) = (Keys::new(), user(7));
    let who = |now| caller(&cred, 1, now);
    let add =
        |keys: &mut Keys, name: &[u8]| keys.add(&who(0), Kind::User, name, b"x", SESSION_KEYRING);
    let find = |keys: &mut Keys, now, name| keys.request(&who(now), Kind::User, name, false, 0);
    let revoked = add(&mut keys, b"revoked").unwrap();
    keys.revoke(&who(1), revoked).unwrap();
    assert_eq!(find(&mut keys, 2, b"revoked"), Err(Errno::EKEYREVOKED));
    assert_eq!(keys.read(&who(2), revoked), Err(Errno::EKEYREVOKED));
    let expired = add(&mut keys, b"expired").unwrap();
    keys.set_timeout(&who(1), expired, 5).unwrap();
    assert_eq!(find(&mut keys, 5, b"expired"), Ok(expired));
    assert_eq!(find(&mut keys, 6, b"expired"), Err(Errno::EKEYEXPIRED));
    let gone = add(&mut keys, b"gone").unwrap();
    keys.invalidate(&who(6), gone).unwrap();
    assert_eq!(find(&mut keys, 6, b"gone"), Err(Errno::ENOKEY));
    let none = keys.request(&who(6), Kind::User, b"none", true, 0);
    assert_eq!(none, Err(Errno::ENOKEY));
    keys.sweep(1000);
    for name in [&b"revoked"[..], b"expired", b"none"] {
        assert_eq!(find(&mut keys, 1000, name), Err(Errno::ENOKEY));
    }
    check(&keys);
}

#[test]
fn users_have_quotas() {
    let (mut keys, cred) = (Keys::new(), user(7));
    keys.limits.maxkeys = 5;
    keys.limits.maxbytes = 100;
    let who = caller(&cred, 1, 0);
    let add = |keys: &mut Keys, name: &[u8], payload: &[u8]| {
        keys.add(&who, Kind::User, name, payload, THREAD_KEYRING)
    };
    assert_eq!(add(&mut keys, b"a", &[0; 100]), Err(Errno::EDQUOT));
    let mut made = 0;
    while add(&mut keys, &[b'b', b'0' + made], b"x").is_ok() {
        made += 1;
    }
    assert!((1..5).contains(&made));
    check(&keys);
    assert_eq!(
        keys.add(&caller(&root(), 2, 0), Kind::User, b"a", &[0; 100], -2)
            .map(drop),
        Ok(())
    );
}

#[test]
fn keyrings_form_no_circle() {
    let (mut keys, cred) = (Keys::new(), user(7));
    let who = caller(&cred, 1, 0);
    let ring = |keys: &mut Keys, name: &[u8], at| keys.add(&who, Kind::Keyring, name, b"", at);
    let outer = ring(&mut keys, b"outer", PROCESS_KEYRING).unwrap();
    let inner = ring(&mut keys, b"inner", outer).unwrap();
    assert_eq!(keys.link_to(&who, outer, inner), Err(Errno::EDEADLK));
    assert_eq!(keys.link_to(&who, inner, inner), Err(Errno::EDEADLK));
    assert_eq!(keys.link_to(&who, inner, PROCESS_KEYRING), Ok(()));
    assert_eq!(keys.clear_ring(&who, PROCESS_KEYRING), Ok(()));
    assert_eq!(keys.read(&who, inner), Err(Errno::ENOKEY));
    check(&keys);
}

#[test]
fn names_and_contents_have_rules() {
    let (mut keys, cred) = (Keys::new(), user(7));
    let who = caller(&cred, 1, 0);
    let mut add = |kind, name: &[u8], payload: &[u8]| -> Result<()> {
        keys.add(&who, kind, name, payload, PROCESS_KEYRING)
            .map(drop)
    };
    assert_eq!(add(Kind::User, b"", b"x"), Err(Errno::EINVAL));
    assert_eq!(add(Kind::User, b"a", b""), Err(Errno::EINVAL));
    assert_eq!(add(Kind::User, b"a", &[0; 32_768]), Err(Errno::EINVAL));
    assert_eq!(add(Kind::Logon, b"a", b"x"), Err(Errno::EINVAL));
    assert_eq!(add(Kind::Logon, b":a", b"x"), Err(Errno::EINVAL));
    assert_eq!(add(Kind::Logon, b"s:a", b"x"), Ok(()));
    assert_eq!(add(Kind::Keyring, b"k", b"x"), Err(Errno::EINVAL));
    let logon = keys.request(&who, Kind::Logon, b"s:a", false, 0).unwrap();
    assert_eq!(keys.read(&who, logon), Err(Errno::EOPNOTSUPP));
}

proptest! {
    /// Whatever is done, what refers to what is known, and nothing is left at the end.
    #[test]
    fn nothing_is_lost_or_left(steps in prop::collection::vec((0..14u8, 0..3u32, 0..12usize, 0..12usize), 1..120)) {
        let creds = [user(1), user(1), user(2)];
        let mut keys = Keys::new();
        keys.limits.maxkeys = 12;
        keys.limits.maxbytes = 300;
        keys.limits.gc_delay = 3;
        let mut known = std::vec![-1, -2, -3, -4, -5];
        for (now, (step, pid, first, second)) in (0u64..).zip(steps) {
            let who = caller(&creds[pid as usize], pid, now);
            let (one, two) = (known[first % known.len()], known[second % known.len()]);
            let name = [b'a' + (second % 4) as u8];
            let made = match step {
                0 | 1 => keys.add(&who, Kind::User, &name, b"xyz", one).ok(),
                2 => keys.add(&who, Kind::Keyring, &name, b"", one).ok(),
                3 => { let _ = keys.link_to(&who, one, two); None }
                4 => { let _ = keys.unlink_from(&who, one, two); None }
                5 => { let _ = keys.revoke(&who, one); None }
                6 => { let _ = keys.invalidate(&who, one); None }
                7 => { let _ = keys.set_timeout(&who, one, second as u32); None }
                8 => keys.request(&who, Kind::User, &name, true, 0).ok(),
                9 => { let _ = keys.clear_ring(&who, one); None }
                10 => keys.join_session(&who, (second < 6).then_some(&name[..])).ok(),
                11 => { let _ = keys.forked(pid, (pid + 1) % 3 + 10); None }
                12 => { keys.execed(pid); None }
                _ => { let _ = keys.read(&who, one); let _ = keys.line_behind(&who, 0); None }
            };
            known.extend(made);
            check(&keys);
        }
        for pid in (0..3).chain(10..13) {
            keys.ended(pid);
        }
        keys.sweep(u64::MAX - 1);
        check(&keys);
        for (serial, key) in &keys.all {
            prop_assert!(key.references > 0, "{} is left", serial);
        }
    }
}
