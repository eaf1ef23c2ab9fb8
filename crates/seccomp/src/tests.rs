//! Programs that are refused and run, and properties of all of them.

use super::*;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::Errno;
use proptest::prelude::*;
use std::vec;

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

const DATA: CallData = CallData {
    number: 63,
    arch: AUDIT_ARCH_AARCH64,
    pc: 0x0000_0012_3456_7890,
    arguments: [1, 2, 0xdead_beef_0000_0003, 4, 5, 6],
};

fn run(program: &[(u16, u8, u8, u32)]) -> Result<u32, Errno> {
    let all = program
        .iter()
        .map(|&(code, jt, jf, k)| instruction(code, jt, jf, k))
        .collect();
    Program::new(all).map(|program| program.run(&DATA))
}

#[test]
fn words_of_the_call_are_read() {
    for (offset, word) in [
        (0, 63),
        (4, AUDIT_ARCH_AARCH64),
        (8, 0x3456_7890),
        (12, 0x12),
        (16, 1),
        (32, 3),
        (36, 0xdead_beef),
        (60, 0),
    ] {
        assert_eq!(run(&[(0x20, 0, 0, offset), (0x16, 0, 0, 0)]), Ok(word));
    }
    for offset in [1, 2, 62, 64, 68, 0xffff_f000, u32::MAX] {
        let program = [(0x20, 0, 0, offset), (0x16, 0, 0, 0)];
        assert_eq!(run(&program), Err(Errno::EINVAL));
    }
    assert_eq!(run(&[(0x80, 0, 0, 0), (0x16, 0, 0, 0)]), Ok(64));
    assert_eq!(
        run(&[(0x81, 0, 0, 0), (0x87, 0, 0, 0), (0x16, 0, 0, 0)]),
        Ok(64)
    );
}

#[test]
fn calculations() {
    // (operation, left, right, result)
    for (operation, left, right, result) in [
        (0x00, u32::MAX, 2, 1),
        (0x10, 1, 2, u32::MAX),
        (0x20, 0x1_0001, 0x1_0000, 0x1_0000),
        (0x30, 7, 2, 3),
        (0x40, 5, 2, 7),
        (0x50, 6, 3, 2),
        (0x60, 3, 31, 0x8000_0000),
        (0x70, 0x8000_0000, 31, 1),
        (0xa0, 6, 3, 5),
    ] {
        let with_k = [
            (0, 0, 0, left),
            (4 | operation, 0, 0, right),
            (0x16, 0, 0, 0),
        ];
        assert_eq!(run(&with_k), Ok(result), "{operation:#x}");
        let with_x = [
            (0, 0, 0, left),
            (1, 0, 0, right),
            (0x0c | operation, 0, 0, 0),
            (0x16, 0, 0, 0),
        ];
        assert_eq!(run(&with_x), Ok(result), "{operation:#x}");
    }
    assert_eq!(
        run(&[(0, 0, 0, 5), (0x84, 0, 0, 0), (0x16, 0, 0, 0)]),
        Ok(5u32.wrapping_neg())
    );
    // A division by zero kills; by a constant one it is refused.
    let divides = [(0, 0, 0, 5), (1, 0, 0, 0), (0x3c, 0, 0, 0), (0x06, 0, 0, 9)];
    assert_eq!(run(&divides), Ok(0));
    for code in [0x34, 0x94] {
        assert_eq!(run(&[(code, 0, 0, 0), (0x06, 0, 0, 9)]), Err(Errno::EINVAL));
    }
    for code in [0x64, 0x74] {
        assert_eq!(
            run(&[(code, 0, 0, 32), (0x06, 0, 0, 9)]),
            Err(Errno::EINVAL)
        );
    }
}

#[test]
fn jumps_go_forward_and_stay_inside() {
    for (code, k, taken) in [
        (0x15, 63, true),
        (0x15, 62, false),
        (0x25, 62, true),
        (0x25, 63, false),
        (0x35, 63, true),
        (0x35, 64, false),
        (0x45, 1, true),
        (0x45, 64, false),
    ] {
        let program = [
            (0x20, 0, 0, 0),
            (code, 1, 0, k),
            (0x06, 0, 0, 0),
            (0x06, 0, 0, 1),
        ];
        assert_eq!(run(&program), Ok(u32::from(taken)), "{code:#x} {k}");
    }
    assert_eq!(
        run(&[(0x05, 0, 0, 1), (0x06, 0, 0, 1), (0x06, 0, 0, 2)]),
        Ok(2)
    );
    for k in [2, u32::MAX] {
        let program = [(0x05, 0, 0, k), (0x06, 0, 0, 1), (0x06, 0, 0, 2)];
        assert_eq!(run(&program), Err(Errno::EINVAL));
    }
    assert_eq!(run(&[(0x15, 0, 1, 0), (0x06, 0, 0, 1)]), Err(Errno::EINVAL));
}

#[test]
fn memory_is_written_before_it_is_read() {
    let read = (0x60, 0, 0, 3);
    let end = (0x16, 0, 0, 0);
    assert_eq!(run(&[read, end]), Err(Errno::EINVAL));
    assert_eq!(run(&[(0, 0, 0, 8), (2, 0, 0, 3), read, end]), Ok(8));
    // On one of two ways only.
    let program = [(0x15, 1, 0, 0), (2, 0, 0, 3), read, end];
    assert_eq!(run(&program), Err(Errno::EINVAL));
    assert_eq!(run(&[(2, 0, 0, 16), end]), Err(Errno::EINVAL));
}

