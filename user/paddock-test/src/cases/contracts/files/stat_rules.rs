//! stat(2), lstat(2), fstatat(2): what they tell, and refuse.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[1; 5000])?;
    folder("shut")?;
    file("shut/f", b"")?;
    yes!(t; "a link": symlink(c"f".as_ptr(), c"l".as_ptr()); "shut": chmod(c"shut".as_ptr(), 0o600);
        "a fifo": mkfifo(c"p".as_ptr(), 0o640); "its owner": chown(c"p".as_ptr(), 7, 8););
    // SAFETY: plain numbers.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    let at = &raw mut found;
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    no!(t;
        "nothing": stat(c"no".as_ptr(), at) => ENOENT;
        "no name": stat(c"".as_ptr(), at) => ENOENT;
        "in a file": stat(c"f/x".as_ptr(), at) => ENOTDIR;
        "a file with a slash": stat(c"f/".as_ptr(), at) => ENOTDIR;
        "a long name": stat(long.as_ptr(), at) => ENAMETOOLONG;
        "closed": fstat(999, at) => EBADF;
    );
    t.refused("nowhere", raw!(SYS_fstat, 0, 8), EFAULT);
    yes!(t; "a fifo": stat(c"p".as_ptr(), at););
    let who = (found.st_uid, found.st_gid, found.st_mode);
    t.same("whose", who, (7, 8, S_IFIFO | 0o640 & mode_of(c"p")?));
    yes!(t; "a file": stat(c"f".as_ptr(), at););
    t.same("its size", (found.st_size, found.st_nlink), (5000, 1));
    t.check("blocks of 512 bytes", found.st_blocks * 512 >= 5000);
    t.check("a block", found.st_blksize >= 512);
    let inode = found.st_ino;
    yes!(t; "through a link": stat(c"l".as_ptr(), at););
    t.same("the same", found.st_ino, inode);
    yes!(t; "the link": lstat(c"l".as_ptr(), at););
    t.same(
        "is one",
        (found.st_mode & S_IFMT, found.st_size),
        (S_IFLNK, 1),
    );
    as_nobody(t, |t| {
        no!(t; "in a shut folder": stat(c"shut/f".as_ptr(), at) => EACCES;);
        yes!(t; "the folder itself": stat(c"shut".as_ptr(), at););
        Ok(())
    })
}
