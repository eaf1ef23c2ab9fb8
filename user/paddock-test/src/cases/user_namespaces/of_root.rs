//! What takes root outside.

use super::*;
use std::io::Read;

/// Maps of many users, chroot(2), set-user-ID programs.
pub fn run(report: &mut Report, folder: &Path) {
    child(report, "root maps many", || {
        let ([told, tells], [ready, says]) = match (sys::pipe(), sys::pipe()) {
            (Ok(one), Ok(other)) => (one, other),
            _ => return false,
        };
        let Ok(pid) = sys::fork(|| {
            let made = drop_rights() && unshare(libc::CLONE_NEWUSER);
            let _ = sys::write(says, b"m");
            let mapped = sys::read(told, &mut [0]) == Ok(1);
            let groups = [5u32, 9];
            let unknown = [70_000u32];
            let fine = made
                && mapped
                && raw!(SYS_setgroups, 1, unknown.as_ptr()) == Err(Errno(libc::EINVAL))
                && raw!(SYS_setgroups, 2, groups.as_ptr()) == Ok(0)
                && status("self", "Groups:") == "5 9"
                && raw!(SYS_setresgid, 12, 12, 12) == Ok(0)
                && raw!(SYS_setresuid, 0, 0, 0) == Ok(0)
                && raw!(SYS_setresuid, 11, 11, 11) == Ok(0)
                && ids() == (11, 12)
                && raw!(SYS_setuid, 0) == Err(Errno(libc::EPERM));
            i32::from(!fine)
        }) else {
            return false;
        };
        let of = |file: &str| format!("/proc/{pid}/{file}");
        let asked = sys::read(ready, &mut [0]) == Ok(1);
        let mapped = put(&of("uid_map"), "0 100000 65536\n").is_ok()
            && put(&of("gid_map"), "0 100000 65536\n").is_ok()
            && put(&of("setgroups"), "deny") == Err(libc::EPERM);
        let _ = sys::write(tells, b"g");
        sys::wait(pid) == Ok(End::Exited(0)) && asked && mapped
    });
    child(report, "root's own", || {
        as_root_of(ALL & !libc::CLONE_NEWUSER)
            && raw!(SYS_clock_settime, 0, [0u64; 2].as_ptr()) == Err(Errno(libc::EPERM))
            && raw!(SYS_sethostname, c"x".as_ptr(), 1) == Ok(0)
    });
    child(report, "what one opens for another", || {
        let mut bytes = Vec::new();
        beside(0, |pid| {
            let map = opened(&format!("/proc/{pid}/uid_map"));
            let read = map.is_some_and(|mut map| map.read_to_end(&mut bytes).is_ok());
            read && put(&format!("/proc/{pid}/uid_map"), "1 1 1") == Err(libc::EPERM)
        })
    });
    child(report, "nobody gets out of chroot(2)", || {
        let place = sys::path(folder);
        raw!(SYS_chroot, place.as_ptr()) == Ok(0)
            && raw!(SYS_unshare, libc::CLONE_NEWUSER) == Err(Errno(libc::EPERM))
    });
    set_user_programs(report);
}

/// A set-user-ID program of a user who is not mapped makes nobody that user.
fn set_user_programs(report: &mut Report) {
    // Where set-user-ID bits mean something, as they do not below `/tmp`.
    let file = std::path::PathBuf::from(format!("/set-user-{}", std::process::id()));
    let made = fs::copy("/proc/self/exe", &file).is_ok()
        && std::os::unix::fs::chown(&file, Some(1), Some(1)).is_ok()
        && fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).is_ok();
    let program = sys::path(&file);
    let runs = || {
        let words = ["show-users"];
        let [told, tells] = sys::pipe().unwrap_or([-1; 2]);
        let ended = other(|| {
            raw!(SYS_dup3, tells, 1, 0).is_ok() && {
                let _ = sys::exec(&program, &words);
                false
            }
        });
        let _ = sys::close(tells);
        let shown = sys::read_to_end(told).unwrap_or_default();
        let _ = sys::close(told);
        (ended, String::from_utf8_lossy(&shown).trim().to_owned())
    };
    user(report, "a program of another user", || {
        let (uid, _) = ids();
        made && runs() == (true, format!("{uid} 1"))
    });
    user(report, "and of one who is nobody there", || {
        as_root_of(0) && runs() == (true, "0 0".to_owned())
    });
    let _ = fs::remove_file(&file);
}
