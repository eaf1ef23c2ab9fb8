//! fuse(4): how files change.
use super::*;

fn writes(t: &mut Report) -> Outcome {
    let fd = opened("m/new", O_RDWR | O_CREAT | O_EXCL)?;
    t.same("written", sys::write(fd, b"hello"), Ok(5));
    t.same("its size", stat_of(fd)?.st_size, 5);
    t.refused("once", opened("m/new", O_RDWR | O_CREAT | O_EXCL), EEXIST);
    let more = opened("m/new", O_WRONLY | O_APPEND)?;
    t.same("appended", sys::write(more, b" you"), Ok(4));
    t.same("all", text("m/new"), "hello you".to_owned());
    t.works("cut", call!(ftruncate(fd, 4)));
    t.same("the rest", text("m/new"), "hell".to_owned());
    t.works("made longer", call!(fallocate(fd, 0, 0, 10)));
    t.same("so long", stat_of(fd)?.st_size, 10);
    t.works("synced", call!(fsync(fd)));
    sys::close(opened("m/new", O_WRONLY | O_TRUNC)?)?;
    t.same("nothing", stat_of(fd)?.st_size, 0);
    let large: Vec<u8> = (0..300_000u32).map(|it| it as u8).collect();
    t.same("much", sys::write_all(more, &large), Ok(()));
    t.same("the same", std::fs::read("m/new").ok(), Some(large));
    sys::close(more)?;
    sys::close(fd)?;
    Ok(())
}

fn names(t: &mut Report) -> Outcome {
    let path = |name: &str| word(&format!("m/{name}"));
    let (new, dir, sub) = (path("new"), path("dir"), path("dir/new"));
    t.works("a folder", call!(mkdir(dir.as_ptr(), 0o700)));
    t.same("its mode", mode("m/dir"), Ok(0o700));
    t.refused("once", call!(mkdir(dir.as_ptr(), 0o700)), EEXIST);
    t.works("into it", call!(rename(new.as_ptr(), sub.as_ptr())));
    t.refused("moved", status("m/new"), ENOENT);
    t.same("there", status("m/dir/new")?.st_size, 300_000);
    t.refused("not empty", call!(rmdir(dir.as_ptr())), ENOTEMPTY);
    let other = path("other");
    t.works("a second name", call!(link(sub.as_ptr(), other.as_ptr())));
    t.same("names", status("m/other")?.st_nlink as u64, 2);
    let at = |from: &CString, to: &CString, flags: u32| {
        raw!(
            SYS_renameat2,
            AT_FDCWD,
            from.as_ptr(),
            AT_FDCWD,
            to.as_ptr(),
            flags
        )
    };
    t.refused(
        "not replaced",
        at(&other, &path("f"), RENAME_NOREPLACE as u32),
        EEXIST,
    );
    t.works("exchanged", at(&other, &path("f"), RENAME_EXCHANGE as u32));
    t.same("the other", text("m/other"), "some text".to_owned());
    t.works("back", at(&other, &path("f"), RENAME_EXCHANGE as u32));
    t.works("gone", call!(unlink(other.as_ptr())));
    t.works("the other as well", call!(unlink(sub.as_ptr())));
    t.works("and the folder", call!(rmdir(dir.as_ptr())));
    t.refused("no more", status("m/dir"), ENOENT);
    let (text_of, link_name) = (word("target"), path("s"));
    t.works(
        "a link",
        call!(symlink(text_of.as_ptr(), link_name.as_ptr())),
    );
    let target = std::fs::read_link("m/s").map_err(|error| error.to_string())?;
    t.same(
        "where to",
        target.to_string_lossy().into_owned(),
        "target".to_owned(),
    );
    t.works("a fifo", call!(mkfifo(path("fifo").as_ptr(), 0o600)));
    t.same("is one", status("m/fifo")?.st_mode, S_IFIFO | 0o600);
    t.works("another mode", call!(chmod(path("f").as_ptr(), 0o640)));
    t.same("which it has", mode("m/f"), Ok(0o640));
    Ok(())
}

fn attributes(t: &mut Report) -> Outcome {
    let (f, name) = (c"m/f".as_ptr(), c"user.a".as_ptr());
    let value = b"value";
    let set = call!(setxattr(f, name, value.as_ptr().cast(), 5, 0));
    t.works("set", set);
    let mut room = [0u8; 64];
    let got = call!(getxattr(f, name, room.as_mut_ptr().cast(), 64));
    t.same("got", got, Ok(5));
    t.same("the value", &room[..5], &value[..]);
    t.refused(
        "little room",
        call!(getxattr(f, name, room.as_mut_ptr().cast(), 2)),
        ERANGE,
    );
    t.same("its length", call!(getxattr(f, name, null_mut(), 0)), Ok(5));
    t.same(
        "names",
        call!(listxattr(f, room.as_mut_ptr().cast(), 64)),
        Ok(7),
    );
    t.works("taken away", call!(removexattr(f, name)));
    t.refused("none", call!(getxattr(f, name, null_mut(), 0)), ENODATA);
    Ok(())
}

/// What has lost its name stays for whoever has it open.
fn open_without_a_name(t: &mut Report) -> Outcome {
    let fd = opened("m/brief", O_RDWR | O_CREAT)?;
    sys::write(fd, b"kept")?;
    t.works("its name goes", call!(unlink(c"m/brief".as_ptr())));
    let mut room = [0; 4];
    t.same(
        "it stays",
        call!(pread(fd, room.as_mut_ptr().cast(), 4, 0)),
        Ok(4),
    );
    t.same("as it was", room, *b"kept");
    t.same("without names", stat_of(fd)?.st_nlink as u64, 0);
    sys::close(fd)?;
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    let program = usual()?;
    writes(t)?;
    names(t)?;
    attributes(t)?;
    open_without_a_name(t)?;
    over(t, program)
}
