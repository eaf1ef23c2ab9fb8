//! Nice values and policies (sched(7)): who is nicer has shorter slices.

/// What a nice value is worth: a tenth more CPU time, or less, for each step
/// between two threads, as on Linux. From -20 on, in 1,024ths of nice 0.
const WEIGHTS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15,
];

/// What a thread of the policy `SCHED_IDLE` is worth beside those: less than the nicest.
const IDLE_WEIGHT: u64 = 3;

/// The most that a slice is longer than an ordinary one: its peers wait for it.
const LONGEST: u64 = 8;

/// The slice of a thread with that nice value, where one of 0 has `ordinary`
/// nanoseconds. Peers that all want to run share the CPU in the ratio of their
/// slices.
pub fn slice(ordinary: u64, nice: i32) -> u64 {
    let at = (nice.clamp(-20, 19) + 20) as usize;
    let slice = ordinary.saturating_mul(u64::from(WEIGHTS[at])) / 1024;
    slice.clamp(1, ordinary.saturating_mul(LONGEST))
}

/// That of a thread that only wants what others leave (`SCHED_IDLE`).
pub fn idle_slice(ordinary: u64) -> u64 {
    (ordinary.saturating_mul(IDLE_WEIGHT) / 1024).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicer_threads_have_shorter_slices() {
        assert_eq!(slice(10_000_000, 0), 10_000_000);
        assert_eq!(slice(10_000_000, 19), 146_484);
        assert_eq!(slice(10_000_000, -20), 80_000_000);
        assert!(idle_slice(10_000_000) < slice(10_000_000, 19));
        assert_eq!(idle_slice(0), 1);
        let all = (-20..20).map(|nice| slice(10_000_000, nice));
        assert!(all.is_sorted_by(|nicer, less| nicer >= less));
    }
}
