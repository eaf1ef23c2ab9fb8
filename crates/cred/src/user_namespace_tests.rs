use crate::*;
use alloc::sync::Arc;
use paddock_abi::Errno;
use paddock_abi::stat::S_ISUID;
use paddock_charge::Account;
use proptest::prelude::*;

fn payer() -> Arc<Account> {
    Account::of_user(usize::MAX).unwrap()
}

/// Users whose numbers are no other test's, so that nobody else has their namespaces.
fn new_user() -> u32 {
    use core::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(5_000_000);
    NEXT.fetch_add(10, Ordering::Relaxed)
}

fn inside(cred: &Cred) -> Cred {
    cred.with_new_namespace(&payer()).unwrap()
}

/// A user who is user 0 of a namespace of their own.
fn mapped(user: &Cred) -> Cred {
    let cred = inside(user);
    let namespace = &cred.user_namespace;
    let line = |id: u32| format!("0 {id} 1\n").into_bytes();
    let (uid, gid) = (line(user.uid.real), line(user.gid.real));
    namespace.set_map(IdKind::User, &uid, &cred, &cred).unwrap();
    namespace.set_setgroups(false).unwrap();
    namespace
        .set_map(IdKind::Group, &gid, &cred, &cred)
        .unwrap();
    cred
}

fn owned(uid: u32, gid: u32, mode: u32) -> FileRights {
    FileRights {
        mode,
        uid,
        gid,
        directory: false,
        decided_there: false,
    }
}

#[test]
fn capabilities_count_in_there_only() {
    let uid = new_user();
    let user = Cred::user(uid, uid);
    let cred = inside(&user);
    let namespace = cred.user_namespace.clone();
    assert_eq!(cred.effective, CapSet::ALL);
    for &cap in Cap::ALL {
        assert!(!cred.capable(cap) && cred.require(cap) == Err(Errno::EPERM));
        assert!(!cred.capable_in(&UserNamespace::INITIAL, cap));
        assert!(cred.capable_in(&namespace, cap));
        assert!(user.capable_in(&namespace, cap), "who made it");
        assert!(!Cred::user(uid + 1, uid).capable_in(&namespace, cap));
    }
    let below = inside(&mapped(&user));
    assert!(user.capable_in(&below.user_namespace, Cap::CAP_KILL));
    assert!(
        !cred.capable_in(&below.user_namespace, Cap::CAP_KILL),
        "a neighbour"
    );
    assert!(Cred::root().capable_in(&namespace, Cap::CAP_KILL));
    let weak = Cred {
        effective: CapSet::EMPTY,
        ..Cred::root()
    };
    assert!(!weak.capable_in(&namespace, Cap::CAP_KILL));
}

#[test]
fn one_maps_oneself_alone() {
    let uid = new_user();
    let user = Cred::user(uid, uid + 1);
    let cred = inside(&user);
    let namespace = cred.user_namespace.clone();
    let set = |kind, text: String, by: &Cred| namespace.set_map(kind, text.as_bytes(), by, by);
    let group = || format!("0 {} 1", uid + 1);
    assert_eq!(namespace.shown_uid(uid), OVERFLOW_ID);
    let refused = [
        format!("0 {} 1", uid + 2),
        format!("0 {uid} 2"),
        "0 0 1".to_owned(),
        format!("0 {uid} 1\n1 {} 1", uid + 2),
    ];
    for text in refused {
        assert_eq!(set(IdKind::User, text, &cred), Err(Errno::EPERM));
    }
    let stranger = Cred::user(uid + 5, uid);
    let own = format!("0 {uid} 1");
    assert_eq!(set(IdKind::User, own.clone(), &stranger), Err(Errno::EPERM));
    assert_eq!(set(IdKind::User, own.clone(), &cred), Ok(()));
    assert_eq!(set(IdKind::User, own, &cred), Err(Errno::EPERM), "once");
    assert_eq!(set(IdKind::Group, group(), &cred), Err(Errno::EPERM));
    assert!(!namespace.may_setgroups());
    assert_eq!(namespace.set_setgroups(false), Ok(()));
    assert_eq!(namespace.set_setgroups(true), Err(Errno::EPERM));
    assert_eq!(set(IdKind::Group, group(), &cred), Ok(()));
    assert_eq!(
        (namespace.shown_uid(uid), namespace.shown_gid(uid + 1)),
        (0, 0)
    );
    assert_eq!(namespace.given(IdKind::User, 0), Some(uid));
    assert_eq!(namespace.given(IdKind::User, 1), None);
    assert_eq!(cred.check_setgroups(), Err(Errno::EPERM));
}

