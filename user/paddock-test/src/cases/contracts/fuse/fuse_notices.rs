//! fuse(4): how long names and attributes hold, and what the program says of them.
use super::*;

const HOLDS: Manners = Manners {
    holds: 1000,
    owner: 0,
};

/// Has the program change a file, and say so like this.
fn tell(what: &str) -> Outcome {
    let fd = opened("m/tell", O_WRONLY)?;
    sys::write(fd, what.as_bytes())?;
    sys::close(fd)?;
    Ok(())
}

fn answers(t: &mut Report) -> Outcome {
    t.same("its size", status("m/f")?.st_size, 9);
    let before = asked(op::LOOKUP);
    t.same("again", status("m/f")?.st_size, 9);
    let after = asked(op::LOOKUP);
    t.same("nobody was asked", after, before);
    tell("nothing")?;
    t.same("nor told", status("m/f")?.st_size, 9);
    tell("inode")?;
    t.same("told", status("m/f")?.st_size, 18);
    t.same("heard", came_of("inode"), 0);
    tell("unknown")?;
    t.same("of none", came_of("unknown"), ENOENT);
    tell("short")?;
    t.same("too short", came_of("short"), EINVAL);
    tell("unknown-kind")?;
    t.same("of no kind", came_of("unknown-kind"), EINVAL);
    tell("name")?;
    t.same("a name", came_of("name"), 0);
    t.refused("is gone", status("m/f"), ENOENT);
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    own_mounts()?;
    let program = mounted(HOLDS, "")?;
    answers(t)?;
    over(t, program)
}
