//! The data types of RFC 4251, section 5: reading without copying, and writing.

use alloc::vec::Vec;

/// The bytes end before the value does, or hold what the type forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Takes values off the front of a message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes exactly `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes a fixed number of bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    /// A `byte`.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A `boolean`: anything but zero is true.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        self.u8().map(|byte| byte != 0)
    }

    /// A `uint32`.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A `string` of bytes.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| Malformed)?)
    }

    /// A `string` that must be UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        core::str::from_utf8(self.string()?).map_err(|_| Malformed)
    }

    /// A `name-list`, undivided. Names are printable ASCII.
    pub fn names(&mut self) -> Result<&'a str, Malformed> {
        let list = self.text()?;
        match list.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            true => Ok(list),
            false => Err(Malformed),
        }
    }

    /// Insists that nothing is left.
    pub fn end(&self) -> Result<(), Malformed> {
        match self.rest {
            [] => Ok(()),
            _ => Err(Malformed),
        }
    }
}

/// Appends values to a message.
pub trait Put {
    /// A `byte`.
    fn put_u8(&mut self, value: u8);
    /// A `boolean`.
    fn put_bool(&mut self, value: bool);
    /// A `uint32`.
    fn put_u32(&mut self, value: u32);
    /// Bytes without a length.
    fn put_bytes(&mut self, bytes: &[u8]);
    /// A `string`. The caller keeps it shorter than 4 GiB.
    fn put_string(&mut self, bytes: &[u8]);
    /// An `mpint` from an unsigned big-endian number.
    fn put_mpint(&mut self, magnitude: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_bool(&mut self, value: bool) {
        self.push(u8::from(value));
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_string(&mut self, bytes: &[u8]) {
        self.put_u32(bytes.len() as u32);
        self.extend_from_slice(bytes);
    }

    fn put_mpint(&mut self, magnitude: &[u8]) {
        let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
        let digits = &magnitude[zeros..];
        // A set top bit would read as a negative number.
        let sign = digits.first().is_some_and(|byte| byte & 0x80 != 0);
        self.put_u32((digits.len() + usize::from(sign)) as u32);
        if sign {
            self.push(0);
        }
        self.extend_from_slice(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4251, section 5.
    #[test]
    fn mpint_examples() {
        let encode = |bytes: &[u8]| {
            let mut out = Vec::new();
            out.put_mpint(bytes);
            out
        };
        assert_eq!(encode(&[]), [0, 0, 0, 0]);
        assert_eq!(encode(&[0, 0]), [0, 0, 0, 0]);
        assert_eq!(encode(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(encode(&[0, 9, 0xa3]), [0, 0, 0, 2, 9, 0xa3]);
    }

    #[test]
    fn a_string_longer_than_its_message_is_malformed() {
        assert_eq!(Reader::new(&[0, 0, 0, 5, 1]).string(), Err(Malformed));
        assert_eq!(Reader::new(&[255, 255, 255, 255]).string(), Err(Malformed));
        assert_eq!(Reader::new(&[0, 0]).u32(), Err(Malformed));
    }
}
