//! process_vm_readv(2), process_vm_writev(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let map = Map::memory(8192)?;
    b"abcdef"
        .iter()
        .zip(0..)
        .for_each(|(byte, place)| map.write(place, *byte));
    map.protect(4096, 4096, PROT_NONE)?;
    let child = sleeper()?;
    let mut bytes = [0u8; 8];
    let piece = |at: *mut c_void, length: usize| iovec {
        iov_base: at,
        iov_len: length,
    };
    let own = [piece(bytes.as_mut_ptr().cast(), 8)];
    let theirs = [piece(map.address(0).cast_mut(), 6)];
    let edge = [piece(map.address(4094).cast_mut(), 8)];
    let bad = [piece(map.address(4096).cast_mut(), 8)];
    let read = |pid: i32, to: *const iovec, many: usize, from: *const iovec, flags: usize| {
        raw!(SYS_process_vm_readv, pid, to, many, from, 1usize, flags)
    };
    let (to, from) = (own.as_ptr(), theirs.as_ptr());
    t.refused("a flag", read(child, to, 1, from, 1), EINVAL);
    t.refused("nobody", read(NOBODYS, to, 1, from, 0), ESRCH);
    t.refused("too many pieces", read(child, to, 1025, from, 0), EINVAL);
    t.refused(
        "pieces nowhere",
        read(child, std::ptr::dangling::<iovec>(), 1, from, 0),
        EFAULT,
    );
    t.refused(
        "theirs nowhere",
        read(child, to, 1, std::ptr::dangling::<iovec>(), 0),
        EFAULT,
    );
    t.refused(
        "what is not there",
        read(child, to, 1, bad.as_ptr(), 0),
        EFAULT,
    );
    t.same("into none", read(child, to, 0, from, 0), Ok(0));
    t.same("read", read(child, to, 1, from, 0), Ok(6));
    t.same("as it is there", bytes, *b"abcdef\0\0");
    t.same(
        "up to where it ends",
        read(child, to, 1, edge.as_ptr(), 0),
        Ok(2),
    );
    bytes = *b"12345678";
    let own = [piece(bytes.as_mut_ptr().cast(), 3)];
    let write = raw!(
        SYS_process_vm_writev,
        child,
        own.as_ptr(),
        1usize,
        from,
        1usize,
        0usize
    );
    t.same("written", write, Ok(3));
    t.same("here it is not", map.read(0), b'a');
    let mut back = [0u8; 8];
    let own = [piece(back.as_mut_ptr().cast(), 8)];
    t.same("but there", read(child, own.as_ptr(), 1, from, 0), Ok(6));
    t.same("with the rest", back, *b"123def\0\0");
    let into = own.as_ptr();
    as_nobody(t, |t| {
        t.refused("another user's", read(child, into, 1, from, 0), EPERM);
        Ok(())
    })?;
    end(child)?;
    Ok(())
}
