//! msync(2): whose bytes, which flags, what is locked.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'f'; 2 * PAGE])?;
    let fd = opened("f", O_RDWR)?;
    let map = Map::new(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd)?;
    let at = map.start.addr();
    let sync = |at: usize, length: usize, flags: i32| raw!(SYS_msync, at, length, flags);
    map.write(100, b'x');
    t.works("now", sync(at, PAGE, MS_SYNC));
    let mut byte = [0u8; 1];
    yes!(t; "read": pread(fd, byte.as_mut_ptr().cast(), 1, 100););
    t.same("what was written", byte, [b'x']);
    t.works("soon", sync(at, PAGE, MS_ASYNC));
    t.works("others' copies", sync(at, PAGE, MS_INVALIDATE));
    t.works("both", sync(at, PAGE, MS_INVALIDATE | MS_SYNC));
    t.works("no flag", sync(at, PAGE, 0));
    t.works("no length", sync(at, 0, MS_SYNC));
    t.refused("both times", sync(at, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    t.refused("an unknown one", sync(at, PAGE, 8), EINVAL);
    t.refused("between two pages", sync(at + 1, PAGE, MS_SYNC), EINVAL);
    t.refused("a wrap", sync(at, usize::MAX - 8191, MS_SYNC), ENOMEM);
    yes!(t; "locked": mlock(map.address(0), PAGE););
    t.refused("its copies stay", sync(at, PAGE, MS_INVALIDATE), EBUSY);
    t.works("it is written", sync(at, PAGE, MS_SYNC));
    yes!(t; "unlocked": munlock(map.address(0), PAGE););
    t.works("they go", sync(at, PAGE, MS_INVALIDATE));
    raw!(SYS_munmap, at + PAGE, PAGE)?;
    t.refused("and a gap", sync(at, 2 * PAGE, MS_SYNC), ENOMEM);
    t.refused("the gap", sync(at + PAGE, PAGE, MS_SYNC), ENOMEM);
    map.write(200, b'y');
    yes!(t; "the name goes": unlink(c"f".as_ptr()););
    t.works("a file without a name", sync(at, PAGE, MS_SYNC));
    Ok(())
}
