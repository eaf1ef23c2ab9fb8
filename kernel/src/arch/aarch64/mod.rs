//! Everything that is AArch64: the boot, exception vectors, the context
//! switch, the MMU, the two timers and the interrupt controller's CPU interface. Assembly and
//! system registers appear nowhere else.

pub mod boot;
pub mod context;
pub mod cpu;
pub mod debug;
pub mod icc;
pub mod mmu;
pub mod thread_info;
pub mod timers;
pub mod trap;
pub mod user_access;
pub mod vdso;
