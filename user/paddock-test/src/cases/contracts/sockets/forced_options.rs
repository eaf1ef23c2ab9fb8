//! socket(7): SO_MARK, SO_RCVBUFFORCE and SO_SNDBUFFORCE.
use crate::cases::contracts::prelude::*;

fn set(fd: i32, option: i32, value: i32) -> Result<i32, Errno> {
    let at = &raw const value;
    call!(setsockopt(fd, SOL_SOCKET, option, at.cast(), 4))
}

fn get(fd: i32, option: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (0i32, 4);
    let at = &raw mut value;
    call!(getsockopt(
        fd,
        SOL_SOCKET,
        option,
        at.cast(),
        &raw mut length
    ))?;
    Ok(value)
}

pub fn run(t: &mut Report) -> Outcome {
    const MUCH: i32 = 4 << 20;
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let fd = call!(socket(AF_INET, kind, 0))?;
        t.same("no mark", get(fd, SO_MARK), Ok(0));
        t.works("one", set(fd, SO_MARK, 77));
        t.same("is told", get(fd, SO_MARK), Ok(77));
        for (force, plain) in [(SO_RCVBUFFORCE, SO_RCVBUF), (SO_SNDBUFFORCE, SO_SNDBUF)] {
            t.works("more than others have", set(fd, force, MUCH));
            t.same("twice as much is told", get(fd, plain), Ok(2 * MUCH));
            t.works("little", set(fd, force, 8192));
            t.same("likewise", get(fd, plain), Ok(16_384));
            t.refused("is not asked for", get(fd, force), ENOPROTOOPT);
        }
        as_nobody(t, |t| {
            for option in [SO_MARK, SO_RCVBUFFORCE, SO_SNDBUFFORCE] {
                t.refused("not by others", set(fd, option, 8192), EPERM);
            }
            Ok(())
        })?;
    }
    Ok(())
}
