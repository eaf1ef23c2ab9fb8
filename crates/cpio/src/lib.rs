//! cpio archives in the "new ASCII" format (newc), as initial RAM disks have
//! it (cpio(5); Linux's `initramfs buffer format`).
//!
//! An archive is a row of entries: a header of 110 bytes (a magic number and
//! 13 fields of 8 hexadecimal digits), the name with its zero byte, padding to
//! 4 bytes, the data, padding to 4 bytes. An entry named `TRAILER!!!` ends it.
//!
//! The reader is strict: whatever does not look as described is an error, and
//! nothing after it is read. It copies nothing and never sleeps.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::fmt;

const HEADER: usize = 110;
const MAGIC: &[u8] = b"070701";
/// The magic number of archives with checksums, which mean nothing here.
const MAGIC_CHECKSUM: &[u8] = b"070702";
const TRAILER: &[u8] = b"TRAILER!!!";
/// The longest name with its zero byte (`PATH_MAX`).
const NAME_MAX: usize = 4096;

/// Why an archive cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpioError {
    /// No entry begins where one should.
    BadMagic,
    /// A field is not eight hexadecimal digits.
    BadNumber,
    /// A name is empty, too long, or not ended by its only zero byte.
    BadName,
    /// The archive ends in the middle of an entry, or before its trailer.
    Truncated,
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CpioError::BadMagic => "it is not a cpio archive of the newc format",
            CpioError::BadNumber => "a header of the archive is damaged",
            CpioError::BadName => "a name in the archive is damaged",
            CpioError::Truncated => "the archive is cut off",
        })
    }
}

impl core::error::Error for CpioError {}

/// A file, directory, link or node of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its path, as the archive has it: usually relative, never empty.
    pub name: &'a [u8],
    /// The inode number; files with several names share it.
    pub ino: u32,
    /// Type and permission bits, as `st_mode`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The number of names. All but the last one of a file may have no data.
    pub links: u32,
    /// The time of the last change, seconds since 1970.
    pub mtime: u32,
    /// The device that the inode number belongs to: major and minor.
    pub device: (u32, u32),
    /// The device that a device node stands for: major and minor.
    pub rdev: (u32, u32),
    /// The file's data, or the target of a symbolic link.
    pub data: &'a [u8],
}

/// The entries of an archive. After an error there are no more.
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Reads `bytes` from the start. What follows the trailer is ignored.
    pub fn new(bytes: &'a [u8]) -> Self {
        Archive { rest: Some(bytes) }
    }

    fn step(&mut self) -> Result<Option<Entry<'a>>, CpioError> {
        let Some(bytes) = self.rest.take() else {
            return Ok(None);
        };
        let (entry, size) = parse(bytes)?;
        if entry.name == TRAILER {
            return Ok(None);
        }
        // Padding after the very last byte may be missing; the trailer that
        // is looked for there then is, too.
        self.rest = Some(bytes.get(size..).unwrap_or(&[]));
        Ok(Some(entry))
    }
}

impl<'a> Iterator for Archive<'a> {
    type Item = Result<Entry<'a>, CpioError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// The entry at the start of `bytes`, and where the next one begins.
fn parse(bytes: &[u8]) -> Result<(Entry<'_>, usize), CpioError> {
    let header = bytes.get(..HEADER).ok_or(CpioError::Truncated)?;
    let (magic, fields) = header.split_at(MAGIC.len());
    if magic != MAGIC && magic != MAGIC_CHECKSUM {
        return Err(CpioError::BadMagic);
    }
    let field = |index: usize| hex(fields.get(index * 8..index * 8 + 8));
    let name_size = field(11)? as usize;
    let data_size = field(6)? as usize;
    let data_start = padded(HEADER.checked_add(name_size))?;
    let data_end = data_start.checked_add(data_size);
    let entry = Entry {
        name: name(bytes, name_size)?,
        ino: field(0)?,
        mode: field(1)?,
        uid: field(2)?,
        gid: field(3)?,
        links: field(4)?,
        mtime: field(5)?,
        device: (field(7)?, field(8)?),
        rdev: (field(9)?, field(10)?),
        data: data_end
            .and_then(|end| bytes.get(data_start..end))
            .ok_or(CpioError::Truncated)?,
    };
    Ok((entry, padded(data_end)?))
}

fn name(bytes: &[u8], size: usize) -> Result<&[u8], CpioError> {
    if size > NAME_MAX {
        return Err(CpioError::BadName);
    }
    let with_zero = bytes
        .get(HEADER..HEADER + size)
        .ok_or(CpioError::Truncated)?;
    match with_zero.split_last() {
        Some((0, name)) if !name.is_empty() && !name.contains(&0) => Ok(name),
        _ => Err(CpioError::BadName),
    }
}

fn hex(digits: Option<&[u8]>) -> Result<u32, CpioError> {
    let digits = digits.ok_or(CpioError::Truncated)?;
    digits.iter().try_fold(0, |value, &digit| {
        let digit = char::from(digit).to_digit(16).ok_or(CpioError::BadNumber)?;
        Ok(value << 4 | digit)
    })
}

fn padded(size: Option<usize>) -> Result<usize, CpioError> {
    size.and_then(|size| size.checked_next_multiple_of(4))
        .ok_or(CpioError::Truncated)
}

#[cfg(test)]
mod tests;
