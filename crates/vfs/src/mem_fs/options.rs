//! The options of tmpfs(5), as far as they act here.

use crate::{Errno, PAGE_SIZE, Result};
use paddock_cred::{Cred, IdKind};

/// What mount(2) was told of a filesystem in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most bytes of data.
    pub bytes: u64,
    /// Whether that was said, or is what it is without.
    pub has_size: bool,
    /// The rights of its root.
    pub mode: u32,
    /// Whose that is.
    pub uid: u32,
    /// See `uid`.
    pub gid: u32,
}

impl Options {
    /// Those of `text`, separated by commas, for a machine of `memory` bytes and a caller
    /// who gives ids of its user namespace. Without a size it is half of that. `EINVAL` for
    /// one that is not known.
    pub fn parse(text: &str, memory: u64, caller: &Cred) -> Result<Options> {
        let (uid, gid) = (caller.uid.fs, caller.gid.fs);
        let mut options = Options {
            bytes: memory / 2,
            has_size: false,
            mode: 0o1777,
            uid,
            gid,
        };
        for option in text.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').ok_or(Errno::EINVAL)?;
            options.set(key, value, memory, caller)?;
        }
        Ok(options)
    }

    /// `EINVAL` for an option that [`parse`](Self::parse) would not take.
    pub fn check(key: &str, value: &str, memory: u64, caller: &Cred) -> Result<()> {
        Options::parse("", memory, caller)?.set(key, value, memory, caller)
    }

    fn set(&mut self, key: &str, value: &str, memory: u64, caller: &Cred) -> Result<()> {
        let given = |kind, id| caller.user_namespace.given(kind, id).ok_or(Errno::EINVAL);
        self.has_size |= matches!(key, "size" | "nr_blocks");
        match key {
            "size" => self.bytes = size(value, memory)?,
            "nr_blocks" => {
                let pages = size(value, memory)?;
                self.bytes = pages.saturating_mul(PAGE_SIZE as u64);
            }
            "mode" => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| Errno::EINVAL)?;
                self.mode = mode & 0o7777;
            }
            "uid" => self.uid = given(IdKind::User, number(value)?)?,
            "gid" => self.gid = given(IdKind::Group, number(value)?)?,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}

fn number<T: core::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Errno::EINVAL)
}

/// A number with `k`, `m`, `g` or `%` (of memory) behind it. 0 is no limit.
fn size(text: &str, memory: u64) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let value: u64 = number(digits)?;
    let factor = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        "%" => return Ok((u128::from(memory) * u128::from(value) / 100) as u64),
        _ => return Err(Errno::EINVAL),
    };
    match value.checked_mul(factor).ok_or(Errno::EINVAL)? {
        0 => Ok(u64::MAX),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options> {
        Options::parse(text, 1 << 30, &Cred::user(5, 6))
    }

    #[test]
    fn options_are_those_of_linux() {
        let plain = parse("").unwrap();
        assert_eq!((plain.bytes, plain.mode), (1 << 29, 0o1777));
        assert_eq!((plain.uid, plain.gid), (5, 6));
        let all = parse("size=64k,mode=700,uid=1,gid=2").unwrap();
        assert_eq!(
            (all.bytes, all.mode, all.uid, all.gid),
            (65536, 0o700, 1, 2)
        );
        assert_eq!(parse("size=25%").unwrap().bytes, 1 << 28);
        assert_eq!(parse("nr_blocks=2").unwrap().bytes, 8192);
        assert_eq!(parse("size=0").unwrap().bytes, u64::MAX);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "size",
            "size=",
            "size=k",
            "size=1x",
            "size=99999999999999999999",
            "size=9999999999999g",
            "mode=9",
            "uid=-1",
            "huge=always",
            "no",
        ] {
            assert_eq!(parse(text), Err(Errno::EINVAL), "{text}");
        }
    }
}
