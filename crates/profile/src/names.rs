//! Names of programs and files, each kept once.

use alloc::string::String;
use alloc::vec::Vec;

/// The most names that are kept.
const MAX_NAMES: usize = 1024;
/// The most bytes of one.
const MAX_LENGTH: usize = 256;

/// A name that a [`Profile`](crate::Profile) keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub(crate) u16);

impl Name {
    /// Stands for every name for which there was no room.
    pub const UNKNOWN: Name = Name(u16::MAX);
}

#[derive(Debug, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// The name's number; [`Name::UNKNOWN`] for one too many.
    pub fn of(&mut self, name: &str) -> Name {
        if let Some(at) = self.0.iter().position(|kept| kept == name) {
            return Name(at as u16);
        }
        self.add(name).unwrap_or(Name::UNKNOWN)
    }

    fn add(&mut self, name: &str) -> Option<Name> {
        if self.0.len() == MAX_NAMES || name.len() > MAX_LENGTH {
            return None;
        }
        let mut kept = String::new();
        kept.try_reserve_exact(name.len()).ok()?;
        kept.push_str(name);
        self.0.try_reserve(1).ok()?;
        self.0.push(kept);
        Some(Name(self.0.len() as u16 - 1))
    }

    pub fn get(&self, name: Name) -> &str {
        self.0
            .get(usize::from(name.0))
            .map_or("[unknown]", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_too_many_are_unknown() {
        let mut names = Names::default();
        let first = names.of("sh");
        for index in 1..MAX_NAMES {
            names.of(&std::format!("{index}"));
        }
        assert_eq!(names.of("sh"), first);
        assert_eq!(names.of("one too many"), Name::UNKNOWN);
        assert_eq!(names.get(first), "sh");
        assert_eq!(names.get(Name::UNKNOWN), "[unknown]");
    }
}
