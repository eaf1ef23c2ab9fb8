//! inotify(7): what happens in a directory and to a file, in order.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call, close, read};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let name = format!("inotify-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let result = checks(report, &folder);
    let _ = fs::remove_dir_all(&folder);
    result
}

fn checks(report: &mut Report, folder: &Path) -> Outcome {
    fs::create_dir(folder).map_err(|error| error.to_string())?;
    let fd = call!(libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC))?;
    report.same("nothing yet", events(fd), Err(Errno(libc::EAGAIN)));
    let watch = add(fd, folder, libc::IN_ALL_EVENTS)?;
    in_folder(report, fd, folder).map_err(|error| error.to_string())?;
    of_file(report, fd, folder).map_err(|error| error.to_string())?;
    report.same("no longer", call!(libc::inotify_rm_watch(fd, watch)), Ok(0));
    let ignored = vec![(watch, libc::IN_IGNORED, String::new())];
    report.same("is told", events(fd), Ok(ignored));
    let twice = call!(libc::inotify_rm_watch(fd, watch));
    report.same("twice", twice, Err(Errno(libc::EINVAL)));
    let only = add(
        fd,
        Path::new("/proc/self/exe"),
        libc::IN_OPEN | libc::IN_ONLYDIR,
    );
    report.same("no folder", only, Err(Errno(libc::ENOTDIR)));
    let none = add(fd, &folder.join("none"), libc::IN_OPEN);
    report.same("not there", none, Err(Errno(libc::ENOENT)));
    report.same(
        "nothing wanted",
        add(fd, folder, 0),
        Err(Errno(libc::EINVAL)),
    );
    close(fd)?;
    Ok(())
}

fn add(fd: i32, path: &Path, mask: u32) -> Result<i32, Errno> {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default();
    call!(libc::inotify_add_watch(fd, path.as_ptr(), mask))
}

/// Watch, events and name of each that waits.
fn events(fd: i32) -> Result<Vec<(i32, u32, String)>, Errno> {
    let mut bytes = [0; 16_384];
    let count = read(fd, &mut bytes)?;
    let mut rest = &bytes[..count];
    let mut all = Vec::new();
    while rest.len() >= 16 {
        let word = |at: usize| {
            let word = rest[at..at + 4].try_into();
            u32::from_le_bytes(word.unwrap_or_default())
        };
        let end = 16 + word(12) as usize;
        let name = String::from_utf8_lossy(&rest[16..end]);
        let name = name.trim_end_matches('\0').to_owned();
        all.push((word(0) as i32, word(4), name));
        rest = &rest[end..];
    }
    Ok(all)
}

/// Events and names, without the watch.
fn seen(fd: i32) -> Vec<(u32, String)> {
    let all = events(fd).unwrap_or_default();
    all.into_iter()
        .map(|(_, events, name)| (events, name))
        .collect()
}

fn named(name: &str, events: &[u32]) -> Vec<(u32, String)> {
    events
        .iter()
        .map(|events| (*events, name.to_owned()))
        .collect()
}

fn in_folder(report: &mut Report, fd: i32, folder: &Path) -> std::io::Result<()> {
    let (file, other, below) = (folder.join("a"), folder.join("b"), folder.join("d"));
    File::create(&file)?.write_all(b"one")?;
    let made = [
        libc::IN_CREATE,
        libc::IN_OPEN,
        libc::IN_MODIFY,
        libc::IN_CLOSE_WRITE,
    ];
    report.same("a file is made", seen(fd), named("a", &made));
    File::open(&file)?.read_exact(&mut [0; 3])?;
    let read = [libc::IN_OPEN, libc::IN_ACCESS, libc::IN_CLOSE_NOWRITE];
    report.same("it is read", seen(fd), named("a", &read));
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    report.same("its mode", seen(fd), named("a", &[libc::IN_ATTRIB]));
    fs::rename(&file, &other)?;
    let mut moved = named("a", &[libc::IN_MOVED_FROM]);
    moved.extend(named("b", &[libc::IN_MOVED_TO]));
    report.same("it is renamed", seen(fd), moved);
    fs::remove_file(&other)?;
    report.same("it is removed", seen(fd), named("b", &[libc::IN_DELETE]));
    fs::create_dir(&below)?;
    fs::remove_dir(&below)?;
    let folders = [libc::IN_CREATE, libc::IN_DELETE].map(|events| events | libc::IN_ISDIR);
    report.same("a folder", seen(fd), named("d", &folders));
    Ok(())
}

/// A file that is watched itself, once, and one that goes.
fn of_file(report: &mut Report, fd: i32, folder: &Path) -> std::io::Result<()> {
    let (file, link) = (folder.join("f"), folder.join("l"));
    let error = |_: Errno| std::io::Error::last_os_error();
    fs::write(&file, b"x")?;
    seen(fd);
    let own = call!(libc::inotify_init1(libc::IN_NONBLOCK)).map_err(error)?;
    add(
        own,
        &file,
        libc::IN_MODIFY | libc::IN_ATTRIB | libc::IN_DELETE_SELF,
    )
    .map_err(error)?;
    fs::hard_link(&file, &link)?;
    report.same("another name", seen(own), named("", &[libc::IN_ATTRIB]));
    OpenOptions::new()
        .append(true)
        .open(&link)?
        .write_all(b"y")?;
    report.same("by any name", seen(own), named("", &[libc::IN_MODIFY]));
    fs::remove_file(&link)?;
    report.same("one name less", seen(own), named("", &[libc::IN_ATTRIB]));
    fs::remove_file(&file)?;
    let gone = [libc::IN_ATTRIB, libc::IN_DELETE_SELF, libc::IN_IGNORED];
    report.same("the last name", seen(own), named("", &gone));
    sys::close(own).map_err(error)?;
    seen(fd);
    Ok(())
}
