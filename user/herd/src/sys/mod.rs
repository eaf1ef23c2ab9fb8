//! The system calls, each behind a safe function. The unsafe code of herd is
//! in `raw` and `fork` and nowhere else.

mod epoll;
mod fork;
mod power;
mod raw;
mod signals;
mod spawn;
mod wait;

pub(crate) use epoll::{Interest, Poller};
pub(crate) use power::{Power, power, sync_disks};
pub(crate) use raw::{OpenFiles, is_out_of_files, set_nonblocking};
pub(crate) use signals::{Signals, signal_everyone, signal_group};
pub(crate) use spawn::{NotSpawned, missing, report, spawn};
pub(crate) use wait::{has_children, next_ended, reap};
