//! proc_locks(5): /proc/locks.
use crate::cases::contracts::prelude::*;

const F_SETLEASE: i32 = 1024;
const F_OFD_SETLK: i32 = 37;

/// The lines of a file, without their numbers.
fn lines(fd: i32) -> Result<Vec<String>, Errno> {
    let status = stat_of(fd)?;
    let (device, inode) = (status.st_dev, status.st_ino);
    let place = format!(" {:02x}:{:02x}:{inode} ", major(device), minor(device));
    let text = text("/proc/locks");
    let own = text.lines().filter(|line| line.contains(&place));
    let mut all: Vec<String> = own
        .filter_map(|line| line.split_once(": "))
        .map(|(_, rest)| rest.replace(&place, " F "))
        .collect();
    all.sort_unstable();
    Ok(all)
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    let (fd, other) = (opened("f", O_RDWR)?, opened("f", O_RDWR)?);
    t.same("none", lines(fd), Ok(vec![]));
    let own = own_pid();
    let write = F_WRLCK as i32;
    lock_by(F_SETLK, fd, write, 0, 10)?;
    lock_by(F_SETLK, fd, F_RDLCK as i32, 100, 0)?;
    lock_by(F_OFD_SETLK, other, write, 20, 1)?;
    yes!(t; "the whole": libc::flock(fd, LOCK_EX););
    let expected = vec![
        format!("FLOCK  ADVISORY  WRITE {own} F 0 EOF"),
        "OFDLCK ADVISORY  WRITE -1 F 20 20".to_owned(),
        format!("POSIX  ADVISORY  READ {own} F 100 EOF"),
        format!("POSIX  ADVISORY  WRITE {own} F 0 9"),
    ];
    t.same("all kinds", lines(fd), Ok(expected));
    let waiter = sys::fork(|| unless(lock_by(F_SETLKW, fd, write, 5, 1).is_ok()))?;
    sys::until_asleep(waiter)?;
    let waits = format!("-> POSIX  ADVISORY  WRITE {waiter} F 5 5");
    t.check("who waits", lines(fd)?.contains(&waits));
    lock_by(F_SETLK, fd, F_UNLCK as i32, 0, 0)?;
    t.same("who has waited", sys::wait(waiter), Ok(End::Exited(0)));
    sys::close(fd)?;
    sys::close(other)?;
    let fd = opened("f", O_RDONLY)?;
    t.same("closed", lines(fd), Ok(vec![]));
    yes!(t; "a lease": fcntl(fd, F_SETLEASE, F_RDLCK as i32););
    let expected = vec![format!("LEASE  ACTIVE    READ {own} F 0 EOF")];
    t.same("is told", lines(fd), Ok(expected));
    sys::block_signals(&[SIGIO])?;
    let breaker = opened("f", O_WRONLY | O_NONBLOCK);
    t.refused("broken", breaker, EWOULDBLOCK);
    let expected = vec![format!("LEASE  BREAKING  UNLCK {own} F 0 EOF")];
    t.same("is to go", lines(fd), Ok(expected));
    Ok(())
}
