use crate::*;
use paddock_abi::Errno;
use paddock_abi::stat::{S_ISGID, S_ISUID, S_ISVTX};
use proptest::prelude::*;

fn ids(real: u32, effective: u32, saved: u32) -> Ids {
    Ids {
        real,
        effective,
        saved,
        fs: effective,
    }
}

fn file(mode: u32, uid: u32, gid: u32) -> FileRights {
    FileRights {
        mode,
        uid,
        gid,
        directory: false,
        decided_there: false,
    }
}

fn dir(mode: u32, uid: u32, gid: u32) -> FileRights {
    FileRights {
        directory: true,
        decided_there: false,
        ..file(mode, uid, gid)
    }
}

fn program(mode: u32, uid: u32, gid: u32) -> ExecutedFile {
    ExecutedFile {
        mode,
        uid,
        gid,
        nosuid: false,
    }
}

#[test]
fn a_daemon_gives_root_up_for_good() {
    let user = Cred::root().set_uid(1000).unwrap();
    assert_eq!(user.uid, Ids::all(1000));
    assert!(user.permitted.is_empty() && user.effective.is_empty());
    assert_eq!(user.set_uid(0), Err(Errno::EPERM));
    assert_eq!(user.set_resuid([None, Some(0), None]), Err(Errno::EPERM));
}

#[test]
fn root_lays_its_rights_down_and_takes_them_up_again() {
    let acting = Cred::root().set_resuid([None, Some(1000), None]).unwrap();
    assert_eq!(acting.uid, ids(0, 1000, 0));
    assert!(acting.effective.is_empty());
    assert_eq!(acting.permitted, CapSet::ALL);
    let again = acting.set_resuid([None, Some(0), None]).unwrap();
    assert_eq!(again, Cred::root());
}

#[test]
fn the_real_and_the_effective_user_change_places() {
    let cred = Cred {
        uid: ids(1000, 50, 50),
        ..Cred::user(1000, 1000)
    };
    let turned = cred.set_reuid(Some(50), Some(1000)).unwrap();
    assert_eq!(turned.uid, ids(50, 1000, 1000));
    assert_eq!(
        cred.set_reuid(None, Some(1000)).unwrap().uid.saved,
        50,
        "an effective user that is the real one saves nothing"
    );
    assert_eq!(cred.set_reuid(Some(3), None), Err(Errno::EPERM));
}

#[test]
fn capabilities_are_kept_on_request() {
    let keeping = Cred::root().set_keep_caps(true).unwrap();
    let user = keeping.set_uid(1000).unwrap();
    assert_eq!(user.permitted, CapSet::ALL);
    assert!(user.effective.is_empty());
    let bind = CapSet::of(&[Cap::CAP_NET_BIND_SERVICE]);
    let server = user.capset(bind, bind, CapSet::EMPTY).unwrap();
    assert!(server.capable(Cap::CAP_NET_BIND_SERVICE));
    assert_eq!(
        server.capset(CapSet::ALL, CapSet::ALL, bind),
        Err(Errno::EPERM)
    );
    let executed = server.exec(&program(0o755, 0, 0));
    assert!(executed.cred.permitted.is_empty());
}

#[test]
fn the_ambient_set_outlives_execve() {
    let bind = CapSet::of(&[Cap::CAP_NET_BIND_SERVICE]);
    let user = Cred::root()
        .set_keep_caps(true)
        .and_then(|cred| cred.set_uid(1000))
        .and_then(|cred| cred.capset(bind, bind, bind))
        .and_then(|cred| cred.raise_ambient(Cap::CAP_NET_BIND_SERVICE))
        .unwrap();
    let after = user.exec(&program(0o755, 0, 0));
    assert_eq!((after.cred.effective, after.secure), (bind, false));
    let other = user.exec(&program(0o755 | S_ISUID, 5, 0)).cred;
    assert!(other.ambient.is_empty() && other.effective.is_empty());
    assert_eq!(
        user.raise_ambient(Cap::CAP_CHOWN),
        Err(Errno::EPERM),
        "it is not permitted"
    );
}

