//! getauxval(3), AT_HWCAP: what the CPU can do is told, as in /proc/cpuinfo.
use crate::cases::contracts::prelude::*;

/// Words of /proc/cpuinfo and their bits.
const KNOWN: [(&str, u32); 8] = [
    ("fp", 0),
    ("asimd", 1),
    ("aes", 3),
    ("pmull", 4),
    ("sha1", 5),
    ("sha2", 6),
    ("crc32", 7),
    ("atomics", 8),
];
/// The part of a Cortex-A72, which has all but the last.
const CORTEX_A72: &str = "0xd08";

pub fn run(t: &mut Report) -> Outcome {
    let told = text("/proc/cpuinfo");
    let value = |name: &str| {
        let line = told.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(": "));
        value.map_or("", |(_, value)| value)
    };
    if !cfg!(target_arch = "aarch64") {
        return Ok(());
    }
    // SAFETY: takes no memory.
    let bits = unsafe { libc::getauxval(libc::AT_HWCAP) };
    let words: Vec<_> = value("Features").split(' ').collect();
    for (word, bit) in KNOWN {
        let is_told = words.contains(&word);
        t.same(word, bits & 1 << bit != 0, is_told);
        let is_there = value("CPU part") != CORTEX_A72 || word == "atomics" || is_told;
        t.check("told if it is there", is_there);
    }
    Ok(())
}
