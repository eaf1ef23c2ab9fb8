//! Pseudo-terminals (pts(4), ioctl_tty(2)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let master = call!(open(c"/dev/ptmx".as_ptr(), O_RDWR | O_NOCTTY))?;
    let (mut number, unlocked) = (0i32, 0i32);
    yes!(t; "its number": ioctl(master, TIOCGPTN, &raw mut number););
    let name = CString::new(format!("/dev/pts/{number}")).unwrap_or_default();
    no!(t; "locked": open(name.as_ptr(), O_RDWR | O_NOCTTY) => EIO;);
    yes!(t; "unlocked": ioctl(master, TIOCSPTLCK, &raw const unlocked););
    let slave = call!(open(name.as_ptr(), O_RDWR | O_NOCTTY))?;
    let (size, mut found) = ([24u16, 80, 0, 0], [0u16; 4]);
    yes!(t; "a size": ioctl(master, TIOCSWINSZ, size.as_ptr()); "asked": ioctl(slave, TIOCGWINSZ, found.as_mut_ptr()););
    t.same("the same at both ends", found, size);
    no!(t;
        "not this session's": ioctl(slave, TIOCGPGRP, &raw mut number) => ENOTTY;
        "its session": ioctl(slave, TIOCGSID, &raw mut number) => ENOTTY;
        "the other end's number": ioctl(slave, TIOCGPTN, &raw mut number) => ENOTTY;
        "no place": lseek(slave, 0, SEEK_SET) => ESPIPE;
    );
    sys::write_all(master, b"ab\n")?;
    let mut entry = pollfd {
        fd: slave,
        events: POLLIN,
        revents: 0,
    };
    yes!(t; "it comes": poll(&raw mut entry, 1, 60_000););
    yes!(t; "what is typed": ioctl(slave, FIONREAD, &raw mut number););
    t.same("three", number, 3);
    let mut bytes = [0u8; 16];
    t.same("a line", sys::read(slave, &mut bytes), Ok(3));
    t.same("echoed", sys::read(master, &mut bytes), Ok(4));
    t.same(
        "with a carriage return",
        bytes[..4].to_vec(),
        b"ab\r\n".to_vec(),
    );
    sys::close(slave)?;
    t.refused(
        "nobody at the other end",
        sys::read(master, &mut bytes),
        EIO,
    );
    let slave = call!(open(name.as_ptr(), O_RDWR | O_NOCTTY))?;
    sys::close(master)?;
    t.same("no master: the end", sys::read(slave, &mut bytes), Ok(0));
    t.refused("written", sys::write(slave, b"x"), EIO);
    no!(t; "the name is gone": access(name.as_ptr(), F_OK) => ENOENT;);
    Ok(())
}
