//! The limits that can be set, and their names.

/// A limit, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Preemption or interrupts off for longer than this is a warning.
    Warning,
    /// The same for longer than this is a report; so is a step of the main
    /// loop, a thread that gets no CPU and one that never sleeps.
    Report,
    /// A thread that waits for a lock for longer than this is a report.
    Lock,
}

/// The largest limit: a day.
const LARGEST_MS: u64 = 86_400_000;

impl Setting {
    /// All of them, in order.
    pub const ALL: [Setting; 3] = [Setting::Warning, Setting::Report, Setting::Lock];

    /// The value if nobody sets another.
    pub const fn default_ms(self) -> u64 {
        match self {
            Setting::Warning => 100,
            Setting::Report => 5_000,
            Setting::Lock => 10_000,
        }
    }

    /// What it is called on the kernel's command line.
    pub const fn word(self) -> &'static str {
        match self {
            Setting::Warning => "paddock.watchdog_warn_ms",
            Setting::Report => "paddock.watchdog_report_ms",
            Setting::Lock => "paddock.watchdog_lock_ms",
        }
    }

    /// What it is called in `/proc/paddock/watchdog`.
    pub const fn name(self) -> &'static str {
        match self {
            Setting::Warning => "warn_ms",
            Setting::Report => "report_ms",
            Setting::Lock => "lock_ms",
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(self, text: &str) -> Result<u64, &'static str> {
        match text.parse() {
            Ok(value) if (1..=LARGEST_MS).contains(&value) => Ok(value),
            _ => Err("expected milliseconds, from 1 to a day"),
        }
    }

    /// Reads a line such as `report_ms 1000`.
    pub fn parse_line(line: &str) -> Option<(Setting, u64)> {
        let (name, value) = line.trim_ascii().split_once([' ', '='])?;
        let setting = Self::ALL.into_iter().find(|it| it.name() == name)?;
        Some((setting, setting.parse(value.trim_ascii()).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_set_limits() {
        let cases = [
            ("report_ms 1000\n", Some((Setting::Report, 1000))),
            ("warn_ms=5", Some((Setting::Warning, 5))),
            ("lock_ms  7 ", Some((Setting::Lock, 7))),
            ("lock_ms 0", None),
            ("lock_ms -1", None),
            ("lock_ms 86400001", None),
            ("lock_ms", None),
            ("other_ms 1", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(Setting::parse_line(line), expected, "{line:?}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_numbers() {
        for (index, setting) in Setting::ALL.into_iter().enumerate() {
            assert_eq!(setting as usize, index);
        }
    }
}
