//! Files and folders.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread;

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{Errno, call};

/// An I/O result as an errno.
fn code<T>(result: io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno(error.raw_os_error().unwrap_or(0)))
}

/// All in a folder below argument 0 (`/tmp`), which is removed again.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let folder = folder(words, "files")?;
    let outcome = checks(report, &folder).map_err(|error| error.to_string());
    let removed = fs::remove_dir_all(&folder);
    report.works("everything is removed again", code(removed));
    outcome
}

fn checks(report: &mut Report, folder: &Path) -> io::Result<()> {
    contents(report, folder)?;
    holes(report, folder)?;
    appending(report, folder)?;
    whole_calls(report, folder)?;
    names(report, folder)?;
    links(report, folder)?;
    unlinked(report, folder)?;
    renames(report, folder)?;
    many(report, folder)?;
    modes(report, folder)?;
    errors(report, folder)
}

fn contents(report: &mut Report, folder: &Path) -> io::Result<()> {
    let name = folder.join("contents");
    let text: Vec<u8> = (0..300_000u32)
        .flat_map(|n| (n * 7).to_le_bytes())
        .collect();
    fs::write(&name, &text)?;
    report.check("what is written is read", fs::read(&name)? == text);
    let mut file = OpenOptions::new().read(true).write(true).open(&name)?;
    file.seek(SeekFrom::Start(4094))?;
    file.write_all(b"across")?;
    let mut found = [0; 8];
    file.read_exact_at(&mut found, 4093)?;
    report.same("across a page", &found[1..7], b"across");
    report.same("the place after it", file.stream_position()?, 4100);
    file.write_all_at(b"zz", 1_199_999)?;
    report.same("a write beyond the end", file.metadata()?.len(), 1_200_001);
    report.same("leaves the place", file.stream_position()?, 4100);
    file.sync_all()?;
    file.set_len(10)?;
    report.same("cut short", fs::read(&name)?.len(), 10);
    report.same("nothing behind the end", file.read(&mut found)?, 0);
    file.set_len(5_000)?;
    let rest = fs::read(&name)?;
    report.check(
        "made longer by zeroes",
        rest[10..].iter().all(|byte| *byte == 0),
    );
    report.check("with the start as it was", rest[..10] == text[..10]);
    File::create(&name)?;
    report.same(
        "emptied by creating it again",
        fs::metadata(&name)?.len(),
        0,
    );
    Ok(())
}

/// Two threads with one description: each call has the offset for itself.
fn whole_calls(report: &mut Report, folder: &Path) -> io::Result<()> {
    const SIZE: usize = 1 << 20;
    const CALLS: usize = 4;
    let name = folder.join("whole");
    for (what, append) in [
        ("writes are whole", false),
        ("so are those at the end", true),
    ] {
        let mut open = OpenOptions::new();
        let file = open.write(true).append(append).create(true).open(&name)?;
        file.set_len(0)?;
        thread::scope(|scope| {
            let writers = [b'a', b'b'].map(|byte| {
                let mut file = &file;
                scope.spawn(move || (0..CALLS).all(|_| file.write(&vec![byte; SIZE]).is_ok()))
            });
            writers.map(|writer| writer.join().unwrap_or(false))
        });
        let found = fs::read(&name)?;
        let whole = |call: &[u8]| call.iter().all(|byte| *byte == call[0]);
        let complete = found.len() == 2 * CALLS * SIZE;
        report.check(what, complete && found.chunks(SIZE).all(whole));
    }
    let file = File::open(&name)?;
    let sorted = thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            let mut file = &file;
            scope.spawn(move || {
                let mut call = vec![0; SIZE];
                (0..CALLS).all(|_| {
                    let count = file.read(&mut call).unwrap_or(0);
                    count == SIZE && call.iter().all(|byte| *byte == call[0])
                })
            })
        });
        readers.map(|reader| reader.join().unwrap_or(false))
    });
    report.same("so are reads", sorted, [true; 2]);
    fs::remove_file(&name)
}

fn holes(report: &mut Report, folder: &Path) -> io::Result<()> {
    let name = folder.join("sparse");
    let file = File::create(&name)?;
    file.write_all_at(b"end", 50_000_000)?;
    file.sync_all()?;
    let data = file.metadata()?;
    report.same("a long file", data.len(), 50_000_003);
    report.check("takes little room", data.blocks() * 512 < 1_000_000);
    let mut found = [1; 4096];
    let file = File::open(&name)?;
    file.read_exact_at(&mut found, 25_000_000)?;
    report.check("its hole is zeroes", found.iter().all(|byte| *byte == 0));
    Ok(())
}

