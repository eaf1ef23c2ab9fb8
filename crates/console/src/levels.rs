//! How important a message must be for the console to show it: syslog(2), and `printk` of
//! proc_sys_kernel(5).

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The levels in the order of `/proc/sys/kernel/printk`, from 0 (emergency) to 8. All of
/// them are in one word, so that a change is seen whole. Any context; nothing here blocks.
pub struct ConsoleLevels(AtomicU64);

/// Which byte of the word it is.
const CONSOLE: usize = 0;
const MESSAGE: usize = 1;
const MINIMUM: usize = 2;
/// What the console's was before it was turned off; zero if it was not.
const SAVED: usize = 4;
/// The largest: everything is shown.
pub const MOST: u8 = 8;

impl ConsoleLevels {
    /// The console shows what is more important than `console`; messages that name no level
    /// have 4, and turned off, the console shows emergencies (0).
    pub const fn new(console: u8) -> ConsoleLevels {
        let levels = [console, 4, 1, 7, 0, 0, 0, 0];
        ConsoleLevels(AtomicU64::new(u64::from_le_bytes(levels)))
    }

    fn bytes(&self) -> [u8; 8] {
        self.0.load(Relaxed).to_le_bytes()
    }

    fn change(&self, mut change: impl FnMut(&mut [u8; 8])) {
        self.0.update(Relaxed, Relaxed, |word| {
            let mut bytes = word.to_le_bytes();
            change(&mut bytes);
            u64::from_le_bytes(bytes)
        });
    }

    /// Whether the console shows messages of this severity.
    #[inline]
    pub fn shows(&self, severity: u8) -> bool {
        severity < self.bytes()[CONSOLE]
    }

    /// The severity of a message that names none.
    pub fn of_message(&self) -> u8 {
        self.bytes()[MESSAGE]
    }

    /// The console shows what is more important than `level`, which is at least the
    /// minimum (`SYSLOG_ACTION_CONSOLE_LEVEL`).
    pub fn set(&self, level: u8) {
        self.change(|bytes| {
            bytes[CONSOLE] = level.clamp(bytes[MINIMUM], MOST);
            bytes[SAVED] = 0;
        });
    }

    /// The console shows as little as may be, until [`Self::turn_on`]
    /// (`SYSLOG_ACTION_CONSOLE_OFF`).
    pub fn turn_off(&self) {
        self.change(|bytes| {
            if bytes[SAVED] == 0 {
                bytes[SAVED] = bytes[CONSOLE];
            }
            bytes[CONSOLE] = bytes[MINIMUM];
        });
    }

    /// What it showed before (`SYSLOG_ACTION_CONSOLE_ON`).
    pub fn turn_on(&self) {
        self.change(|bytes| {
            if bytes[SAVED] != 0 {
                bytes[CONSOLE] = core::mem::take(&mut bytes[SAVED]);
            }
        });
    }

    /// The console's level, that of messages without one, the least that the console's can
    /// be set to, and the console's default, which nothing here reads.
    pub fn all(&self) -> [u8; 4] {
        let [console, message, minimum, default, ..] = self.bytes();
        [console, message, minimum, default]
    }

    /// Sets the first ones of those.
    pub fn set_all(&self, levels: &[u8]) {
        self.change(|bytes| {
            for (byte, level) in bytes[..4].iter_mut().zip(levels) {
                *byte = *level;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_is_more_important() {
        let levels = ConsoleLevels::new(7);
        assert!(levels.shows(6) && !levels.shows(7));
        levels.set(4);
        assert!(levels.shows(3) && !levels.shows(4));
        levels.set(0);
        assert!(levels.shows(0) && !levels.shows(1));
    }

    #[test]
    fn off_and_on() {
        let levels = ConsoleLevels::new(7);
        levels.turn_on();
        assert_eq!(levels.all(), [7, 4, 1, 7]);
        levels.turn_off();
        levels.turn_off();
        assert_eq!(levels.all(), [1, 4, 1, 7]);
        levels.turn_on();
        assert_eq!(levels.all(), [7, 4, 1, 7]);
        levels.turn_off();
        levels.set(3);
        levels.turn_on();
        assert_eq!(levels.all(), [3, 4, 1, 7]);
        levels.set_all(&[8, 5]);
        assert_eq!((levels.all(), levels.of_message()), ([8, 5, 1, 7], 5));
    }
}
