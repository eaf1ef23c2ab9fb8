//! path_resolution(7): names of 255 bytes and paths of 4095 are the longest.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let name = |count: usize| CString::new(vec![b'n'; count]).unwrap_or_default();
    let (most, beyond) = (name(255), name(256));
    let other = CString::new(vec![b'm'; 255]).unwrap_or_default();
    let fd = call!(open(most.as_ptr(), O_CREAT | O_RDWR, 0o600))?;
    t.same("a file", stat_of(fd)?.st_nlink, 1);
    yes!(t; "a second name": link(most.as_ptr(), other.as_ptr());
        "removed": unlink(other.as_ptr());
        "a link": symlink(most.as_ptr(), other.as_ptr());
        "through it": access(other.as_ptr(), R_OK);
        "renamed onto it": rename(most.as_ptr(), other.as_ptr());
        "a folder": mkdir(most.as_ptr(), 0o700);
        "in it": chdir(most.as_ptr());
        "out again": chdir(c"..".as_ptr());
        "and removed": rmdir(most.as_ptr()););
    let mut found = std::fs::read_dir(".").map_err(|error| error.to_string())?;
    let first = found.find_map(|it| Some(it.ok()?.file_name().len()));
    t.same("its entry", first, Some(255));
    no!(t;
        "a longer folder": mkdir(beyond.as_ptr(), 0o700) => ENAMETOOLONG;
        "one to be removed": rmdir(beyond.as_ptr()) => ENAMETOOLONG;
        "a longer node": mknod(beyond.as_ptr(), S_IFREG | 0o600, 0) => ENAMETOOLONG;
        "a longer name": rename(other.as_ptr(), beyond.as_ptr()) => ENAMETOOLONG;
        "of a longer one": rename(beyond.as_ptr(), c"x".as_ptr()) => ENAMETOOLONG;
        "a longer second": link(other.as_ptr(), beyond.as_ptr()) => ENAMETOOLONG;
        "permissions": chmod(beyond.as_ptr(), 0o600) => ENAMETOOLONG;
        "an owner": chown(beyond.as_ptr(), 0, 0) => ENAMETOOLONG;
        "access": access(beyond.as_ptr(), F_OK) => ENAMETOOLONG;
        "a working folder": chdir(beyond.as_ptr()) => ENAMETOOLONG;
        "a root": chroot(beyond.as_ptr()) => ENAMETOOLONG;
        "an attribute": setxattr(beyond.as_ptr(), c"user.a".as_ptr(), null(), 0, 0) => ENAMETOOLONG;
        "times": utimensat(AT_FDCWD, beyond.as_ptr(), null(), 0) => ENAMETOOLONG;
    );
    let path = |count: usize| {
        let mut path = "./".repeat(2047);
        path.truncate(count - 1);
        CString::new(format!("{path}.")).unwrap_or_default()
    };
    yes!(t; "a path of 4095 bytes": access(path(4095).as_ptr(), F_OK););
    no!(t; "of 4096": access(c"./".to_str().map(|it| CString::new(it.repeat(2048)).unwrap_or_default()).unwrap_or_default().as_ptr(), F_OK) => ENAMETOOLONG;);
    Ok(())
}
