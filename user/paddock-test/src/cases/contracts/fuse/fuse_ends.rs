//! fuse(4): programs that end, or do not answer.
use super::*;

/// A child that reads a file, which does not come; it has asked.
fn reader(name: &str) -> Result<i32, Errno> {
    let before = asked(op::HELD);
    let path = format!("m/{name}");
    let child = sys::fork(|| match opened(&path, O_RDONLY) {
        Ok(fd) => sys::read(fd, &mut [0; 8]).map_or_else(|error| error.0, |_| 0),
        Err(error) => error.0,
    })?;
    sys::until(|| asked(op::HELD) > before)?;
    Ok(child)
}

fn killed_program(t: &mut Report) -> Outcome {
    let program = mounted(Manners::default(), "")?;
    let fd = opened("m/f", O_RDONLY)?;
    let child = reader("deaf")?;
    t.same("the program", end(program), Ok(End::Killed(SIGKILL)));
    t.same("who waits", sys::wait(child), Ok(End::Exited(ECONNABORTED)));
    t.refused("who asks", status("m/f"), ENOTCONN);
    t.refused("who has it open", stat_of(fd), ENOTCONN);
    t.refused("closing it", sys::close(fd), ENOTCONN);
    t.works("unmounted", unmount(0));
    Ok(())
}

/// A program that does not answer keeps nobody from ending.
fn killed_reader(t: &mut Report) -> Outcome {
    let program = mounted(Manners::default(), "")?;
    let child = reader("hang")?;
    t.same("who waits", end(child), Ok(End::Killed(SIGKILL)));
    t.works(
        "the program hears of it",
        sys::until(|| asked(op::INTERRUPT) > 0),
    );
    t.same("all else goes on", text("m/f"), "some text".to_owned());
    over(t, program)
}

fn interrupted_reader(t: &mut Report) -> Outcome {
    let program = mounted(Manners::default(), "")?;
    noted(SIGUSR1, 0)?;
    let child = reader("hang")?;
    sys::kill(child, SIGUSR1)?;
    t.same(
        "it is interrupted",
        sys::wait(child),
        Ok(End::Exited(EINTR)),
    );
    t.same("as the program was told", asked(op::INTERRUPT), 1);
    over(t, program)
}

/// One that has not answered the greeting.
fn silent_program(t: &mut Report) -> Outcome {
    let fd = device()?;
    mount_with(&options(fd))?;
    let child = sys::fork(|| status("m/f").map_or_else(|error| error.0, |_| 0))?;
    sys::sleep_ms(50);
    t.same("who asks", end(child), Ok(End::Killed(SIGKILL)));
    let child = sys::fork(|| status("m/f").map_or_else(|error| error.0, |_| 0))?;
    sys::sleep_ms(50);
    t.works("by force", unmount(MNT_FORCE | MNT_DETACH));
    t.same(
        "who asks still",
        sys::wait(child),
        Ok(End::Exited(ENOTCONN)),
    );
    sys::close(fd)?;
    Ok(())
}

fn taken_out_of_the_tree(t: &mut Report) -> Outcome {
    let program = mounted(Manners::default(), "")?;
    let fd = opened("m/f", O_RDONLY)?;
    t.refused("in use", unmount(0), EBUSY);
    t.works("lazily", unmount(MNT_DETACH));
    let mut room = [0; 4];
    t.same(
        "it stays",
        call!(pread(fd, room.as_mut_ptr().cast(), 4, 0)),
        Ok(4),
    );
    t.refused("closed", sys::close(fd), EDQUOT);
    t.same(
        "then the program hears",
        sys::wait(program),
        Ok(End::Exited(ENODEV)),
    );
    Ok(())
}

fn by_force(t: &mut Report) -> Outcome {
    let program = mounted(Manners::default(), "")?;
    let fd = opened("m/f", O_RDONLY)?;
    let child = reader("deaf")?;
    t.refused("in use still", unmount(MNT_FORCE), EBUSY);
    t.same("who waits", sys::wait(child), Ok(End::Exited(ECONNABORTED)));
    t.same("the program", sys::wait(program), Ok(End::Exited(ENODEV)));
    t.refused("closed", sys::close(fd), ENOTCONN);
    t.works("unmounted", unmount(0));
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    own_mounts()?;
    killed_program(t)?;
    killed_reader(t)?;
    interrupted_reader(t)?;
    silent_program(t)?;
    taken_out_of_the_tree(t)?;
    by_force(t)
}
