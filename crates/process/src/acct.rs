//! Records of process accounting (acct(2), acct(5)): `struct acct_v3`, 64 bytes.

/// How many of these a second has (`AHZ`).
pub const TICKS: u64 = 100;
/// Bytes of a record.
pub const RECORD: usize = 64;
/// The most bytes of a command's name.
const NAME: usize = 16;
/// The version, of a machine whose numbers begin with their lowest byte.
const VERSION: u8 = 3;

bitflags::bitflags! {
    /// What is noted of a process besides.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// It ran no program of its own (`AFORK`).
        const FORK = 1;
        /// It left its memory behind (`ACORE`).
        const CORE = 8;
        /// A signal ended it (`AXSIG`).
        const SIGNAL = 16;
    }
}

/// What is written of a process that has ended.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// See [`Flags`].
    pub flags: Flags,
    /// The device number of its terminal; 0 for none.
    pub terminal: u64,
    /// As wait4(2) tells it.
    pub status: i32,
    /// Its real user and group.
    pub owner: (u32, u32),
    /// Its number, and its parent's.
    pub numbers: (u32, u32),
    /// When it began, in seconds since 1970.
    pub begun: i64,
    /// How long it was there, in nanoseconds.
    pub elapsed_ns: u64,
    /// Nanoseconds in user mode and in the kernel.
    pub used_ns: (u64, u64),
    /// KiB of its address space when it ended.
    pub memory_kib: u64,
    /// Page faults without and with the disk.
    pub faults: (u64, u64),
    /// Its name.
    pub name: &'a [u8],
}

impl Record<'_> {
    /// The bytes of the file.
    pub fn encode(&self) -> [u8; RECORD] {
        let ticks = |nanos: u64| nanos / (1_000_000_000 / TICKS);
        let major = self.terminal >> 8 & 0xfff;
        let terminal = (major << 8 | self.terminal & 0xff) as u16;
        let begun = self.begun.clamp(0, u32::MAX.into()) as u32;
        let mut bytes = [0; RECORD];
        bytes[0] = self.flags.bits();
        bytes[1] = VERSION;
        bytes[2..4].copy_from_slice(&terminal.to_le_bytes());
        let words = [
            self.status as u32,
            self.owner.0,
            self.owner.1,
            self.numbers.0,
            self.numbers.1,
            begun,
            to_float(ticks(self.elapsed_ns)),
        ];
        for (place, word) in bytes[4..32].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        // What was read and written is not counted, and nothing is swapped.
        let counts = [
            to_comp(ticks(self.used_ns.0)),
            to_comp(ticks(self.used_ns.1)),
            to_comp(self.memory_kib),
            0,
            0,
            to_comp(self.faults.0),
            to_comp(self.faults.1),
            0,
        ];
        for (place, count) in bytes[32..48].chunks_exact_mut(2).zip(counts) {
            place.copy_from_slice(&count.to_le_bytes());
        }
        let name = &self.name[..self.name.len().min(NAME - 1)];
        bytes[48..48 + name.len()].copy_from_slice(name);
        bytes
    }
}

/// A `comp_t`: 13 bits, and how often they are to be taken eightfold in three.
fn to_comp(value: u64) -> u16 {
    const BITS: u32 = 13;
    const MOST: u64 = (1 << BITS) - 1;
    let (mut part, mut eights, mut up) = (value, 0u64, false);
    while part > MOST {
        up = part & 4 != 0;
        part >>= 3;
        eights += 1;
    }
    part += u64::from(up);
    if part > MOST {
        part >>= 3;
        eights += 1;
    }
    match eights {
        0..8 => (eights << BITS | part) as u16,
        _ => u16::MAX,
    }
}

/// The bits of a `float` (IEEE 754), without those that have no place.
fn to_float(value: u64) -> u32 {
    const BIAS: u32 = 127;
    if value == 0 {
        return 0;
    }
    let above = value.leading_zeros();
    let fraction = (value << above >> 40) as u32 & 0x7f_ffff;
    (BIAS + 63 - above) << 23 | fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_is_as_the_manual_has_it() {
        let record = Record {
            flags: Flags::FORK | Flags::SIGNAL,
            terminal: 136 << 8 | 3,
            status: 9,
            owner: (1, 2),
            numbers: (3, 4),
            begun: 5,
            elapsed_ns: 2_500_000_000,
            used_ns: (10_000_000, 20_000_000),
            memory_kib: 8192,
            faults: (6, 7),
            name: b"a-name-that-is-too-long",
        };
        let bytes = record.encode();
        assert_eq!(bytes[..4], [0x11, 3, 3, 136]);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([4, 8, 12, 16, 20, 24].map(word), [9, 1, 2, 3, 4, 5]);
        assert_eq!(f32::from_bits(word(28)), 250.0);
        let half = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let counts = [32, 34, 36, 38, 40, 42, 44, 46].map(half);
        assert_eq!(counts, [1, 2, 1 << 13 | 1024, 0, 0, 6, 7, 0]);
        assert_eq!(&bytes[48..], b"a-name-that-is-\0");
    }

    proptest! {
        #[test]
        fn numbers_are_kept_as_far_as_there_are_bits(value in any::<u64>(), less in 0..64u32) {
            let value = value >> less;
            let comp = to_comp(value);
            let (part, eights) = (u128::from(comp & 0x1fff), comp >> 13);
            let read = part << (3 * u32::from(eights));
            if comp != u16::MAX {
                prop_assert!(read.abs_diff(value.into()) <= u128::from(value >> 9));
            }
            let float = f32::from_bits(to_float(value));
            prop_assert!(float <= value as f32 && float >= value as f32 * 0.9999998);
        }
    }
}