fn appending(report: &mut Report, folder: &Path) -> io::Result<()> {
    let name = folder.join("append");
    let open = || OpenOptions::new().append(true).create(true).open(&name);
    let (mut one, mut two) = (open()?, open()?);
    one.write_all(b"one,")?;
    two.write_all(b"two,")?;
    one.seek(SeekFrom::Start(0))?;
    one.write_all(b"three")?;
    report.same("appended", fs::read(&name)?, b"one,two,three".to_vec());
    let error = |result: io::Result<File>| code(result.map(drop));
    let new = OpenOptions::new().write(true).create_new(true).open(&name);
    report.refused("only if new", error(new), libc::EEXIST);
    report.refused("not for reading", code(one.read(&mut [0; 4])), libc::EBADF);
    Ok(())
}

fn names(report: &mut Report, folder: &Path) -> io::Result<()> {
    let long = "n".repeat(255);
    report.works("a long name", code(fs::write(folder.join(&long), b"x")));
    let longer = fs::write(folder.join("n".repeat(256)), b"x");
    report.refused("too long a name", code(longer), libc::ENAMETOOLONG);
    let odd = folder.join("a \u{e4}\u{1f404}\n'b");
    fs::write(&odd, b"moo")?;
    report.same("an odd name", fs::read(&odd)?, b"moo".to_vec());
    let way = folder
        .join(".")
        .join("..")
        .join(folder.file_name().unwrap_or_default());
    report.same("dots", fs::read(way.join(&long))?, b"x".to_vec());
    let before = std::env::current_dir()?;
    std::env::set_current_dir(folder)?;
    report.same("from where one is", fs::read(&long)?, b"x".to_vec());
    let here = std::env::current_dir()?;
    report.check("getcwd", here == folder.canonicalize()?);
    std::env::set_current_dir(before)?;
    fs::remove_file(folder.join(&long))?;
    fs::remove_file(odd)
}

fn links(report: &mut Report, folder: &Path) -> io::Result<()> {
    let (file, hard, soft) = (
        folder.join("file"),
        folder.join("hard"),
        folder.join("soft"),
    );
    fs::write(&file, b"one")?;
    fs::hard_link(&file, &hard)?;
    let (a, b) = (fs::metadata(&file)?, fs::metadata(&hard)?);
    report.same("a second name", (a.ino(), a.nlink()), (b.ino(), 2));
    fs::remove_file(&file)?;
    report.same("outlives the first", fs::read(&hard)?, b"one".to_vec());
    report.same("and is alone", fs::metadata(&hard)?.nlink(), 1);
    symlink("hard", &soft)?;
    report.same("a link is followed", fs::read(&soft)?, b"one".to_vec());
    report.same(
        "or read",
        fs::read_link(&soft)?,
        Path::new("hard").to_owned(),
    );
    report.check("or seen", fs::symlink_metadata(&soft)?.is_symlink());
    fs::remove_file(&hard)?;
    report.refused("a link to nothing", code(fs::read(&soft)), libc::ENOENT);
    fs::write(&soft, b"made")?;
    report.same(
        "makes what it points to",
        fs::read(&hard)?,
        b"made".to_vec(),
    );
    let ring = folder.join("ring");
    symlink("ring", &ring)?;
    report.refused("a link to itself", code(fs::read(&ring)), libc::ELOOP);
    let long = format!("{}hard", "./".repeat(1_000));
    symlink(&long, folder.join("long"))?;
    report.same(
        "a long link",
        fs::read(folder.join("long"))?,
        b"made".to_vec(),
    );
    Ok(())
}

fn unlinked(report: &mut Report, folder: &Path) -> io::Result<()> {
    let name = folder.join("gone");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&name)?;
    file.write_all(b"still ")?;
    fs::remove_file(&name)?;
    file.write_all(b"here")?;
    fs::write(&name, vec![0xff; 100_000])?;
    let mut found = String::new();
    file.rewind()?;
    file.read_to_string(&mut found)?;
    report.same("a removed file that is open", found.as_str(), "still here");
    report.same("has no name", file.metadata()?.nlink(), 0);
    fs::remove_file(&name)
}

fn renames(report: &mut Report, folder: &Path) -> io::Result<()> {
    let (a, b) = (folder.join("a"), folder.join("b"));
    fs::write(&a, b"new")?;
    fs::write(&b, b"old")?;
    let old = File::open(&b)?;
    fs::rename(&a, &b)?;
    report.same("renamed over another", fs::read(&b)?, b"new".to_vec());
    report.check("the first name is gone", !a.exists());
    report.same(
        "who had it open reads the old",
        io::read_to_string(old)?.as_str(),
        "old",
    );
    fs::create_dir_all(folder.join("d1/sub"))?;
    fs::write(folder.join("d1/sub/x"), b"deep")?;
    fs::rename(folder.join("d1"), folder.join("d2"))?;
    report.same(
        "a folder moves whole",
        fs::read(folder.join("d2/sub/x"))?,
        b"deep".to_vec(),
    );
    fs::rename(folder.join("d2/sub"), folder.join("moved"))?;
    let up = fs::metadata(folder.join("moved/.."))?.ino();
    report.same("its .. goes with it", up, fs::metadata(folder)?.ino());
    let inside = fs::rename(folder.join("d2"), folder.join("d2/self"));
    report.refused("not into itself", code(inside), libc::EINVAL);
    let over = fs::rename(folder.join("d2"), folder.join("moved"));
    report.refused("not over a full folder", code(over), libc::ENOTEMPTY);
    let kind = fs::rename(&b, folder.join("moved"));
    report.refused("not a file over a folder", code(kind), libc::EISDIR);
    report.works("onto itself", code(fs::rename(&b, &b)));
    Ok(())
}

