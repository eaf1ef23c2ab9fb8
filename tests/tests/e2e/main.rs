//! The system from outside: each test boots machines of its own in QEMU.
//! `cargo xtask test --only e2e [NAME]` builds what they boot and runs them.

mod boot;
mod broken;
mod card;
mod debian;
mod debian_disk;
mod deploy;
mod disk;
mod disk_errors;
mod exhaustion;
mod failures;
mod failures_absent;
mod faults;
mod fuzz;
mod fuzz_syscalls;
mod herd;
mod herd_history;
mod idle;
mod power;
mod processors;
mod profile;
mod programs;
mod ssh;
mod ssh_accounts;
mod ssh_admission;
mod ssh_certificates;
mod ssh_files;
mod ssh_forward;
mod ssh_monitor;
mod ssh_reverse;
mod ssh_settings;
mod stress;
mod terminal;
mod time;
mod transfer;
mod watchdog;
