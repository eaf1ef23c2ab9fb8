//! Atomics: the machine's own, or the model checker's when the crate is built
//! with `--cfg loom` (`tests/models`).

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence,
};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence,
};

pub(crate) use paddock_sync::const_fn;
