//! preadv2(2), pwritev2(2): RWF_HIPRI, RWF_DSYNC and RWF_SYNC.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    const HIPRI: i32 = 1;
    const DSYNC: i32 = 2;
    const SYNC: i32 = 4;
    file("f", b"abcdef")?;
    let fd = call!(open(c"f".as_ptr(), O_RDWR))?;
    let [reader, _writer] = sys::pipe()?;
    let mut bytes = [0u8; 4];
    let one = [iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: 4,
    }];
    let one = one.as_ptr();
    t.works("in the cache", sys::read(fd, &mut [0; 6]));
    t.same(
        "for urgent ones",
        call!(preadv2(fd, one, 1, 0, HIPRI)),
        Ok(4),
    );
    t.same("to the disk", call!(pwritev2(fd, one, 1, 0, DSYNC)), Ok(4));
    t.same("all of it", call!(pwritev2(fd, one, 1, 0, SYNC)), Ok(4));
    no!(t; "a place in a pipe": preadv2(reader, one, 1, 0, 0) => ESPIPE;);
    Ok(())
}
