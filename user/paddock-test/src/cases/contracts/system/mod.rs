//! The machine and its devices.

mod cpu_features;
mod ioctls;
mod kernel_log;
mod machine_rights;
mod namespace_kinds;
mod proc_numbers;
mod ptys;
mod quotas;
mod randoms;
mod settings_kept;
mod swaps;
mod sysinfos;

use super::contracts;

contracts! {
    cpu_features
    ioctls
    kernel_log
    machine_rights
    namespace_kinds
    proc_numbers
    ptys
    quotas
    randoms
    settings_kept
    swaps
    sysinfos
}
