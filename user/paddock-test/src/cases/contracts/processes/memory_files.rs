//! proc_pid_mem(5): /proc/PID/mem.
use crate::cases::contracts::prelude::*;

fn at(fd: i32, address: usize, bytes: &mut [u8]) -> Result<isize, Errno> {
    call!(pread(
        fd,
        bytes.as_mut_ptr().cast(),
        bytes.len(),
        address as i64
    ))
}

pub fn run(t: &mut Report) -> Outcome {
    let map = Map::memory(3 * PAGE)?;
    map.write(10, 77);
    map.protect(PAGE, PAGE, PROT_READ)?;
    map.protect(2 * PAGE, PAGE, PROT_NONE)?;
    let start = map.address(0).addr();
    let child = sleeper()?;
    let path = format!("/proc/{child}/mem");
    t.same("its mode", mode(&path), Ok(0o600));
    let fd = opened(&path, O_RDWR)?;
    let mut bytes = [0; 2];
    t.same("read", at(fd, start + 10, &mut bytes), Ok(2));
    t.same("what is there", bytes, [77, 0]);
    yes!(t; "by place": lseek(fd, start as i64 + 10, SEEK_SET););
    t.same("read", sys::read(fd, &mut bytes), Ok(2));
    t.same(
        "moved on",
        call!(lseek(fd, 0, SEEK_CUR)),
        Ok(start as i64 + 12),
    );
    no! { t;
        "from no end": lseek(fd, 0, SEEK_END) => EINVAL;
        "a hole": lseek(fd, 0, SEEK_HOLE) => EINVAL;
    }
    t.refused("nothing there", at(fd, 8, &mut bytes), EIO);
    let written = call!(pwrite(fd, b"xy".as_ptr().cast(), 2, start as i64 + 10));
    t.same("written", written, Ok(2));
    let written = call!(pwrite(fd, b"z".as_ptr().cast(), 1, (start + PAGE) as i64));
    t.same("where it cannot itself", written, Ok(1));
    let mut long = vec![0; 2 * PAGE];
    t.same(
        "over two pages",
        at(fd, start + 10, &mut long[..PAGE]),
        Ok(PAGE as isize),
    );
    t.same("of both", (long[0], long[PAGE - 10]), (b'x', b'z'));
    t.same("its own is another", map.read(10), 77);
    as_nobody(t, |t| {
        t.refused("of another user", opened(&path, O_RDONLY), EACCES);
        Ok(())
    })?;
    end(child)?;
    t.same(
        "of one that has ended",
        at(fd, start + 10, &mut bytes),
        Ok(0),
    );
    let own = opened("/proc/self/mem", O_RDWR)?;
    let written = call!(pwrite(own, b"q".as_ptr().cast(), 1, start as i64 + 20));
    t.same("one's own", (written, map.read(20)), (Ok(1), b'q'));
    Ok(())
}
