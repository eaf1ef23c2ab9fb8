//! Mounts of before the namespace.

use super::*;

/// They stay where they are, as they are.
pub fn inherited(report: &mut Report, folder: &Path) {
    let place = sys::path(folder);
    let einval = Err(Errno(libc::EINVAL));
    user(report, "mounts of before stay", || {
        let none = std::ptr::null::<i8>();
        as_root_of(libc::CLONE_NEWNS)
            && raw!(SYS_umount2, c"/proc".as_ptr(), libc::MNT_DETACH) == einval
            && raw!(
                SYS_mount,
                c"/".as_ptr(),
                place.as_ptr(),
                none,
                libc::MS_BIND,
                0
            ) == einval
            && raw!(
                SYS_mount,
                c"/".as_ptr(),
                place.as_ptr(),
                none,
                libc::MS_BIND | libc::MS_REC,
                0
            ) == Ok(0)
            && raw!(SYS_umount2, place.as_ptr(), libc::MNT_DETACH) == Ok(0)
            && raw!(
                SYS_mount,
                c"/proc".as_ptr(),
                place.as_ptr(),
                none,
                libc::MS_MOVE,
                0
            ) == einval
    });
    user(report, "and keep their flags", || {
        let none = std::ptr::null::<i8>();
        let bind = libc::MS_BIND;
        let again = libc::MS_BIND | libc::MS_REMOUNT;
        as_root_of(libc::CLONE_NEWNS)
            && raw!(
                SYS_mount,
                c"/proc/self".as_ptr(),
                place.as_ptr(),
                none,
                bind,
                0
            ) == Ok(0)
            && raw!(
                SYS_mount,
                none,
                place.as_ptr(),
                none,
                again | libc::MS_RDONLY | 14,
                0
            ) == Ok(0)
            && raw!(SYS_mount, none, place.as_ptr(), none, again | 14, 0) == Ok(0)
            && other(|| {
                raw!(
                    SYS_mount,
                    none,
                    place.as_ptr(),
                    none,
                    again | libc::MS_RDONLY | 14,
                    0
                ) == Ok(0)
                    && as_root_of(libc::CLONE_NEWNS)
                    && raw!(SYS_mount, none, place.as_ptr(), none, again | 14, 0)
                        == Err(Errno(libc::EPERM))
            })
    });
}
