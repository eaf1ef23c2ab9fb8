//! Files opened on a service's behalf. Whatever stands at the path, opening
//! it does not wait: only a regular file is used, and nothing else is even
//! opened if it stood there before the call.
#![forbid(unsafe_code)]

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens the regular file at `path` for reading.
///
/// # Errors
/// Those of `open(2)`, and a text that says what stands there instead.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(path, OpenOptions::new().read(true))
}

/// Opens the regular file at `path` for writing at its end, and makes it if
/// there is none.
///
/// # Errors
/// As [`open`].
pub(crate) fn append(path: &Path) -> io::Result<File> {
    regular(path, OpenOptions::new().append(true).create(true))
}

/// As [`append`], for reading as well.
///
/// # Errors
/// As [`open`].
pub(crate) fn read_append(path: &Path) -> io::Result<File> {
    regular(
        path,
        OpenOptions::new().read(true).append(true).create(true),
    )
}

/// Reads the whole text at `path`, of at most `limit` bytes.
///
/// # Errors
/// As [`open`]; and if it is longer, or no UTF-8.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_bytes(path, limit)?).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        io::Error::other(format!("is not UTF-8 text (byte {offset})"))
    })
}

/// Reads all that is at `path`, at most `limit` bytes.
///
/// # Errors
/// As [`open`]; and if it is longer.
pub(crate) fn read_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    // The size that is told may be wrong (in /proc it is 0): what is read is
    // bounded by itself.
    let told = file.metadata()?.len();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    let read = bytes.len() as u64;
    if read > limit {
        let size = told.max(read);
        let text = format!("is too long: {size} bytes; at most {limit} are read");
        return Err(io::Error::other(text));
    }
    Ok(bytes)
}

/// Puts `text` in the place of all that is at `path`: whoever reads finds the
/// old or the new. Gives back the new file, for more at its end.
///
/// # Errors
/// As [`append`], and those of `rename(2)`.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = append(&new)?;
    file.set_len(0)?;
    file.write_all(text)?;
    fs::rename(&new, path)?;
    Ok(file)
}

fn regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Opening alone acts on some devices (a watchdog starts, a tape winds).
    match fs::metadata(path) {
        Ok(data) => refuse_other(data.file_type())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // O_CLOEXEC is always set by Rust's library.
    let file = options
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    refuse_other(file.metadata()?.file_type())?;
    Ok(file)
}

fn refuse_other(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let kind = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something else"
    };
    let text = format!("is {kind}, not a regular file");
    Err(io::Error::new(ErrorKind::InvalidInput, text))
}

/// Opens `/dev/null` for reading, which must be a character device.
///
/// # Errors
/// Those of `open(2)`, and if something else stands there.
pub(crate) fn null() -> io::Result<File> {
    null_as(OpenOptions::new().read(true))
}

/// The same, for writing.
///
/// # Errors
/// As [`null`].
pub(crate) fn sink() -> io::Result<File> {
    null_as(OpenOptions::new().write(true))
}

fn null_as(options: &mut OpenOptions) -> io::Result<File> {
    let path = Path::new("/dev/null");
    let device = |kind: FileType| match kind.is_char_device() {
        true => Ok(()),
        false => Err(io::Error::other("is not a device")),
    };
    device(fs::metadata(path)?.file_type())?;
    let file = options.custom_flags(libc::O_NOCTTY).open(path)?;
    device(file.metadata()?.file_type())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    fn told(result: io::Result<File>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() {
        let folder = std::env::temp_dir().join(format!("herd-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        let made = Command::new("mkfifo").arg(at("fifo")).status().unwrap();
        assert!(made.success());
        let _socket = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        for (path, words) in [
            (at("fifo"), "is a FIFO, not a regular file"),
            (at("socket"), "is a socket, not a regular file"),
            (folder.clone(), "is a folder, not a regular file"),
            ("/dev/zero".into(), "is a device, not a regular file"),
            (at("loop"), "symbolic link"),
        ] {
            for found in [open(&path), append(&path)] {
                let found = told(found);
                assert!(found.contains(words), "{}: {found}", path.display());
            }
        }
        assert!(open(&at("none")).is_err());
        append(&at("new")).unwrap();
        fs::write(at("new"), "12345").unwrap();
        assert_eq!(read_text(&at("new"), 5).unwrap(), "12345");
        let long = read_text(&at("new"), 4).unwrap_err().to_string();
        assert!(long.contains("5 bytes; at most 4"), "{long}");
        assert!(null().is_ok());
        fs::remove_dir_all(folder).unwrap();
    }
}
