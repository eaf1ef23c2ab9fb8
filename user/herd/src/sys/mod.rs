//! The system calls, each behind a safe function. The unsafe code of herd is
//! in `raw`, `fork` and `record` and nowhere else.

mod ask;
mod descriptors;
mod epoll;
mod fork;
mod group;
mod image;
mod job;
mod listen;
mod outlet;
mod power;
mod raw;
mod record;
mod signals;
mod spawn;
mod teller;
mod time;
mod users;
mod wait;

pub(crate) use ask::{Progress, Question};
pub(crate) use descriptors::{OpenFiles, set_nonblocking};
pub(crate) use epoll::{Interest, Poller};
pub(crate) use group::Groups;
pub(crate) use image::missing;
pub(crate) use job::{
    Belongs, TICK, adopt_orphans, belongs, children, is_this_program, kill, stat,
};
pub(crate) use listen::{
    KEEPER, close as close_socket, keep, open as open_socket, spawn_keeper, take_kept,
};
pub(crate) use outlet::reader as outlet_reader;
pub(crate) use power::{Power, power, sync_disks};
pub(crate) use raw::{is_out_of_files, trim_memory};
pub(crate) use signals::{Signals, signal, signal_everyone, signal_group};
pub(crate) use spawn::{NotSpawned, PROCESS, Setting, report, spawn, spawn_side};
pub(crate) use teller::{Teller, notify_socket};
pub(crate) use time::{now, wall};
pub(crate) use wait::{has_children, next_ended, reap};
