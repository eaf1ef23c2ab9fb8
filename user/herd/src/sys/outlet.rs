//! The outputs of services as named pipes: the next herd finds them again. A
//! service has both ends of its own, so that it can write while there is no
//! herd.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, fchown, mknodat, open};

/// Where herd reads, without waiting.
///
/// # Errors
/// Those of `open(2)`, and if there is no named pipe.
pub(crate) fn reader(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.file_type().is_fifo() {
        return Err(io::Error::other("is no FIFO"));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(open(path, flags, Mode::empty())?.into())
}

/// Both ends of the named pipe at `path`, which is made if it is not there;
/// `owner`, user and group, may open it again by `/dev/stdout`.
///
/// # Errors
/// Those of the file system.
pub(super) fn pair(path: &Path, owner: Option<(u32, u32)>) -> io::Result<(File, OwnedFd)> {
    let reader = match reader(path) {
        Ok(reader) => reader,
        Err(_) => make(path)?,
    };
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let writer = open(path, flags, Mode::empty())?;
    if let Some((user, group)) = owner {
        // Without it, only opening the pipe again does not work.
        let owner = (Uid::from_raw(user), Gid::from_raw(group));
        let _ = fchown(&writer, Some(owner.0), Some(owner.1));
    }
    Ok((reader, writer))
}

fn make(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    reader(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_is_written_without_a_reader_is_read_by_the_next() {
        let folder = std::env::temp_dir().join(format!("herd-outlet-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let path = folder.join("x.out");
        let (first, writer) = pair(&path, None).unwrap();
        drop(first);
        let mut writer = File::from(writer);
        writer.write_all(b"words").unwrap();
        let mut next = reader(&path).unwrap();
        let mut bytes = [0; 16];
        assert_eq!(next.read(&mut bytes).unwrap(), 5);
        drop(writer);
        assert_eq!(next.read(&mut bytes).unwrap(), 0);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "no pipe").unwrap();
        assert!(reader(&path).is_err());
        assert!(pair(&path, None).is_ok());
        fs::remove_dir_all(folder).unwrap();
    }
}
