//! eventfd(2).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    t.refused("a flag", call!(eventfd(0, 2)), EINVAL);
    let fd = call!(eventfd(3, EFD_NONBLOCK))?;
    let mut bytes = [0u8; 16];
    t.refused("a short read", sys::read(fd, &mut bytes[..7]), EINVAL);
    t.refused("a short write", sys::write(fd, &[0; 7]), EINVAL);
    t.same("a longer read", sys::read(fd, &mut bytes), Ok(8));
    t.same("all of it", bytes[0], 3);
    t.refused("nothing", sys::read(fd, &mut bytes), EAGAIN);
    t.refused(
        "the largest number",
        sys::write(fd, &u64::MAX.to_le_bytes()),
        EINVAL,
    );
    t.same(
        "nearly",
        sys::write(fd, &(u64::MAX - 1).to_le_bytes()),
        Ok(8),
    );
    t.refused("one more", sys::write(fd, &1u64.to_le_bytes()), EAGAIN);
    t.same("none", sys::write(fd, &0u64.to_le_bytes()), Ok(8));
    t.same("to read alone", ready(fd, POLLIN | POLLOUT), Ok(POLLIN));
    let fd = call!(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK))?;
    t.same("one", sys::read(fd, &mut bytes).map(|_| bytes[0]), Ok(1));
    t.same(
        "and one",
        sys::read(fd, &mut bytes).map(|_| bytes[0]),
        Ok(1),
    );
    t.refused("no third", sys::read(fd, &mut bytes), EAGAIN);
    Ok(())
}
