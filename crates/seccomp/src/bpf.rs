//! Classic BPF as far as seccomp(2) allows it: checking and running.
//!
//! A program that passes the check ends: jumps go forward only, and the last
//! instruction returns.

use crate::CallData;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The longest program (`BPF_MAXINSNS`).
pub const MOST_INSTRUCTIONS: usize = 4096;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// Instructions to skip if a condition is true.
    pub jt: u8,
    /// And if it is not.
    pub jf: u8,
    /// A constant, an offset, the number of a word of scratch memory.
    pub k: u32,
}

/// Words of scratch memory (`BPF_MEMWORDS`).
const WORDS: usize = 16;

// Classes, modes, operations and sources of <linux/bpf_common.h>, put together.
const LD_ABS: u16 = 0x20;
const LD_LEN: u16 = 0x80;
const LDX_LEN: u16 = 0x81;
const LD_IMM: u16 = 0x00;
const LDX_IMM: u16 = 0x01;
const LD_MEM: u16 = 0x60;
const LDX_MEM: u16 = 0x61;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const TAX: u16 = 0x07;
const TXA: u16 = 0x87;
const JA: u16 = 0x05;
const CLASS: u16 = 0x07;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const SOURCE_X: u16 = 0x08;
const OPERATION: u16 = 0xf0;
const ADD: u16 = 0x00;
const SUB: u16 = 0x10;
const MUL: u16 = 0x20;
const DIV: u16 = 0x30;
const OR: u16 = 0x40;
const AND: u16 = 0x50;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;
const NEG: u16 = 0x80;
const XOR: u16 = 0xa0;
const JEQ: u16 = 0x10;
const JGT: u16 = 0x20;
const JGE: u16 = 0x30;
const JSET: u16 = 0x40;

/// A program that has been checked.
#[derive(Debug)]
pub struct Program(Vec<Instruction>);

impl Program {
    /// Takes a program if seccomp(2) may run it.
    ///
    /// # Errors
    /// `EINVAL` for one that is empty, too long, or does what it must not; `ENOMEM`.
    pub fn new(instructions: Vec<Instruction>) -> Result<Program> {
        let length = instructions.len();
        if length == 0 || length > MOST_INSTRUCTIONS {
            return Err(Errno::EINVAL);
        }
        let returns = |last: &Instruction| matches!(last.code, RET_K | RET_A);
        if !instructions.last().is_some_and(returns) {
            return Err(Errno::EINVAL);
        }
        check(&instructions)?;
        Ok(Program(instructions))
    }

    /// How many instructions it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: a program returns something.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What it returns for a call.
    pub fn run(&self, data: &CallData) -> u32 {
        let mut at = 0;
        let (mut a, mut x) = (0u32, 0u32);
        let mut memory = [0u32; WORDS];
        while let Some(now) = self.0.get(at) {
            at += 1;
            let k = now.k;
            let slot = k as usize % WORDS;
            match now.code {
                RET_K => return k,
                RET_A => return a,
                LD_ABS => a = data.word(k),
                LD_LEN => a = size_of::<CallData>() as u32,
                LDX_LEN => x = size_of::<CallData>() as u32,
                LD_IMM => a = k,
                LDX_IMM => x = k,
                LD_MEM => a = memory[slot],
                LDX_MEM => x = memory[slot],
                ST => memory[slot] = a,
                STX => memory[slot] = x,
                TAX => x = a,
                TXA => a = x,
                JA => at += k as usize,
                code if code & CLASS == JMP => {
                    let right = if code & SOURCE_X != 0 { x } else { k };
                    let skipped = match holds(code & OPERATION, a, right) {
                        true => now.jt,
                        false => now.jf,
                    };
                    at += usize::from(skipped);
                }
                code => {
                    let right = if code & SOURCE_X != 0 { x } else { k };
                    match calculate(code & OPERATION, a, right) {
                        Some(result) => a = result,
                        // A division by zero ends it.
                        None => return 0,
                    }
                }
            }
        }
        0
    }
}

fn holds(operation: u16, left: u32, right: u32) -> bool {
    match operation {
        JEQ => left == right,
        JGT => left > right,
        JGE => left >= right,
        _ => left & right != 0,
    }
}

fn calculate(operation: u16, left: u32, right: u32) -> Option<u32> {
    Some(match operation {
        ADD => left.wrapping_add(right),
        SUB => left.wrapping_sub(right),
        MUL => left.wrapping_mul(right),
        DIV => left.checked_div(right)?,
        OR => left | right,
        AND => left & right,
        LSH => left.wrapping_shl(right),
        RSH => left.wrapping_shr(right),
        XOR => left ^ right,
        _ => left.wrapping_neg(),
    })
}

/// Whether a jump's condition is one.
fn is_condition(code: u16) -> bool {
    code & CLASS == JMP && matches!(code & !(CLASS | SOURCE_X), JEQ | JGT | JGE | JSET)
}

fn is_calculation(code: u16) -> bool {
    let operation = code & !(CLASS | SOURCE_X);
    code & CLASS == ALU
        && (matches!(
            operation,
            ADD | SUB | MUL | DIV | OR | AND | LSH | RSH | XOR
        ) || code == ALU | NEG)
}

/// Each instruction by itself, and that no word of scratch memory is read before it
/// is written, whichever way leads there.
fn check(all: &[Instruction]) -> Result<()> {
    // Which words are written when an instruction is reached, a bit for each.
    let mut written = Vec::new();
    let room = written.try_reserve_exact(all.len());
    room.map_err(|_| Errno::ENOMEM)?;
    written.resize(all.len(), u16::MAX);
    let mut now = 0u16;
    for (at, instruction) in all.iter().enumerate() {
        now &= written[at];
        let left = all.len() - at - 1;
        let mut reach = |skipped: usize, now: u16| match written.get_mut(at + 1 + skipped) {
            Some(mask) => {
                *mask &= now;
                Ok(())
            }
            None => Err(Errno::EINVAL),
        };
        let Instruction { code, jt, jf, k } = *instruction;
        let is_word = (k as usize) < WORDS;
        match code {
            LD_ABS if k as usize >= size_of::<CallData>() || k % 4 != 0 => {
                return Err(Errno::EINVAL);
            }
            LD_ABS | LD_LEN | LDX_LEN | LD_IMM | LDX_IMM | RET_K | RET_A | TAX | TXA => {}
            LD_MEM | LDX_MEM | ST | STX if !is_word => return Err(Errno::EINVAL),
            LD_MEM | LDX_MEM if now & 1 << k == 0 => return Err(Errno::EINVAL),
            LD_MEM | LDX_MEM => {}
            ST | STX => now |= 1 << k,
            JA if k as usize >= left => return Err(Errno::EINVAL),
            JA => {
                reach(k as usize, now)?;
                now = u16::MAX;
            }
            code if is_condition(code) => {
                reach(usize::from(jt), now)?;
                reach(usize::from(jf), now)?;
                now = u16::MAX;
            }
            code if is_calculation(code) => check_calculation(code, k)?,
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(())
}

/// Constants that a calculation must not have.
fn check_calculation(code: u16, k: u32) -> Result<()> {
    let wrong = code & SOURCE_X == 0
        && match code & OPERATION {
            DIV => k == 0,
            LSH | RSH => k >= u32::BITS,
            _ => false,
        };
    match wrong {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    }
}
