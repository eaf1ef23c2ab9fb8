//! Machines under test.

pub mod ssh;
