//! The processor's room: the rest of the kernel sees it through these names.

pub mod aarch64;

pub use aarch64::{
    boot, context, cpu, debug, icc, mmu, thread_info, timers, trap, user_access, vdso,
};
