//! What ioctl(2) tells and sets of loop devices: `struct loop_info64` and its old form.

use crate::{Errno, IoctlArg, Result};

/// Nothing can be written (`LO_FLAGS_READ_ONLY`).
pub const READ_ONLY: u32 = 1;
/// The file is let go of with the last user (`LO_FLAGS_AUTOCLEAR`).
pub const AUTOCLEAR: u32 = 4;
/// Those that one can set, of which there is one.
const SETTABLE: u32 = AUTOCLEAR;

/// Bytes of `struct loop_info64`.
pub const INFO64: usize = 232;
/// Bytes of `struct loop_info`.
pub const INFO: usize = 160;
const NAME: usize = 64;

/// What is set, as far as it means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Where in the file the device begins.
    pub offset: u64,
    /// How long it is at most; 0 for as long as the file.
    pub size_limit: u64,
    /// `LO_FLAGS_*`.
    pub flags: u32,
    /// What whoever attached the file calls it.
    pub name: [u8; NAME],
}

impl Default for Info {
    fn default() -> Info {
        Info {
            offset: 0,
            size_limit: 0,
            flags: 0,
            name: [0; NAME],
        }
    }
}

/// What a device has besides: its number, and the device and inode of its file.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    pub number: u32,
    pub device: u64,
    pub inode: u64,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

impl Info {
    /// Of a `struct loop_info64`. `EINVAL` for something that is encrypted, or begins at
    /// no offset.
    pub fn from_info64(bytes: &[u8; INFO64]) -> Result<Info> {
        const ENCRYPTION: usize = 44;
        let (offset, size_limit) = (long(bytes, 24), long(bytes, 32));
        if word(bytes, ENCRYPTION) != 0 {
            return Err(Errno::EINVAL);
        }
        if i64::try_from(offset).is_err() || i64::try_from(size_limit).is_err() {
            return Err(Errno::EOVERFLOW);
        }
        let mut info = Info {
            offset,
            size_limit,
            flags: word(bytes, 52),
            ..Info::default()
        };
        info.name[..NAME - 1].copy_from_slice(&bytes[56..56 + NAME - 1]);
        Ok(info)
    }

    /// The same of a `struct loop_info`.
    pub fn from_info(bytes: &[u8; INFO]) -> Result<Info> {
        if word(bytes, 24) != 0 {
            return Err(Errno::EINVAL);
        }
        let offset = i32::try_from(word(bytes, 20)).map_err(|_| Errno::EOVERFLOW)?;
        let mut info = Info {
            offset: offset as u64,
            flags: word(bytes, 32),
            ..Info::default()
        };
        info.name[..NAME - 1].copy_from_slice(&bytes[36..36 + NAME - 1]);
        Ok(info)
    }

    /// A `struct loop_info64`.
    pub fn to_info64(&self, about: About) -> [u8; INFO64] {
        let mut bytes = [0; INFO64];
        put(&mut bytes, 0, &about.device.to_le_bytes());
        put(&mut bytes, 8, &about.inode.to_le_bytes());
        put(&mut bytes, 24, &self.offset.to_le_bytes());
        put(&mut bytes, 32, &self.size_limit.to_le_bytes());
        put(&mut bytes, 40, &about.number.to_le_bytes());
        put(&mut bytes, 52, &self.flags.to_le_bytes());
        put(&mut bytes, 56, &self.name);
        bytes
    }

    /// A `struct loop_info`. `EOVERFLOW` for what has no place there.
    pub fn to_info(&self, about: About) -> Result<[u8; INFO]> {
        let device = u32::try_from(about.device).map_err(|_| Errno::EOVERFLOW)?;
        let offset = i32::try_from(self.offset).map_err(|_| Errno::EOVERFLOW)?;
        let mut bytes = [0; INFO];
        put(&mut bytes, 0, &about.number.to_le_bytes());
        put(&mut bytes, 4, &device.to_le_bytes());
        put(&mut bytes, 8, &about.inode.to_le_bytes());
        put(&mut bytes, 20, &offset.to_le_bytes());
        put(&mut bytes, 32, &self.flags.to_le_bytes());
        put(&mut bytes, 36, &self.name);
        Ok(bytes)
    }

    /// What is wanted, in place of this.
    pub fn changed(&self, wanted: Info) -> Info {
        Info {
            flags: self.flags & !SETTABLE | wanted.flags & SETTABLE,
            ..wanted
        }
    }
}

/// A structure of the caller's memory, from an offset on.
pub fn read<const N: usize>(arg: &dyn IoctlArg, offset: usize) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    arg.read(offset, &mut bytes)?;
    Ok(bytes)
}
