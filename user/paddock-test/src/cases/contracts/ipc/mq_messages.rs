//! mq_send(3), mq_receive(3): priorities, sizes and times.
use crate::cases::contracts::prelude::*;

fn send(fd: i32, text: &[u8], priority: u32, until: *const timespec) -> Result<(), Errno> {
    raw!(
        SYS_mq_timedsend,
        fd,
        text.as_ptr(),
        text.len(),
        priority,
        until
    )
    .map(drop)
}

fn get(fd: i32, room: usize, until: *const timespec) -> Result<(Vec<u8>, u32), Errno> {
    let (mut bytes, mut priority) = ([0u8; 16], 0u32);
    let count = raw!(
        SYS_mq_timedreceive,
        fd,
        bytes.as_mut_ptr(),
        room,
        &raw mut priority,
        until
    )?;
    Ok((bytes[..count as usize].to_vec(), priority))
}

pub fn run(t: &mut Report) -> Outcome {
    let name = word(&format!("messages-{}", own_pid()));
    let attributes = [0i64, 3, 16, 0, 0, 0, 0, 0];
    let open = |flags: i32| {
        raw!(
            SYS_mq_open,
            name.as_ptr(),
            flags,
            0o600,
            attributes.as_ptr()
        )
        .map(|fd| fd as i32)
    };
    let (fd, quick) = (open(O_RDWR | O_CREAT)?, open(O_RDWR | O_NONBLOCK)?);
    let (reading, writing) = (open(O_RDONLY)?, open(O_WRONLY)?);
    raw!(SYS_mq_unlink, name.as_ptr())?;
    let none = null();
    t.refused("empty", get(quick, 16, none), EAGAIN);
    t.works("one", send(fd, b"low", 1, none));
    t.works("of no bytes", send(fd, b"", 9, none));
    t.works("another", send(fd, b"second", 9, none));
    t.refused("full", send(quick, b"x", 0, none), EAGAIN);
    t.same("the highest first", get(fd, 16, none), Ok((vec![], 9)));
    t.same(
        "in their order",
        get(fd, 16, none),
        Ok((b"second".to_vec(), 9)),
    );
    t.refused("too little room", get(fd, 15, none), EMSGSIZE);
    t.same(
        "then the others",
        get(fd, 16, none),
        Ok((b"low".to_vec(), 1)),
    );
    t.refused("too long", send(fd, &[1; 17], 0, none), EMSGSIZE);
    t.refused("too high", send(fd, b"x", 32_768, none), EINVAL);
    t.refused("open to read", send(reading, b"x", 0, none), EBADF);
    t.refused("open to write", get(writing, 16, none), EBADF);
    t.refused("closed", send(-1, b"x", 0, none), EBADF);
    let file = opened("/dev/null", O_RDWR)?;
    t.refused("no queue", send(file, b"x", 0, none), EBADF);
    t.refused("nowhere", raw!(SYS_mq_timedsend, fd, 8, 3, 0, 0), EFAULT);
    let (past, bad, less) = (time(1, 0), time(1, 1_000_000_000), time(-1, 0));
    t.refused("long ago", get(fd, 16, &raw const past), ETIMEDOUT);
    t.refused("no time", get(fd, 16, &raw const bad), EINVAL);
    t.refused("a negative one", get(fd, 16, &raw const less), EINVAL);
    t.refused(
        "a time nowhere",
        raw!(SYS_mq_timedreceive, fd, 0, 16, 0, 8),
        EFAULT,
    );
    for _ in 0..3 {
        send(fd, b"x", 0, &raw const past)?;
    }
    t.refused(
        "full, and late",
        send(fd, b"x", 0, &raw const past),
        ETIMEDOUT,
    );
    t.same("ready", ready(fd, POLLIN | POLLOUT), Ok(POLLIN));
    t.works("one out", get(fd, 16, none));
    t.same("both", ready(fd, POLLIN | POLLOUT), Ok(POLLIN | POLLOUT));
    Ok(())
}
