//! The system calls, each behind a safe function. The unsafe code of herd is
//! in `raw` and `fork` and nowhere else.

mod epoll;
mod fork;
mod job;
mod outlet;
mod power;
mod raw;
mod signals;
mod spawn;
mod time;
mod wait;

pub(crate) use epoll::{Interest, Poller};
pub(crate) use job::{TICK, adopt_orphans, children, is_of, is_this_program, kill, stat};
pub(crate) use outlet::reader as outlet_reader;
pub(crate) use power::{Power, power, sync_disks};
pub(crate) use raw::{OpenFiles, is_out_of_files, set_nonblocking};
pub(crate) use signals::{Signals, signal_everyone, signal_group};
pub(crate) use spawn::{NotSpawned, PROCESS, Setting, missing, report, spawn};
pub(crate) use time::now;
pub(crate) use wait::{has_children, next_ended, reap};
