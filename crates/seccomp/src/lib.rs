//! Filters of system calls (seccomp(2)): programs of classic BPF are checked once
//! ([`Program`]), stacked on those that were there before ([`Filter`]), and asked at
//! each call of the threads that have them ([`Verdict`]). No locks, no hardware.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod bpf;
mod filter;
#[cfg(test)]
mod tests;

pub use bpf::{Instruction, MOST_INSTRUCTIONS, Program};
pub use filter::{AUDIT_ARCH_AARCH64, CallData, Filter, Mode, Verdict, is_action};
