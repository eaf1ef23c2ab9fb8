//! A thread's name, to be read at any time without a lock.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Bytes of a name that are kept: as many as Linux keeps (`TASK_COMM_LEN`
/// less its end).
const CAPACITY: usize = 15;

/// A short text that one thread writes and anyone reads meanwhile: a reader
/// may see a mixture of two names, but always a text.
#[derive(Debug)]
pub struct Name {
    bytes: [AtomicU8; CAPACITY],
}

impl Name {
    /// No name.
    pub const fn empty() -> Self {
        Name {
            bytes: [const { AtomicU8::new(0) }; CAPACITY],
        }
    }

    /// The beginning of `text`, up to a zero byte.
    pub fn new(text: &str) -> Self {
        let name = Self::empty();
        name.set(text);
        name
    }

    /// Replaces the name.
    pub fn set(&self, text: &str) {
        let text = text.split('\0').next().unwrap_or_default();
        let text = &text[..text.floor_char_boundary(CAPACITY)];
        for (index, to) in self.bytes.iter().enumerate() {
            to.store(text.as_bytes().get(index).copied().unwrap_or(0), Relaxed);
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; CAPACITY];
        for (to, from) in bytes.iter_mut().zip(&self.bytes) {
            *to = from.load(Relaxed);
        }
        let end = bytes.iter().position(|&byte| byte == 0);
        for chunk in bytes[..end.unwrap_or(CAPACITY)].utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("?")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_up_to_its_length() {
        assert_eq!(Name::new("herd").to_string(), "herd");
        assert_eq!(Name::new("").to_string(), "");
        assert_eq!(
            Name::new("123456789012345678").to_string(),
            "123456789012345"
        );
        assert_eq!(Name::new("ääääääää").to_string(), "äääääää");
        assert_eq!(Name::new("a\0b").to_string(), "a");
    }

    #[test]
    fn a_shorter_name_leaves_nothing_of_the_longer_one() {
        let name = Name::new("long name");
        name.set("x");
        assert_eq!(name.to_string(), "x");
    }

    #[test]
    fn what_is_no_text_is_marked() {
        let name = Name::new("abc");
        name.bytes[1].store(0xff, Relaxed);
        assert_eq!(name.to_string(), "a?c");
    }
}
