//! Times and sizes with a unit behind the number.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// A length of time in milliseconds. Written as a number of milliseconds or
/// as text with a unit: `"250ms"`, `"5s"`, `"2m"`, `"1h"`. At most 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Millis(pub u64);

impl From<Millis> for String {
    fn from(time: Millis) -> Self {
        format!("{}ms", time.0)
    }
}

/// A number of bytes. Written as a number or with a unit of 1024: `"64K"`,
/// `"1M"`. From 16K to 1G.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Size(pub u64);

type Units = &'static [(&'static str, u64)];

const TIMES: Units = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const SIZES: Units = &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
const DAY: u64 = 24 * 3_600_000;

fn number(text: &str, units: Units) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (value, unit) = text.split_at(digits);
    let value: u64 = value.parse().ok()?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(value);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    value.checked_mul(*factor)
}

impl Millis {
    /// Reads text with one of the units.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Millis::checked(number(text.trim(), TIMES), &format!("{text:?}"))
    }

    fn checked(value: Option<u64>, shown: &str) -> Result<Self, String> {
        match value {
            Some(value) if value <= DAY => Ok(Millis(value)),
            _ => Err(format!(
                "{shown} is not a time up to 24 hours; write it like \"250ms\", \"5s\" or \"2m\""
            )),
        }
    }
}

impl Size {
    fn checked(value: Option<u64>, shown: &str) -> Result<Self, String> {
        match value {
            Some(value) if (16 << 10..=1 << 30).contains(&value) => Ok(Size(value)),
            _ => Err(format!(
                "{shown} is not a size from 16K to 1G; write it like \"64K\" or \"1M\""
            )),
        }
    }
}

/// Reads a whole number or text with one of the units.
struct Reader(Units);

impl Visitor<'_> for Reader {
    type Value = (Option<u64>, String);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or text with a unit")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok((value.try_into().ok(), value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok((Some(value), value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok((number(value.trim(), self.0), format!("{value:?}")))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, shown) = deserializer.deserialize_any(Reader(TIMES))?;
        Millis::checked(value, &shown).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, shown) = deserializer.deserialize_any(Reader(SIZES))?;
        Size::checked(value, &shown).map_err(de::Error::custom)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms < 1_000 => write!(f, "{ms} ms"),
            ms if ms % 1_000 == 0 => write!(f, "{} s", ms / 1_000),
            ms => write!(f, "{}.{:03} s", ms / 1_000, ms % 1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(number("250ms", TIMES), Some(250));
        assert_eq!(number("5 s", TIMES), Some(5_000));
        assert_eq!(number("7", TIMES), Some(7));
        assert_eq!(number("2M", SIZES), Some(2 << 20));
        for bad in ["", "s", "-1s", "1.5s", "1x", "99999999999999999999s"] {
            assert_eq!(number(bad, TIMES), None, "{bad}");
        }
        assert_eq!(number("18446744073709551615h", TIMES), None);
    }

    #[test]
    fn times_are_shown() {
        assert_eq!(Millis(100).to_string(), "100 ms");
        assert_eq!(Millis(2_000).to_string(), "2 s");
        assert_eq!(Millis(1_500).to_string(), "1.500 s");
    }
}
