//! mount(2) and umount2(2), where they are allowed.

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno, call};
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

/// In a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "mounts")?;
    let outcome = checks(report, &folder).map_err(|error| error.to_string());
    let removed = fs::remove_dir_all(&folder);
    report.check("everything is removed again", removed.is_ok());
    outcome
}

fn mount(at: &Path, kind: &CStr, options: &CStr) -> Result<i32, Errno> {
    let at = sys::path(at);
    call!(libc::mount(
        kind.as_ptr(),
        at.as_ptr(),
        kind.as_ptr(),
        0,
        options.as_ptr().cast()
    ))
}

fn unmount(at: &Path, flags: i32) -> Result<i32, Errno> {
    let at = sys::path(at);
    call!(libc::umount2(at.as_ptr(), flags))
}

fn checks(report: &mut Report, folder: &Path) -> std::io::Result<()> {
    let at = folder.join("at");
    fs::create_dir(&at)?;
    if mount(&at, c"tmpfs", c"") == Err(Errno(libc::EPERM)) {
        println!("nothing may be mounted here");
        report.check("that is Linux", !Path::new("/proc/paddock").exists());
        return Ok(());
    }
    report.works("unmounted", unmount(&at, 0));
    refusals(report, folder, &at)?;
    options(report, &at)?;
    detaching(report, &at)?;
    expiring(report, &at)?;
    others(report, folder, &at)
}

fn refusals(report: &mut Report, folder: &Path, at: &Path) -> std::io::Result<()> {
    let file = folder.join("file");
    fs::write(&file, "")?;
    report.refused("no such kind", mount(at, c"nosuchfs", c""), libc::ENODEV);
    report.refused(
        "no such option",
        mount(at, c"tmpfs", c"nosuch=1"),
        libc::EINVAL,
    );
    report.refused("no size", mount(at, c"tmpfs", c"size=x"), libc::EINVAL);
    let missing = folder.join("missing");
    report.refused(
        "no such place",
        mount(&missing, c"tmpfs", c""),
        libc::ENOENT,
    );
    report.refused("no folder", mount(&file, c"tmpfs", c""), libc::ENOTDIR);
    report.refused("nothing is mounted", unmount(at, 0), libc::EINVAL);
    report.refused("no such flag", unmount(at, 0x100), libc::EINVAL);
    let both = libc::MNT_EXPIRE | libc::MNT_DETACH;
    report.refused("expiring and detached", unmount(at, both), libc::EINVAL);
    let nobody = sys::in_child(|| {
        // SAFETY: takes a number.
        unsafe { libc::setuid(65534) };
        let mounted = mount(at, c"tmpfs", c"");
        i32::from(mounted != Err(Errno(libc::EPERM)))
    });
    report.same("by nobody", nobody, Ok(End::Exited(0)));
    Ok(())
}

fn options(report: &mut Report, at: &Path) -> std::io::Result<()> {
    let options = c"size=64k,mode=0750,uid=1,gid=2";
    report.works("with options", mount(at, c"tmpfs", options));
    let root = fs::metadata(at)?;
    let found = (root.mode() & 0o7777, root.uid(), root.gid());
    report.same("whose it is", found, (0o750, 1, 2));
    let written = File::create(at.join("big"))?.write_all(&[7; 65537]);
    let full = written.err().map(|error| error.kind());
    report.same("no more than that", full, Some(ErrorKind::StorageFull));
    report.works("it goes", unmount(at, 0));
    report.check("with what was there", !at.join("big").exists());
    Ok(())
}

fn is_listed(at: &Path) -> std::io::Result<bool> {
    let table = fs::read_to_string("/proc/self/mounts")?;
    let at = at.to_string_lossy();
    Ok(table
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(&at)))
}

fn detaching(report: &mut Report, at: &Path) -> std::io::Result<()> {
    report.works("mounted", mount(at, c"tmpfs", c""));
    fs::write(at.join("file"), "text")?;
    let below = at.join("below");
    fs::create_dir(&below)?;
    report.works("one below", mount(&below, c"tmpfs", c""));
    let mut file = File::open(at.join("file"))?;
    report.check("it is listed", is_listed(at)?);
    report.refused("in use", unmount(at, 0), libc::EBUSY);
    report.works("detached", unmount(at, libc::MNT_DETACH));
    report.check("it is not listed", !is_listed(at)? && !is_listed(&below)?);
    report.check("nor there", !at.join("file").exists());
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    report.same("but for who has it open", text.as_str(), "text");
    report.refused("once", unmount(at, libc::MNT_DETACH), libc::EINVAL);
    Ok(())
}

fn expiring(report: &mut Report, at: &Path) -> std::io::Result<()> {
    report.works("mounted again", mount(at, c"tmpfs", c""));
    let expire = || unmount(at, libc::MNT_EXPIRE);
    report.refused("marked", expire(), libc::EAGAIN);
    fs::write(at.join("file"), "")?;
    report.refused("used since", expire(), libc::EAGAIN);
    report.works("not used since", expire());
    Ok(())
}

fn others(report: &mut Report, folder: &Path, at: &Path) -> std::io::Result<()> {
    report.works("proc", mount(at, c"proc", c""));
    report.check("processes are there", at.join("self/status").exists());
    let link = folder.join("link");
    symlink(at, &link)?;
    let flag = libc::UMOUNT_NOFOLLOW;
    report.refused("a link, itself", unmount(&link, flag), libc::EINVAL);
    report.works("what a link names", unmount(&link, 0));
    fs::remove_file(&link)
}