fn many(report: &mut Report, folder: &Path) -> io::Result<()> {
    let folder = folder.join("many");
    fs::create_dir(&folder)?;
    let name = |n: u32| format!("a file with a name of some length, number {n}");
    for n in 0..600 {
        fs::write(folder.join(name(n)), n.to_string())?;
    }
    let list = || -> io::Result<HashSet<String>> {
        fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    let found = list()?;
    report.same("600 files are listed", found.len(), 600);
    report.check("by their names", (0..600).all(|n| found.contains(&name(n))));
    let mut good = 0;
    for n in 0..600 {
        good += u32::from(fs::read_to_string(folder.join(name(n)))? == n.to_string());
    }
    report.same("and have their contents", good, 600);
    for n in (0..600).filter(|n| n % 3 != 0) {
        fs::remove_file(folder.join(name(n)))?;
    }
    report.same("those removed are not listed", list()?.len(), 200);
    report.refused(
        "a full folder stays",
        code(fs::remove_dir(&folder)),
        libc::ENOTEMPTY,
    );
    for entry in fs::read_dir(&folder)? {
        fs::remove_file(entry?.path())?;
    }
    report.works("an empty one goes", code(fs::remove_dir(&folder)));
    Ok(())
}

fn modes(report: &mut Report, folder: &Path) -> io::Result<()> {
    let name = folder.join("mode");
    fs::write(&name, b"")?;
    let new = fs::metadata(&name)?.permissions().mode();
    report.same("a file's mode", new & 0o7777, 0o644);
    fs::set_permissions(&name, fs::Permissions::from_mode(0o600))?;
    report.same(
        "changed",
        fs::metadata(&name)?.permissions().mode(),
        0o100_600,
    );
    fs::create_dir(folder.join("dir"))?;
    let mode = fs::metadata(folder.join("dir"))?.permissions().mode();
    report.same("a folder's mode", mode, 0o040_755);
    let before = fs::metadata(&name)?.mtime();
    fs::write(&name, b"x")?;
    let data = fs::metadata(&name)?;
    report.check(
        "a write sets its time",
        data.mtime() >= before && data.mtime() > 1_000_000,
    );
    report.same(
        "no one else's",
        (data.uid(), data.len()),
        (fs::metadata(folder)?.uid(), 1),
    );
    Ok(())
}

fn errors(report: &mut Report, folder: &Path) -> io::Result<()> {
    let (file, sub) = (folder.join("plain"), folder.join("sub"));
    fs::write(&file, b"x")?;
    fs::create_dir(&sub)?;
    report.refused("not there", code(fs::read(folder.join("no"))), libc::ENOENT);
    report.refused(
        "below a file",
        code(fs::read(file.join("x"))),
        libc::ENOTDIR,
    );
    report.refused(
        "a folder is not written",
        code(fs::write(&sub, b"x")),
        libc::EISDIR,
    );
    report.refused("nor read", code(fs::read(&sub)), libc::EISDIR);
    report.refused("nor unlinked", code(fs::remove_file(&sub)), libc::EISDIR);
    report.refused(
        "a file is no folder",
        code(fs::remove_dir(&file)),
        libc::ENOTDIR,
    );
    report.refused(
        "nor listed",
        code(fs::read_dir(&file).map(drop)),
        libc::ENOTDIR,
    );
    report.refused("there already", code(fs::create_dir(&sub)), libc::EEXIST);
    report.refused(
        "nowhere",
        code(fs::create_dir(folder.join("no/x"))),
        libc::ENOENT,
    );
    report.refused("no name", code(fs::metadata("")), libc::ENOENT);
    report.refused("no link", code(fs::read_link(&file)), libc::EINVAL);
    let folder_link = fs::hard_link(&sub, folder.join("sub2"));
    report.refused(
        "no second name for a folder",
        code(folder_link),
        libc::EPERM,
    );
    let open = File::open(&file)?;
    report.refused(
        "before the start",
        call!(libc::lseek(open.as_raw_fd(), -1, 0)),
        libc::EINVAL,
    );
    report.refused("opened for reading", code((&open).write(b"x")), libc::EBADF);
    Ok(())
}
