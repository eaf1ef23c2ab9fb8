//! fuse(4): what can be asked of files.
use super::*;

fn names_in(name: &str) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(name).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| error.to_string())?;
        all.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(all)
}

fn status_of_a_file(t: &mut Report) -> Outcome {
    let found = status("m/f")?;
    t.same("mode", found.st_mode, S_IFREG | 0o644);
    t.same("size", found.st_size, 9);
    t.same("links", found.st_nlink as u64, 1);
    t.same(
        "modified",
        (found.st_mtime, found.st_mtime_nsec),
        (1_100_000_000, 2),
    );
    t.same(
        "changed",
        (found.st_ctime, found.st_ctime_nsec),
        (1_200_000_000, 3),
    );
    t.same("number", found.st_ino, 2);
    t.refused("none", status("m/none"), ENOENT);
    t.refused("below a file", status("m/f/x"), ENOTDIR);
    Ok(())
}

fn content(t: &mut Report) -> Outcome {
    t.same("all", text("m/f"), "some text".to_owned());
    t.same("in a folder", text("m/d/g"), "more".to_owned());
    t.same("through a link", text("m/l"), "more".to_owned());
    let target = std::fs::read_link("m/l").map_err(|error| error.to_string())?;
    t.same(
        "the link",
        target.to_string_lossy().into_owned(),
        "d/g".to_owned(),
    );
    let fd = opened("m/f", O_RDONLY)?;
    let mut two = [0; 2];
    t.same(
        "from there",
        call!(pread(fd, two.as_mut_ptr().cast(), 2, 5)),
        Ok(2),
    );
    t.same("two", two, *b"te");
    t.same(
        "behind the end",
        call!(pread(fd, two.as_mut_ptr().cast(), 2, 9)),
        Ok(0),
    );
    t.same("its end", call!(lseek(fd, 0, SEEK_END)), Ok(9));
    t.same("where data is", call!(lseek(fd, 1, SEEK_DATA)), Ok(4));
    t.refused("not to be written", sys::write(fd, b"x"), EBADF);
    t.refused("what the program says of closing", sys::close(fd), EDQUOT);
    t.refused("it is closed", sys::close(fd), EBADF);
    Ok(())
}

fn folders(t: &mut Report) -> Outcome {
    t.same("a folder", names_in("m/d")?, vec!["g".to_owned()]);
    let all = names_in("m")?;
    t.check("the root", all.iter().any(|name| name == "hang"));
    t.same("the root's size", all.len(), 13);
    let fd = opened("m/d", O_RDONLY)?;
    t.refused("no text", sys::read(fd, &mut [0]), EISDIR);
    sys::close(fd)?;
    Ok(())
}

fn space(t: &mut Report) -> Outcome {
    // SAFETY: plain numbers.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    call!(libc::statfs(c"m".as_ptr(), &raw mut found))?;
    t.same("the kind", found.f_type as u64, 0x6573_5546);
    let blocks = (
        found.f_blocks as u64,
        found.f_bfree as u64,
        found.f_bavail as u64,
    );
    t.same("blocks", blocks, (1000, 600, 500));
    t.same(
        "files",
        (found.f_files as u64, found.f_ffree as u64),
        (40, 30),
    );
    t.same("the longest name", found.f_namelen as u64, 200);
    t.same(
        "the unit",
        (found.f_bsize as u64, found.f_frsize as u64),
        (4096, 1024),
    );
    Ok(())
}

fn errors(t: &mut Report) -> Outcome {
    for error in [EACCES, EIO, ENODEV, ENOSYS, EUCLEAN] {
        t.refused(
            "as the program says",
            status(&format!("m/error-{error}")),
            error,
        );
    }
    t.refused(
        "it need not know of notes",
        opened("m/none/x", O_RDONLY),
        ENOENT,
    );
    let access = |mode| call!(access(c"m/f".as_ptr(), mode));
    t.works("access", access(R_OK | W_OK));
    t.refused("access of the program's own", access(X_OK), EACCES);
    Ok(())
}

/// What is not used any more is given back.
fn given_back(t: &mut Report) -> Outcome {
    t.check("opened", asked(op::OPEN) > 0);
    t.works(
        "as often as opened",
        sys::until(|| asked(op::RELEASE) + 2 >= asked(op::OPEN)),
    );
    t.check("each closing is told", asked(op::FLUSH) > 0);
    t.check("folders too", asked(op::RELEASEDIR) > 0);
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    let program = usual()?;
    status_of_a_file(t)?;
    content(t)?;
    folders(t)?;
    space(t)?;
    errors(t)?;
    given_back(t)?;
    over(t, program)
}
