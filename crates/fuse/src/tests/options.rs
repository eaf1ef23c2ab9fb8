//! The options of a mount.

use crate::options::Options;
use paddock_abi::{Errno, Result};
use paddock_cred::Cred;
use paddock_vfs::FileKind;

fn parse(text: &str) -> Result<Options> {
    Options::parse(text, None, &Cred::root())
}

const ALL: &str = "fd=3,rootmode=40755,user_id=5,group_id=6";

#[test]
fn what_must_be_said_is_said() {
    let options = parse(ALL).unwrap();
    assert_eq!((options.descriptor, options.root), (3, FileKind::Directory));
    assert_eq!((options.mode, options.uid, options.gid), (0o755, 5, 6));
    assert_eq!(options.shown().unwrap(), ",user_id=5,group_id=6");
    for missing in ["fd", "rootmode", "user_id", "group_id"] {
        let rest: Vec<&str> = ALL
            .split(',')
            .filter(|it| !it.starts_with(missing))
            .collect();
        assert_eq!(parse(&rest.join(",")), Err(Errno::EINVAL), "{missing}");
    }
}

#[test]
fn others_are_known_or_refused() {
    let all = format!("{ALL},default_permissions,allow_other,max_read=4096,subtype=x");
    let options = parse(&all).unwrap();
    assert_eq!(options.subtype.as_deref(), Some("x"));
    let shown = ",user_id=5,group_id=6,default_permissions,allow_other,max_read=4096";
    assert_eq!(options.shown().unwrap(), shown);
    for bad in [
        "fd=",
        "fd=x",
        "rootmode=8",
        "rootmode=755",
        "blksize=512",
        "allow_other=1",
        "x",
    ] {
        assert_eq!(parse(&format!("{ALL},{bad}")), Err(Errno::EINVAL), "{bad}");
    }
}

#[test]
fn a_mount_is_for_whom_it_was_made() {
    let options = parse(ALL).unwrap();
    assert!(options.may_use(&Cred::user(5, 6)));
    assert!(!options.may_use(&Cred::user(5, 7)));
    assert!(!options.may_use(&Cred::root()));
    let mut other = Cred::user(5, 6);
    other.uid.effective = 0;
    assert!(!options.may_use(&other));
    let all = parse(&format!("{ALL},allow_other")).unwrap();
    assert!(all.may_use(&Cred::root()));
}
