//! stat(2), fstat(2), lstat(2): what each field says.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'x'; 5000])?;
    yes!(t; "its owner": chown(c"f".as_ptr(), 12, 34); "its mode": chmod(c"f".as_ptr(), 0o640);
        "another name": link(c"f".as_ptr(), c"g".as_ptr()); "a link": symlink(c"f".as_ptr(), c"l".as_ptr()););
    let it = status("f")?;
    t.same("the kind and mode", it.st_mode, S_IFREG | 0o640);
    t.same("the owner", (it.st_uid, it.st_gid), (12, 34));
    t.same("the size", it.st_size, 5000);
    t.same("its names", it.st_nlink as u64, 2);
    t.check("blocks of 512 bytes", it.st_blocks * 512 >= 5000);
    t.check("a block size", it.st_blksize as i64 >= 512);
    t.same("no device", it.st_rdev as u64, 0);
    let other = status("g")?;
    t.same(
        "one inode",
        (it.st_ino, it.st_dev),
        (other.st_ino, other.st_dev),
    );
    let fd = opened("f", O_RDONLY)?;
    t.same("by a descriptor", stat_of(fd)?.st_ino, it.st_ino);
    t.same("a link has its text's length", status("l")?.st_size, 1);
    t.same("and its kind", status("l")?.st_mode, S_IFLNK | 0o777);
    // SAFETY: plain numbers.
    let mut at: libc::stat = unsafe { std::mem::zeroed() };
    yes!(t; "it is followed": stat(c"l".as_ptr(), &raw mut at););
    t.same("to the file", at.st_ino, it.st_ino);
    let null = status("/dev/null")?;
    t.same("a device's number", null.st_rdev as u64, 0x103);
    let [reader, _] = sys::pipe()?;
    t.same("a pipe has one name", stat_of(reader)?.st_nlink as u64, 1);
    t.same(
        "and is its maker's",
        stat_of(reader)?.st_mode,
        S_IFIFO | 0o600,
    );
    let socket = call!(socket(AF_UNIX, SOCK_STREAM, 0))?;
    t.same("a socket", stat_of(socket)?.st_mode, S_IFSOCK | 0o777);
    let long = word(&"x".repeat(256));
    no!(t;
        "no descriptor": fstat(-1, &raw mut at) => EBADF;
        "to nowhere": syscall(SYS_fstat, fd, 8) => EFAULT;
        "nothing": lstat(c"no".as_ptr(), &raw mut at) => ENOENT;
        "a long name": stat(long.as_ptr(), &raw mut at) => ENAMETOOLONG;
        "through a file": lstat(c"f/x".as_ptr(), &raw mut at) => ENOTDIR;
    );
    Ok(())
}
