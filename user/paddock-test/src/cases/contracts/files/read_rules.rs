//! read(2): what cannot be read.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let writing = call!(open(c"f".as_ptr(), O_WRONLY))?;
    let folder = call!(open(c".".as_ptr(), O_RDONLY))?;
    let [reader, writer] = sys::pipe()?;
    let mut bytes = [0u8; 8];
    let at: *mut c_void = bytes.as_mut_ptr().cast();
    let bad = 8 as *mut c_void;
    no!(t;
        "closed": read(999, at, 1) => EBADF;
        "a negative one": read(-1, at, 1) => EBADF;
        "only written": read(writing, at, 1) => EBADF;
        "the end that is written": read(writer, at, 1) => EBADF;
        "a folder": read(folder, at, 1) => EISDIR;
        "nowhere": read(fd, bad, 1) => EFAULT;
        "only written, nothing": read(writing, at, 0) => EBADF;
    );
    t.same("nothing moved", call!(lseek(fd, 0, SEEK_CUR)), Ok(0));
    t.same("nothing", call!(read(fd, at, 0)), Ok(0));
    t.same("part", call!(read(fd, at, 4)), Ok(4));
    t.same("the rest", call!(read(fd, at, 8)), Ok(2));
    t.same("the end", call!(read(fd, at, 8)), Ok(0));
    t.same("nowhere at the end", call!(read(fd, bad, 8)), Ok(0));
    t.works("far", call!(lseek(fd, 1 << 40, SEEK_SET)));
    t.same("beyond the end", call!(read(fd, at, 8)), Ok(0));
    let map = Map::memory(8192)?;
    map.protect(4096, 4096, PROT_NONE)?;
    t.works("back", call!(lseek(fd, 0, SEEK_SET)));
    let edge = map.address(4096 - 3).cast_mut();
    t.same("up to where it may go", call!(read(fd, edge, 6)), Ok(3));
    t.same("and no farther", call!(lseek(fd, 0, SEEK_CUR)), Ok(3));
    sys::write_all(writer, b"xyz")?;
    no!(t; "a pipe's, nowhere": read(reader, bad, 3) => EFAULT;);
    t.same("are still there", call!(read(reader, at, 8)), Ok(3));
    Ok(())
}