#[test]
fn a_set_user_id_program_acts_as_its_owner() {
    let user = Cred::user(1000, 100);
    let su = user.exec(&program(0o755 | S_ISUID, 0, 0));
    assert_eq!(su.cred.uid, ids(1000, 0, 0));
    assert_eq!(su.cred.effective, CapSet::ALL);
    assert!(su.secure && user.hides(&su.cred));
    let mail = user.exec(&program(0o755 | S_ISGID, 0, 8));
    assert_eq!(mail.cred.gid, ids(100, 8, 8));
    assert!(mail.secure && mail.cred.permitted.is_empty());
    let locking = user.exec(&program(0o745 | S_ISGID, 0, 8));
    assert_eq!(locking.cred.gid, Ids::all(100), "that bit means file locks");
    let nosuid = ExecutedFile {
        nosuid: true,
        ..program(0o755 | S_ISUID, 0, 0)
    };
    assert_eq!(user.exec(&nosuid).cred, user);
    let meek = user.set_no_new_privs();
    let refused = meek.exec(&program(0o755 | S_ISUID, 0, 0));
    assert_eq!(refused.cred, meek);
}

#[test]
fn securebits_are_locked() {
    let bits = Securebits::NOROOT | Securebits::NOROOT_LOCKED;
    let cred = Cred::root().set_securebits(bits.bits()).unwrap();
    assert_eq!(cred.set_securebits(0), Err(Errno::EPERM));
    assert_eq!(cred.set_securebits(1 << 20), Err(Errno::EPERM));
    let executed = cred.exec(&program(0o755, 0, 0)).cred;
    assert!(executed.permitted.is_empty(), "user 0 is like any other");
    let kept = Cred::root()
        .set_securebits(Securebits::KEEP_CAPS_LOCKED.bits())
        .unwrap();
    assert_eq!(kept.set_keep_caps(true), Err(Errno::EPERM));
}

#[test]
fn the_filesystem_user_has_the_capabilities_for_files() {
    let server = Cred::root().set_fsuid(1000);
    assert_eq!(server.uid.fs, 1000);
    assert!(!server.capable(Cap::CAP_DAC_OVERRIDE));
    assert!(server.capable(Cap::CAP_KILL));
    assert_eq!(server.set_fsuid(0), Cred::root());
    let user = Cred::user(7, 7);
    assert_eq!(user.set_fsuid(0), user);
}

#[test]
fn one_class_of_bits_decides() {
    let user = |uid, gid| Cred {
        groups: Groups::new(vec![7]).unwrap(),
        ..Cred::user(uid, gid)
    };
    let locked_out = file(0o077, 10, 20);
    assert!(user(10, 20).check_file(&locked_out, Access::READ).is_err());
    assert!(user(11, 20).check_file(&locked_out, Access::READ).is_ok());
    let by_group = file(0o040, 10, 7);
    assert!(user(11, 21).check_file(&by_group, Access::READ).is_ok());
    let others = file(0o004, 10, 20);
    assert!(user(11, 21).check_file(&others, Access::READ).is_ok());
}

#[test]
fn the_superuser_executes_only_executables() {
    let root = Cred::root();
    let all = Access::READ | Access::WRITE;
    assert!(root.check_file(&file(0, 1, 1), all).is_ok());
    assert!(
        root.check_file(&file(0o666, 1, 1), Access::EXECUTE)
            .is_err()
    );
    assert!(root.check_file(&file(0o001, 1, 1), Access::EXECUTE).is_ok());
    assert!(root.check_file(&dir(0, 1, 1), Access::EXECUTE).is_ok());
}

#[test]
fn access_is_judged_by_the_real_user() {
    let su = Cred::user(1000, 100).exec(&program(0o755 | S_ISUID, 0, 0));
    let secret = file(0o600, 0, 0);
    assert!(su.cred.check_file(&secret, Access::READ).is_ok());
    let judged = su.cred.for_access();
    assert!(judged.check_file(&secret, Access::READ).is_err());
}