#[test]
fn a_program_returns() {
    assert_eq!(run(&[]), Err(Errno::EINVAL));
    assert_eq!(run(&[(0, 0, 0, 1)]), Err(Errno::EINVAL));
    // Returning X, loading bytes and what packets have.
    for code in [0x0e, 0x30, 0x28, 0x40, 0xb1, 0x1234] {
        assert_eq!(run(&[(code, 0, 0, 0), (0x06, 0, 0, 1)]), Err(Errno::EINVAL));
    }
    let long = vec![instruction(0x06, 0, 0, 7); MOST_INSTRUCTIONS + 1];
    assert!(Program::new(long).is_err());
}

fn always(value: u32) -> Program {
    Program::new(vec![instruction(0x06, 0, 0, value)]).unwrap()
}

fn judged(values: &[u32]) -> Verdict {
    let mut filter = None;
    for &value in values {
        filter = Some(Filter::new(always(value), filter, false, None).unwrap());
    }
    filter.unwrap().judge(&DATA).0
}

#[test]
fn the_strictest_counts_and_of_equals_the_newest() {
    let allow = 0x7fff_0000;
    assert_eq!(judged(&[allow]), Verdict::Allow);
    assert_eq!(judged(&[0x5_0001, allow]), Verdict::Errno(1));
    assert_eq!(judged(&[0x5_0001, 0x5_0002]), Verdict::Errno(2));
    assert_eq!(judged(&[0x5_ffff]), Verdict::Errno(4095));
    assert_eq!(judged(&[0x3_0007, 0x5_0002]), Verdict::Trap(7));
    assert_eq!(judged(&[0, 0x3_0007]), Verdict::KillThread);
    assert_eq!(judged(&[0x8000_0000, 0]), Verdict::KillProcess);
    assert_eq!(judged(&[0x7ff0_0001, allow]), Verdict::Absent);
    assert_eq!(judged(&[0x7ffc_0000, allow]), Verdict::Log);
    assert_eq!(judged(&[0x1_0000]), Verdict::KillProcess);
}

#[test]
fn filters_have_a_bound_and_go_one_by_one() {
    let mut filter = None;
    let mut count = 0;
    loop {
        match Filter::new(always(0), filter.clone(), false, None) {
            Ok(new) => filter = Some(new),
            Err(error) => {
                assert_eq!(error, Errno::ENOMEM);
                break;
            }
        }
        count += 1;
    }
    assert_eq!(count, 6554);
    // On a small stack.
    let small = std::thread::Builder::new().stack_size(64 << 10);
    small.spawn(move || drop(filter)).unwrap().join().unwrap();
}

#[test]
fn threads_follow_if_they_get_no_freer() {
    let first = Filter::new(always(0), None, false, None).unwrap();
    let second = Filter::new(always(0), Some(first.clone()), false, None).unwrap();
    assert!(Mode::Disabled.may_become(&second));
    assert!(Mode::Filtered(first.clone()).may_become(&second));
    assert!(Mode::Filtered(second.clone()).may_become(&second));
    assert!(!Mode::Filtered(second).may_become(&first));
    assert!(!Mode::Strict.may_become(&first));
}

fn known() -> impl Strategy<Value = Instruction> {
    let codes = vec![
        0x20u16, 0x80, 0x81, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03, 0x06, 0x16, 0x07, 0x87, 0x05,
        0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34,
        0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0xa4, 0xac,
    ];
    let code = prop_oneof![20 => prop::sample::select(codes), 1 => any::<u16>()];
    let k = prop_oneof![4 => 0u32..20, 1 => any::<u32>()];
    (code, 0u8..4, 0u8..4, k).prop_map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })
}

proptest! {
    /// Whatever is accepted ends with what a return says, without a panic.
    #[test]
    fn whatever_is_accepted_ends(
        mut all in prop::collection::vec(known(), 0..40),
        number in any::<i32>(),
        arguments in any::<[u64; 6]>(),
    ) {
        all.push(instruction(0x16, 0, 0, 0));
        let data = CallData { number, arguments, ..DATA };
        let returned: Vec<u32> = all.iter().filter(|it| it.code == 0x06).map(|it| it.k).collect();
        let returns_a = all.iter().filter(|it| it.code == 0x16).count();
        if let Ok(program) = Program::new(all) {
            let value = program.run(&data);
            prop_assert!(returns_a > 0 || value == 0 || returned.contains(&value));
            let filter = Filter::new(program, None, false, None).unwrap();
            let above = Filter::new(always(0x7fff_0000), Some(filter.clone()), true, None).unwrap();
            prop_assert_eq!(filter.judge(&data).0, above.judge(&data).0);
            prop_assert_eq!(Arc::strong_count(&filter), 2);
        }
    }

    /// Bytes of any kind are refused or run.
    #[test]
    fn any_bytes(words in prop::collection::vec(any::<u64>(), 0..20)) {
        let all = words
            .iter()
            .map(|word| instruction(*word as u16, (word >> 16) as u8, (word >> 24) as u8, (word >> 32) as u32))
            .collect();
        if let Ok(program) = Program::new(all) {
            program.run(&DATA);
        }
    }
}
