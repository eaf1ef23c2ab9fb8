//! The log ring: the last messages, each with time and severity.
//!
//! Records have numbers that never repeat. A reader's [`Cursor`] keeps the
//! number of the next one it wants, and the numbers it gets tell it how many
//! it has missed.

/// Length (2), severity (1), time (8).
const HEADER: usize = 11;
/// Bytes of a message that are kept.
const MAX_TEXT: usize = 1024;

/// `N` bytes of messages, headers included; the oldest make room for new
/// ones.
#[derive(Debug)]
pub struct LogRing<const N: usize> {
    bytes: [u8; N],
    /// Where the oldest record begins and the next one goes, as counts of
    /// bytes ever written.
    tail: u64,
    head: u64,
    /// Numbers of the oldest record and of the next one.
    oldest: u64,
    next: u64,
}

/// A reader's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    sequence: u64,
    /// Where that record begins; only of use while it is kept.
    position: u64,
}

impl Cursor {
    /// The number of the message that is read next, if it is still kept.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// One message of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number; the first of all is 0.
    pub sequence: u64,
    /// Nanoseconds since boot.
    pub time: u64,
    /// Severity by syslog(2)'s numbers: 3 error, 4 warning, 6 info, 7 debug.
    pub severity: u8,
    /// Bytes of text, of which the reader's buffer may hold fewer.
    pub length: usize,
}

impl<const N: usize> LogRing<N> {
    const LARGE_ENOUGH: () = assert!(N >= HEADER + MAX_TEXT && N.is_power_of_two());

    /// An empty ring.
    pub const fn new() -> Self {
        let () = Self::LARGE_ENOUGH;
        LogRing {
            bytes: [0; N],
            tail: 0,
            head: 0,
            oldest: 0,
            next: 0,
        }
    }

    /// Adds a message, without line ends, cut off after 1 KiB.
    pub fn append(&mut self, severity: u8, time: u64, text: &[u8]) {
        let text = text.trim_ascii_end();
        let text = text.get(..MAX_TEXT).unwrap_or(text);
        while (self.head - self.tail) as usize + HEADER + text.len() > N {
            self.tail += self.size_at(self.tail);
            self.oldest += 1;
        }
        self.put(&(text.len() as u16).to_le_bytes());
        self.put(&[severity]);
        self.put(&time.to_le_bytes());
        self.put(text);
        self.next += 1;
    }

    /// A place before the oldest message that is kept.
    pub fn oldest(&self) -> Cursor {
        Cursor {
            sequence: self.oldest,
            position: self.tail,
        }
    }

    /// A place after the newest message.
    pub fn newest(&self) -> Cursor {
        Cursor {
            sequence: self.next,
            position: self.head,
        }
    }

    /// Whether there is a message after this place.
    pub fn has_more(&self, cursor: &Cursor) -> bool {
        cursor.sequence < self.next
    }

    /// Copies the message at the cursor into `text`, as much as fits, and
    /// moves on. A place whose message is gone becomes the oldest. `None` if
    /// there is no message yet.
    pub fn read(&self, cursor: &mut Cursor, text: &mut [u8]) -> Option<Record> {
        if cursor.sequence < self.oldest {
            *cursor = self.oldest();
        }
        if !self.has_more(cursor) {
            return None;
        }
        let start = cursor.position;
        let [severity] = self.get(start + 2);
        let record = Record {
            sequence: cursor.sequence,
            time: u64::from_le_bytes(self.get(start + 3)),
            severity,
            length: self.length_at(start),
        };
        let stored = (start + HEADER as u64..).take(record.length);
        for (to, position) in text.iter_mut().zip(stored) {
            *to = self.at(position);
        }
        cursor.sequence += 1;
        cursor.position += self.size_at(start);
        Some(record)
    }

    fn at(&self, position: u64) -> u8 {
        self.bytes[position as usize % N]
    }

    fn get<const M: usize>(&self, position: u64) -> [u8; M] {
        core::array::from_fn(|index| self.at(position + index as u64))
    }

    fn put(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.bytes[self.head as usize % N] = byte;
            self.head += 1;
        }
    }

    fn length_at(&self, position: u64) -> usize {
        usize::from(u16::from_le_bytes(self.get(position)))
    }

    fn size_at(&self, position: u64) -> u64 {
        (HEADER + self.length_at(position)) as u64
    }
}

impl<const N: usize> Default for LogRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64) -> String {
        format!("{}: message {number}", "x".repeat(number as usize % 97))
    }

    fn read_all(ring: &LogRing<2048>, cursor: &mut Cursor) -> Vec<(Record, String)> {
        let mut text = [0; 256];
        core::iter::from_fn(|| {
            let record = ring.read(cursor, &mut text)?;
            let shown = text[..record.length].to_vec();
            Some((record, String::from_utf8(shown).unwrap()))
        })
        .collect()
    }

    #[test]
    fn messages_come_back_in_order() {
        let mut ring = LogRing::<2048>::new();
        ring.append(6, 10, b"first\n");
        ring.append(3, 20, b"");
        let mut cursor = ring.oldest();
        let all = read_all(&ring, &mut cursor);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].1, "first");
        let record = Record {
            sequence: 1,
            time: 20,
            severity: 3,
            length: 0,
        };
        assert_eq!(all[1].0, record);
        assert!(!ring.has_more(&cursor));
        ring.append(7, 30, b"third");
        assert!(ring.has_more(&cursor));
        assert_eq!(read_all(&ring, &mut cursor)[0].1, "third");
    }

    #[test]
    fn the_oldest_make_room_and_the_numbers_tell() {
        let mut ring = LogRing::<2048>::new();
        let mut slow = ring.oldest();
        let mut fast = ring.newest();
        for number in 0..10_000 {
            ring.append(6, number, message(number).as_bytes());
            let [(record, text)] = &read_all(&ring, &mut fast)[..] else {
                panic!("not one message");
            };
            assert_eq!((record.sequence, record.time), (number, number));
            assert_eq!(*text, message(number));
        }
        let kept = read_all(&ring, &mut slow);
        assert!(kept.len() > 10);
        assert_eq!(kept[0].0.sequence, 10_000 - kept.len() as u64);
        for (record, text) in kept {
            assert_eq!(text, message(record.sequence));
        }
        assert_eq!(slow, ring.newest());
    }

    #[test]
    fn long_messages_are_cut_and_small_buffers_get_what_fits() {
        let mut ring = LogRing::<2048>::new();
        ring.append(6, 0, &[b'a'; 5000]);
        let mut text = [0; 4];
        let record = ring.read(&mut ring.oldest(), &mut text).unwrap();
        assert_eq!((record.length, text), (MAX_TEXT, *b"aaaa"));
    }
}