#[test]
fn modes_lose_what_is_not_the_callers_to_give() {
    let user = Cred::user(10, 20);
    let own = file(0o644, 10, 30);
    assert_eq!(user.chmod(&own, 0o6755), Ok(0o4755), "not of that group");
    assert_eq!(user.chmod(&file(0o644, 10, 20), 0o7755), Ok(0o7755));
    assert_eq!(user.chmod(&file(0o644, 11, 20), 0o644), Err(Errno::EPERM));
    assert_eq!(user.chown(&own, Some(11), None), Err(Errno::EPERM));
    assert_eq!(user.chown(&own, None, Some(20)), Ok(None));
    assert_eq!(user.chown(&own, None, Some(40)), Err(Errno::EPERM));
    let set = file(0o755 | S_ISUID | S_ISGID, 10, 20);
    assert_eq!(Cred::root().chown(&set, Some(1), None), Ok(Some(0o755)));
    assert_eq!(user.written_mode(&set), Some(0o755));
    assert_eq!(Cred::root().written_mode(&set), None);
    let shared = dir(0o775 | S_ISGID, 0, 50);
    assert_eq!(user.created(&shared, 0o755, true), (0o755 | S_ISGID, 50));
    assert_eq!(user.created(&shared, 0o755 | S_ISGID, false), (0o755, 50));
    assert_eq!(user.created(&dir(0o777, 0, 0), 0o644, false), (0o644, 20));
}

#[test]
fn a_sticky_directory_keeps_others_files() {
    let tmp = dir(0o777 | S_ISVTX, 0, 0);
    let user = Cred::user(10, 10);
    assert_eq!(user.check_delete(&tmp, &file(0o666, 10, 10)), Ok(()));
    let others = file(0o666, 11, 11);
    assert_eq!(user.check_delete(&tmp, &others), Err(Errno::EPERM));
    assert_eq!(Cred::root().check_delete(&tmp, &others), Ok(()));
}

#[test]
fn others_processes_are_left_alone() {
    let (user, other) = (Cred::user(10, 10), Cred::user(11, 11));
    assert!(!user.may_signal(&other) && !user.may_schedule(&other));
    assert!(!user.may_inspect(&other, true, &UserNamespace::INITIAL) && !user.may_limit(&other));
    assert!(user.may_signal(&user) && user.may_inspect(&user, true, &UserNamespace::INITIAL));
    assert!(
        !user.may_inspect(&user, false, &UserNamespace::INITIAL),
        "it is not dumpable"
    );
    let su = user.exec(&program(0o755 | S_ISUID, 0, 0)).cred;
    assert!(user.may_signal(&su), "its real user may");
    assert!(
        !user.may_inspect(&su, true, &UserNamespace::INITIAL) && !user.may_schedule(&Cred::root())
    );
    assert!(Cred::root().may_inspect(&su, false, &UserNamespace::INITIAL));
}

/// Any of the changes that a thread can ask for.
#[derive(Clone, Debug)]
enum Change {
    Uid(u32),
    Reuid(Option<u32>, Option<u32>),
    Resuid([Option<u32>; 3]),
    Fsuid(u32),
    Gid(u32),
    Resgid([Option<u32>; 3]),
    Capset(u64, u64, u64),
    DropBounding(u64),
    Securebits(u32),
    KeepCaps(bool),
    Raise(u64),
    Lower(u64),
    NoNewPrivs,
    Exec(u32, u32, bool),
}

fn change() -> impl Strategy<Value = Change> {
    let id = || prop_oneof![Just(0u32), 1..4u32];
    let wish = move || prop::option::of(id());
    let three = move || [wish(), wish(), wish()];
    let cap = || 0..41u64;
    prop_oneof![
        id().prop_map(Change::Uid),
        (wish(), wish()).prop_map(|(r, e)| Change::Reuid(r, e)),
        three().prop_map(Change::Resuid),
        id().prop_map(Change::Fsuid),
        id().prop_map(Change::Gid),
        three().prop_map(Change::Resgid),
        (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(e, p, i)| Change::Capset(
            e & p,
            p,
            i
        )),
        cap().prop_map(Change::DropBounding),
        (0..256u32).prop_map(Change::Securebits),
        any::<bool>().prop_map(Change::KeepCaps),
        cap().prop_map(Change::Raise),
        cap().prop_map(Change::Lower),
        Just(Change::NoNewPrivs),
        (
            id(),
            prop_oneof![Just(0), Just(S_ISUID), Just(S_ISGID)],
            any::<bool>()
        )
            .prop_map(|(uid, bits, nosuid)| Change::Exec(uid, bits, nosuid)),
    ]
}

