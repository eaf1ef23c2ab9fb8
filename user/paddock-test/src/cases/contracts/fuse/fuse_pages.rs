//! fuse(4): files in memory, and programs among them.
use super::*;

fn mapped(t: &mut Report) -> Outcome {
    let fd = opened("m/f", O_RDWR)?;
    let shared = Map::new(PAGE, PROT_READ, MAP_SHARED, fd)?;
    t.same("shared", shared.read(0), b's');
    t.same("behind the end", shared.read(9), 0);
    let own = Map::new(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd)?;
    own.write(0, b'X');
    t.same("its own", own.read(0), b'X');
    t.same("not the file's", text("m/f"), "some text".to_owned());
    t.same(
        "a write",
        call!(pwrite(fd, b"S".as_ptr().cast(), 1, 0)),
        Ok(1),
    );
    t.same("shows", shared.read(0), b'S');
    t.works("cut", call!(ftruncate(fd, 0)));
    t.same(
        "nothing is left",
        touching(&shared, 0, false)?,
        End::Killed(SIGBUS),
    );
    Ok(())
}

fn run_from_there(t: &mut Report) -> Outcome {
    let own = std::fs::read("/proc/self/exe").map_err(|error| error.to_string())?;
    file("m/program", &own)?;
    call!(chmod(c"m/program".as_ptr(), 0o755))?;
    let child = sys::fork(|| {
        let words = [c"program".as_ptr(), c"list".as_ptr(), null()];
        let null = opened("/dev/null", O_WRONLY).unwrap_or(1);
        let _ = call!(dup2(null, 1));
        let _ = call!(dup2(null, 2));
        let ended = call!(execv(c"m/program".as_ptr(), words.as_ptr()));
        100 + ended.map_or_else(|error| error.0, |_| 0)
    })?;
    let ended = sys::wait(child)?;
    t.check("it has run", matches!(ended, End::Exited(0..100)));
    call!(chmod(c"m/program".as_ptr(), 0o644))?;
    let words = [c"program".as_ptr(), null()];
    let refused = call!(execv(c"m/program".as_ptr(), words.as_ptr()));
    t.refused("not what nobody may run", refused, EACCES);
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    let program = usual()?;
    mapped(t)?;
    run_from_there(t)?;
    call!(umount2(c"m".as_ptr(), MNT_DETACH))?;
    let _ = program;
    Ok(())
}
