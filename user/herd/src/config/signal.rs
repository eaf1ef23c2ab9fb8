//! Signals by name.

use serde::{Deserialize, Serialize};

/// A signal by its Linux number, the same on AArch64 and x86-64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(pub i32);

impl Signal {
    /// Kill, which cannot be caught.
    pub const KILL: Signal = Signal(9);
    /// The usual request to end.
    pub const TERM: Signal = Signal(15);

    /// Goes on, if it was stopped.
    pub const CONT: Signal = Signal(18);

    const NAMES: [(&'static str, i32); 28] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("TRAP", 5),
        ("ABRT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("STKFLT", 16),
        ("CHLD", 17),
        ("CONT", 18),
        ("STOP", 19),
        ("TSTP", 20),
        ("TTIN", 21),
        ("TTOU", 22),
        ("URG", 23),
        ("XCPU", 24),
        ("XFSZ", 25),
        ("WINCH", 28),
        ("PWR", 30),
        ("SYS", 31),
    ];

    /// The name with `SIG` in front, or the number.
    pub fn name(self) -> String {
        match Self::NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => format!("SIG{name}"),
            None => format!("signal {}", self.0),
        }
    }
}

impl Default for Signal {
    fn default() -> Self {
        Signal::TERM
    }
}

impl TryFrom<String> for Signal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, number)| Signal(*number))
            .ok_or_else(|| format!("{text:?} is not a signal; write it like \"TERM\" or \"INT\""))
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        signal.name()
    }
}
