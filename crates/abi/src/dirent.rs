//! `struct linux_dirent64` of getdents64(2).

/// `d_type` of something unknown.
pub const DT_UNKNOWN: u8 = 0;
/// `d_type` of a fifo.
pub const DT_FIFO: u8 = 1;
/// `d_type` of a character device.
pub const DT_CHR: u8 = 2;
/// `d_type` of a directory.
pub const DT_DIR: u8 = 4;
/// `d_type` of a block device.
pub const DT_BLK: u8 = 6;
/// `d_type` of a regular file.
pub const DT_REG: u8 = 8;
/// `d_type` of a symbolic link.
pub const DT_LNK: u8 = 10;
/// `d_type` of a socket.
pub const DT_SOCK: u8 = 12;

const HEADER: usize = 19;

/// The length of an entry with a name of `name_len` bytes: header, name and
/// zero byte, rounded up to 8.
pub const fn record_len(name_len: usize) -> usize {
    (HEADER + name_len + 1).next_multiple_of(8)
}

/// Writes one entry at the start of `buf`; its length, or `None` (and nothing
/// written) if it does not fit.
pub fn put_dirent64(buf: &mut [u8], ino: u64, next: u64, kind: u8, name: &[u8]) -> Option<usize> {
    let len = record_len(name.len());
    let record_len = u16::try_from(len).ok()?;
    let record = buf.get_mut(..len)?;
    record.fill(0);
    record[0..8].copy_from_slice(&ino.to_le_bytes());
    record[8..16].copy_from_slice(&next.to_le_bytes());
    record[16..18].copy_from_slice(&record_len.to_le_bytes());
    record[18] = kind;
    record[HEADER..HEADER + name.len()].copy_from_slice(name);
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_padded_and_bounded() {
        let mut buf = [0xff; 64];
        assert_eq!(put_dirent64(&mut buf, 7, 9, DT_REG, b"abcd"), Some(24));
        assert_eq!(&buf[19..24], b"abcd\0");
        assert_eq!(put_dirent64(&mut buf[..23], 7, 9, DT_REG, b"abcd"), None);
    }
}
