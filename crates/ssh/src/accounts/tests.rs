use super::*;
use proptest::prelude::*;

fn look(passwd: &[u8], name: &str) -> (Option<Account>, Vec<usize>) {
    let mut bad = Vec::new();
    let found = find(passwd, name, |line| bad.push(line.line));
    (found, bad)
}

#[test]
fn accounts_are_found_between_bad_lines() {
    let passwd = b"# people\n\nb\xffd:x:1\nroot:x:0:0:r\xe9oot:/root:/bin/sh\n\
        guest:x:1000:100::/home/guest:\r\nnone:x:-1:0::/:/bin/sh\nguest:x:1:1::/:/x\nlast:!:7:7:::";
    let (root, bad) = look(passwd, "root");
    assert_eq!(root, Some(Account::root()));
    assert_eq!(bad, [3, 6]);
    let guest = look(passwd, "guest").0.unwrap();
    assert_eq!((guest.uid, guest.gid), (1000, 100));
    assert_eq!(
        (guest.home.as_slice(), guest.shell.as_slice()),
        (&b"/home/guest"[..], &b"/bin/sh"[..])
    );
    let last = look(passwd, "last").0.unwrap();
    assert_eq!(last.home, b"/");
    assert!(last.check_open(b"", 0).is_err());
    assert_eq!(look(passwd, "none").0, None);
    assert_eq!(look(passwd, "").0, None);
}

#[test]
fn locked_and_expired_accounts() {
    let root = Account::root();
    let day = 20_000 * DAY;
    for (shadow, open) in [
        (&b""[..], true),
        (b"root:*:0:0:99999:7:::", true),
        (b"root:!:0:0:99999:7:::", false),
        (b"root:!!", false),
        (b"root:$6$x:0:0:99999:7::20001:", true),
        (b"root:$6$x:0:0:99999:7::20000:", false),
        (b"other:!:\n\xff\xff:!:\nroot:*", true),
    ] {
        assert_eq!(root.check_open(shadow, day).is_ok(), open, "{shadow:?}");
    }
}

#[test]
fn groups_of_an_account() {
    let group = b"root:x:0:\nwheel:x:10:guest,root\naudio:x:29: root ,x\nbad:x\nrooty:x:5:rooty\n\
        again:x:10:root";
    let mut bad = Vec::new();
    let groups = Account::root().groups(group, |line| bad.push(line.line));
    assert_eq!((groups, bad), (alloc::vec![0, 10, 29], alloc::vec![4]));
}

#[test]
fn shells() {
    let mut account = Account::root();
    account.shell = b"/bin/false".to_vec();
    let shells = b"# shells\n/bin/sh\n /bin/ash \n";
    assert!(account.has_listed_shell(shells));
    account.uid = 5;
    assert!(!account.has_listed_shell(shells));
    account.shell = b"/bin/ash".to_vec();
    assert!(account.has_listed_shell(shells));
}

#[test]
fn strict_modes() {
    assert_eq!(weakness(0, 0o600, 1000), None);
    assert_eq!(weakness(1000, 0o755, 1000), None);
    assert_eq!(weakness(1000, 0o775, 1000), Some(Weakness::Mode(0o775)));
    assert_eq!(weakness(0, 0o602, 0), Some(Weakness::Mode(0o602)));
    assert_eq!(weakness(7, 0o600, 0), Some(Weakness::Owner(7)));
}

proptest! {
    #[test]
    fn any_bytes_end_well(text in prop::collection::vec(any::<u8>(), 0..300)) {
        look(&text, "root");
        let root = Account::root();
        root.groups(&text, |_| {});
        let _ = root.check_open(&text, 0);
        root.has_listed_shell(&text);
    }

    #[test]
    fn any_bytes_before_an_account_leave_it(
        mut text in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        text.extend_from_slice(b"\nlater:x:1:2::/h:/s\n");
        // Only an earlier line of that name could hide it.
        prop_assert_eq!(look(&text, "later").0.unwrap().uid, 1);
    }
}
