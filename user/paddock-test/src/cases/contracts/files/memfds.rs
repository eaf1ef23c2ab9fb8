//! memfd_create(2) and seals (fcntl(2)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const ALLOW: u32 = 2;
    let long = CString::new(vec![b'x'; 250]).unwrap_or_default();
    no!(t; "a long name": memfd_create(long.as_ptr(), 0) => EINVAL; "a flag": memfd_create(c"a".as_ptr(), 0x100) => EINVAL;
        "nowhere": memfd_create(8 as *const c_char, 0) => EFAULT;);
    let plain = call!(memfd_create(c"".as_ptr(), 0))?;
    t.same(
        "sealed at first",
        call!(fcntl(plain, F_GET_SEALS)),
        Ok(F_SEAL_SEAL),
    );
    no!(t; "so it stays": fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE) => EPERM;);
    let fd = call!(memfd_create(c"a".as_ptr(), ALLOW))?;
    t.same("none", call!(fcntl(fd, F_GET_SEALS)), Ok(0));
    yes!(t; "some length": ftruncate(fd, 8192););
    no!(t; "no such seal": fcntl(fd, F_ADD_SEALS, 0x100) => EINVAL;);
    let shared = Map::new(4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd)?;
    no!(t; "while it is mapped": fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) => EBUSY;);
    drop(shared);
    yes!(t; "three": fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW););
    no!(t;
        "written": write(fd, b"x".as_ptr().cast(), 1) => EPERM;
        "shorter": ftruncate(fd, 1) => EPERM;
        "longer": ftruncate(fd, 10_000) => EPERM;
        "mapped to write": mmap(null_mut(), 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) => EPERM;
        "a hole": fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) => EPERM;
    );
    yes!(t; "the same length": ftruncate(fd, 8192); "mapped to read": mmap(null_mut(), 4096, PROT_READ, MAP_SHARED, fd, 0);
        "the last": fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL););
    no!(t; "no more": fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) => EPERM;);
    file("f", b"")?;
    let other = call!(open(c"f".as_ptr(), O_RDWR))?;
    let [pipe, writer] = sys::pipe()?;
    no!(t; "a pipe": fcntl(pipe, F_GET_SEALS) => EINVAL; "a pipe sealed": fcntl(writer, F_ADD_SEALS, 1) => EINVAL;
        "to read alone": fcntl(pipe, F_ADD_SEALS, 1) => EPERM;);
    sys::close(other)?;
    Ok(())
}