#[test]
fn root_maps_whom_it_likes() {
    let uid = new_user();
    let cred = inside(&Cred::user(uid, uid));
    let namespace = &cred.user_namespace;
    let root = Cred::root();
    let weak = Cred {
        effective: CapSet::ALL.without(CapSet::of(&[Cap::CAP_SETUID, Cap::CAP_SETFCAP])),
        ..Cred::root()
    };
    let text = b"0 100000 65536\n";
    let set = |opener, writer| namespace.set_map(IdKind::User, text, opener, writer);
    assert_eq!(set(&root, &weak), Err(Errno::EPERM));
    assert_eq!(set(&weak, &root), Err(Errno::EPERM));
    let with_root = namespace.set_map(IdKind::User, b"0 0 1000", &weak, &root);
    assert_eq!(with_root, Err(Errno::EPERM));
    assert_eq!(set(&root, &root), Ok(()));
    assert_eq!(namespace.set_map(IdKind::Group, text, &root, &root), Ok(()));
    assert_eq!(
        namespace.set_setgroups(false),
        Err(Errno::EPERM),
        "too late"
    );
    assert!(namespace.may_setgroups());
    assert_eq!(namespace.given(IdKind::Group, 7), Some(100_007));
    let below = Cred {
        uid: Ids::all(100_000),
        gid: Ids::all(100_000),
        ..cred.clone()
    };
    let inner = inside(&below);
    let namespace = &inner.user_namespace;
    let set = |text: &[u8]| namespace.set_map(IdKind::User, text, &below, &below);
    assert_eq!(
        set(b"0 65000 1000"),
        Err(Errno::EPERM),
        "beyond those around"
    );
    assert_eq!(set(b"0 1000 2000"), Ok(()));
    assert_eq!(namespace.given(IdKind::User, 3), Some(101_003));
    let mut lines = Vec::new();
    let each = |extent| {
        lines.push(extent);
        Ok(())
    };
    namespace
        .each_line(IdKind::User, &UserNamespace::INITIAL, each)
        .unwrap();
    assert_eq!((lines[0].first, lines[0].lower), (0, 101_000));
}

#[test]
fn files_of_strangers_are_left_alone() {
    let uid = new_user();
    let cred = mapped(&Cred::user(uid, uid));
    let (own, roots) = (owned(uid, uid, 0), owned(0, 0, 0));
    assert!(cred.check_file(&own, Access::READ | Access::WRITE).is_ok());
    for other in [roots, owned(uid, 0, 0), owned(0, uid, 0)] {
        assert_eq!(cred.check_file(&other, Access::READ), Err(Errno::EACCES));
        let to_another = cred.chown(&other, Some(uid + 1), None);
        assert_eq!(to_another, Err(Errno::EPERM));
    }
    assert_eq!(cred.chmod(&roots, 0o777), Err(Errno::EPERM));
    assert_eq!(cred.chown(&own, Some(uid + 1), None), Ok(None));
    let sticky = FileRights {
        directory: true,
        decided_there: false,
        ..owned(0, 0, 0o1777)
    };
    assert_eq!(cred.check_delete(&sticky, &roots), Err(Errno::EPERM));
}

#[test]
fn a_strangers_set_user_id_program_gives_nothing() {
    let uid = new_user();
    let cred = mapped(&Cred::user(uid, uid));
    let program = |uid, gid| ExecutedFile {
        mode: 0o755 | S_ISUID,
        uid,
        gid,
        nosuid: false,
    };
    for (owner, group) in [(0, 0), (uid, 0), (0, uid)] {
        let after = cred.exec(&program(owner, group)).cred;
        assert_eq!(after.uid, Ids::all(uid));
        assert_eq!(after.effective, CapSet::ALL, "user 0 of the namespace");
        assert!(!after.capable(Cap::CAP_KILL));
    }
    let nobody = inside(&Cred::user(uid, uid));
    let after = nobody.exec(&program(uid, uid)).cred;
    assert!(after.effective.is_empty(), "no user is 0 there");
}

#[test]
fn becoming_another_user_takes_capabilities_there_too() {
    let uid = new_user();
    let cred = inside(&Cred::user(uid, uid));
    let root = Cred::root();
    let text = format!("0 {uid} 5").into_bytes();
    cred.user_namespace
        .set_map(IdKind::User, &text, &root, &root)
        .unwrap();
    assert_eq!(cred.set_uid(5), Err(Errno::EINVAL), "nobody there");
    assert_eq!(cred.set_fsuid(5), cred);
    let other = cred.set_uid(1).unwrap();
    assert_eq!(other.uid, Ids::all(uid + 1));
    assert!(other.effective.is_empty() && other.permitted.is_empty());
    assert_eq!(other.set_uid(0), Err(Errno::EPERM));
}

