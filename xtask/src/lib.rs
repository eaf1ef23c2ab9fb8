//! What `cargo xtask` and the end-to-end tests share: how to build Paddock,
//! how to make its disks, and how to run it in QEMU.

pub mod accounts;
pub mod bench_disk;
pub mod bench_net;
pub mod build;
pub mod busybox;
pub mod contracts;
pub mod crash_databases;
pub mod debian;
pub mod deploy;
pub mod disk;
pub mod flat;
pub mod fuzz;
pub mod fuzz_syscalls;
pub mod gdb;
pub mod initrd;
pub mod keys;
pub mod linux;
pub mod linux_peer;
pub mod machine;
pub mod oci;
pub mod overlay;
pub mod packages;
pub mod paths;
pub mod process;
pub mod profile;
pub mod programs;
pub mod qemu;
pub mod rows;
pub mod setup;
pub mod step;
pub mod stress;
pub mod symbols;
pub mod tar_entry;
pub mod toolchain;
pub mod write_log;
