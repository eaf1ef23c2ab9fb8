//! What a CPU can do, as programs are told (Linux's Documentation/arch/arm64/
//! elf_hwcaps.rst): `AT_HWCAP`, and the words of `/proc/cpuinfo`.
//!
//! Told is what needs nothing of the kernel but the registers that it keeps for every
//! thread.

/// The registers that identify what a CPU can do (Arm ARM, D23.2).
#[derive(Clone, Copy, Debug)]
pub struct Identification {
    /// ID_AA64ISAR0_EL1.
    pub isar0: u64,
    /// ID_AA64ISAR1_EL1.
    pub isar1: u64,
    /// ID_AA64PFR0_EL1.
    pub pfr0: u64,
}

#[derive(Clone, Copy)]
enum Register {
    Isar0,
    Isar1,
    Pfr0,
}

/// A feature: its bit, its word, and of which register's four bits from where on it needs
/// at least what value.
type Feature = (u32, &'static str, Register, u32, u64);

/// Those that depend on the CPU, by their bits.
const FEATURES: [Feature; 21] = [
    (3, "aes", Register::Isar0, 4, 1),
    (4, "pmull", Register::Isar0, 4, 2),
    (5, "sha1", Register::Isar0, 8, 1),
    (6, "sha2", Register::Isar0, 12, 1),
    (7, "crc32", Register::Isar0, 16, 1),
    (8, "atomics", Register::Isar0, 20, 2),
    (9, "fphp", Register::Pfr0, 16, 1),
    (10, "asimdhp", Register::Pfr0, 20, 1),
    (12, "asimdrdm", Register::Isar0, 28, 1),
    (13, "jscvt", Register::Isar1, 12, 1),
    (14, "fcma", Register::Isar1, 16, 1),
    (15, "lrcpc", Register::Isar1, 20, 1),
    (17, "sha3", Register::Isar0, 32, 1),
    (18, "sm3", Register::Isar0, 36, 1),
    (19, "sm4", Register::Isar0, 40, 1),
    (20, "asimddp", Register::Isar0, 44, 1),
    (21, "sha512", Register::Isar0, 12, 2),
    (23, "asimdfhm", Register::Isar0, 48, 1),
    (26, "ilrcpc", Register::Isar1, 20, 2),
    (27, "flagm", Register::Isar0, 52, 1),
    (29, "sb", Register::Isar1, 36, 1),
];

/// Floating point and Advanced SIMD, which every CPU has that Linux runs on.
const ALWAYS: [(u32, &str); 2] = [(0, "fp"), (1, "asimd")];

/// The bits of `AT_HWCAP`.
pub fn hwcap(id: Identification) -> u64 {
    let has = |&(_, _, register, at, least): &Feature| {
        let register = match register {
            Register::Isar0 => id.isar0,
            Register::Isar1 => id.isar1,
            Register::Pfr0 => id.pfr0,
        };
        // In the last, a signed field, all ones are nothing at all.
        let value = register >> at & 0xf;
        value >= least && value != 0xf
    };
    let features = FEATURES.iter().filter(|feature| has(feature));
    let bits = features.map(|feature| feature.0);
    let always = ALWAYS.iter().map(|always| always.0);
    always.chain(bits).fold(0, |all, bit| all | 1 << bit)
}

/// The words for the bits of `AT_HWCAP`.
pub fn words(hwcap: u64) -> impl Iterator<Item = &'static str> {
    let features = FEATURES.iter().map(|feature| (feature.0, feature.1));
    let all = ALWAYS.into_iter().chain(features);
    all.filter(move |(bit, _)| hwcap & 1 << bit != 0)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn told(id: Identification) -> Vec<&'static str> {
        words(hwcap(id)).collect()
    }

    #[test]
    fn a_cortex_a72_has_what_linux_says() {
        let id = Identification {
            isar0: 0x1_1120,
            isar1: 0,
            pfr0: 0x2222,
        };
        assert_eq!(hwcap(id), 0b1111_1011);
        let expected = ["fp", "asimd", "aes", "pmull", "sha1", "sha2", "crc32"];
        assert_eq!(told(id), expected);
    }

    #[test]
    fn a_newer_one_has_more() {
        let id = Identification {
            isar0: 0x0021_1000_1021_2120,
            isar1: 0x0020_0000_0021_1000,
            pfr0: 0x0011_2222,
        };
        let all = told(id);
        for word in ["atomics", "asimdrdm", "sha512", "fphp", "asimdhp", "jscvt"] {
            assert!(all.contains(&word), "{word} of {all:?}");
        }
    }

    #[test]
    fn without_floating_point_there_is_no_half_precision() {
        let id = Identification {
            isar0: 0,
            isar1: 0,
            pfr0: 0x00ff_0022,
        };
        assert_eq!(told(id), ["fp", "asimd"]);
    }

    #[test]
    fn every_bit_has_one_word_and_its_place() {
        let bits: Vec<u32> = FEATURES.iter().map(|feature| feature.0).collect();
        assert!(bits.is_sorted_by(|a, b| a < b));
    }
}