fn make(cred: &Cred, change: &Change) -> Result<Cred, Errno> {
    let cap = |number| Cap::from_number(number).unwrap();
    match *change {
        Change::Uid(uid) => cred.set_uid(uid),
        Change::Reuid(real, effective) => cred.set_reuid(real, effective),
        Change::Resuid(ids) => cred.set_resuid(ids),
        Change::Fsuid(uid) => Ok(cred.set_fsuid(uid)),
        Change::Gid(gid) => cred.set_gid(gid),
        Change::Resgid(ids) => cred.set_resgid(ids),
        Change::Capset(effective, permitted, inheritable) => cred.capset(
            CapSet::from_bits(effective) & cred.permitted,
            CapSet::from_bits(permitted) & cred.permitted,
            CapSet::from_bits(inheritable),
        ),
        Change::DropBounding(number) => cred.drop_bounding(cap(number)),
        Change::Securebits(bits) => cred.set_securebits(bits),
        Change::KeepCaps(keep) => cred.set_keep_caps(keep),
        Change::Raise(number) => cred.raise_ambient(cap(number)),
        Change::Lower(number) => Ok(cred.lower_ambient(CapSet::of(&[cap(number)]))),
        Change::NoNewPrivs => Ok(cred.set_no_new_privs()),
        Change::Exec(uid, bits, nosuid) => Ok(cred
            .exec(&ExecutedFile {
                nosuid,
                ..program(0o755 | bits, uid, uid)
            })
            .cred),
    }
}

fn all_ids(cred: &Cred) -> Vec<u32> {
    let Ids {
        real,
        effective,
        saved,
        fs,
    } = cred.uid;
    vec![real, effective, saved, fs]
}

proptest! {
    #[test]
    fn sets_stay_within_one_another(changes in prop::collection::vec(change(), 0..40)) {
        let mut cred = Cred::root();
        for change in &changes {
            let Ok(new) = make(&cred, change) else { continue };
            prop_assert!(new.effective.within(new.permitted), "{change:?}: {new:?}");
            prop_assert!(new.ambient.within(new.permitted & new.inheritable), "{change:?}: {new:?}");
            prop_assert!(new.bounding.within(cred.bounding));
            prop_assert!(new.no_new_privs || !cred.no_new_privs);
            if !matches!(change, Change::Exec(..)) {
                prop_assert!(new.permitted.within(cred.permitted), "{change:?}: {new:?}");
            }
            cred = new;
        }
    }

    #[test]
    fn who_has_nothing_gets_nothing_without_a_file(
        uid in 1..4u32,
        changes in prop::collection::vec(change(), 0..40),
    ) {
        let mut cred = Cred::user(uid, uid).set_no_new_privs();
        for change in &changes {
            if let Ok(new) = make(&cred, change) {
                cred = new;
            }
        }
        prop_assert_eq!(cred.uid, Ids::all(uid));
        prop_assert!(cred.permitted.is_empty() && cred.effective.is_empty());
    }

    #[test]
    fn nobody_becomes_whom_it_never_was(
        start in prop::collection::vec(1..4u32, 3),
        changes in prop::collection::vec(change(), 0..40),
    ) {
        let mut cred = Cred {
            uid: ids(start[0], start[1], start[2]),
            ..Cred::user(start[0], 1)
        };
        for change in changes.iter().filter(|change| !matches!(change, Change::Exec(..))) {
            if let Ok(new) = make(&cred, change) {
                prop_assert!(all_ids(&new).iter().all(|id| all_ids(&cred).contains(id)));
                cred = new;
            }
        }
        prop_assert!(all_ids(&cred).iter().all(|id| start.contains(id)));
    }

    #[test]
    fn no_new_privs_holds(changes in prop::collection::vec(change(), 0..40)) {
        let mut cred = Cred::root();
        for change in &changes {
            let Ok(new) = make(&cred, change) else { continue };
            if cred.no_new_privs && matches!(change, Change::Exec(..)) {
                prop_assert!(new.permitted.within(cred.permitted | cred.ambient));
                prop_assert!([cred.uid.real, cred.uid.effective].contains(&new.uid.effective));
            }
            cred = new;
        }
    }
}
