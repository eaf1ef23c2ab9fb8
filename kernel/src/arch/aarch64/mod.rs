//! Everything that is AArch64: the boot, exception vectors, the context
//! switch, the MMU, the two timers and the interrupt controller. Assembly and
//! system registers appear nowhere else.

pub mod boot;
pub mod context;
pub mod cpu;
pub mod gic;
pub mod mmu;
pub mod timers;
pub mod trap;
pub mod user_access;