#[test]
fn others_processes_are_theirs() {
    let uid = new_user();
    let user = Cred::user(uid, uid);
    let cred = mapped(&user);
    let initial = UserNamespace::INITIAL;
    let own = cred.user_namespace.clone();
    assert!(!cred.may_inspect(&Cred::user(uid + 1, uid), true, &initial));
    assert!(!cred.may_signal(&Cred::user(uid + 1, uid)));
    assert!(!cred.may_inspect(&user, true, &initial), "around it");
    assert!(cred.may_inspect(&cred, true, &own) && user.may_inspect(&cred, true, &own));
    assert!(cred.may_inspect(&cred, false, &own));
    assert!(
        !cred.may_inspect(&cred, false, &initial),
        "begun with rights outside"
    );
    assert!(!user.hides(&cred), "its maker loses sight of nothing");
    assert!(Cred::user(uid + 1, uid).hides(&cred));
}

#[test]
fn nobody_enters_without_rights() {
    let uid = new_user();
    let user = Cred::user(uid, uid);
    let cred = mapped(&user);
    assert_eq!(cred.entering(&cred.user_namespace), Err(Errno::EINVAL));
    assert_eq!(cred.entering(&UserNamespace::INITIAL), Err(Errno::EPERM));
    let stranger = Cred::user(uid + 1, uid);
    assert_eq!(stranger.entering(&cred.user_namespace), Err(Errno::EPERM));
    let entered = user.entering(&cred.user_namespace).unwrap();
    assert_eq!((entered.effective, entered.uid), (CapSet::ALL, user.uid));
}

#[test]
fn there_is_an_end_to_them() {
    let uid = new_user();
    let mut creds = vec![mapped(&Cred::user(uid, uid))];
    while creds.len() < 33 {
        let last = &creds[creds.len() - 1];
        let next = inside(last);
        let namespace = &next.user_namespace;
        namespace
            .set_map(IdKind::User, b"0 0 1", &next, &next)
            .unwrap();
        namespace
            .set_map(IdKind::Group, b"0 0 1", &next, &next)
            .unwrap();
        creds.push(next);
    }
    let deep = creds[32].with_new_namespace(&payer());
    assert_eq!(deep.err(), Some(Errno::ENOSPC));
    let unmapped = inside(&creds[0]).with_new_namespace(&payer());
    assert_eq!(unmapped.err(), Some(Errno::EPERM));
    let most = max_user_namespaces() as usize;
    let mut more = Vec::new();
    while more.len() + creds.len() < most {
        more.push(inside(&creds[0]));
    }
    let one_more = || creds[0].with_new_namespace(&payer()).err();
    assert_eq!(one_more(), Some(Errno::ENOSPC));
    more.pop();
    assert_eq!(one_more(), None);
    let poor = Account::of_user(100).unwrap();
    let unpaid = Cred::user(uid + 1, 1).with_new_namespace(&poor);
    assert_eq!(unpaid.err(), Some(Errno::ENOMEM));
}

proptest! {
    /// However a thread of a namespace changes itself, nothing of it counts outside.
    #[test]
    fn nothing_leads_out(steps in prop::collection::vec((0..7u32, 0..4u32), 0..30)) {
        let uid = new_user();
        let start = mapped(&Cred::user(uid, uid));
        let mut cred = start.clone();
        for (what, id) in steps {
            let to = match id { 0 => uid, other => other - 1 };
            let new = match what {
                0 => cred.set_uid(to),
                1 => cred.set_resuid([Some(to), None, Some(0)]),
                2 => Ok(cred.set_fsuid(to)),
                3 => cred.set_keep_caps(id == 0),
                4 => cred.capset(CapSet::ALL, CapSet::ALL, CapSet::ALL),
                5 => cred.set_gid(to),
                _ => Ok(cred.exec(&ExecutedFile {
                    mode: 0o4755, uid: to, gid: to, nosuid: false,
                }).cred),
            };
            cred = new.unwrap_or(cred);
            prop_assert!(Cap::ALL.iter().all(|&cap| !cred.capable(cap)));
            prop_assert!(Cap::ALL.iter().all(|&cap| !cred.capable_in(&UserNamespace::INITIAL, cap)));
            prop_assert_eq!(&cred.user_namespace, &start.user_namespace);
            prop_assert_eq!(cred.entering(&UserNamespace::INITIAL).err(), Some(Errno::EPERM));
        }
    }
}
