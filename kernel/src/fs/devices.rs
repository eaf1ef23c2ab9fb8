//! Devices by number: what opening a node of `/dev` gives.

use super::fifos::Fifos;
use super::{fuse, kmsg, loops};
use crate::random;
use alloc::sync::Arc;
use paddock_tty::{Terminals, Tty};
use paddock_vfs::dev_fs::{Devices, NodeSpec, RandomSource};
use paddock_vfs::{File, Inode, OpenFlags};

/// Nodes beyond those of every system: the log, and the UART as a terminal
/// that a session can have for its own, which the console is not; where filesystems are
/// that are programs, and where loop devices are made.
pub const EXTRA_NODES: &[NodeSpec] = &[
    ("kmsg", 0o644, 1, 11),
    ("ttyAMA0", 0o600, 204, 64),
    ("fuse", 0o666, 10, 229),
    loops::CONTROL,
];

struct Random;

impl RandomSource for Random {
    fn fill(&self, buf: &mut [u8]) {
        random::fill(buf);
    }
}

/// The table of all devices, with `console` as the console.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn table(terminals: &Arc<Terminals>, console: &Arc<Tty>) -> Arc<Devices> {
    let devices = Devices::new(Arc::new(Fifos::new()));
    devices.register_simple(Arc::new(Random));
    devices.register_char(1, 11, Arc::new(kmsg::open));
    devices.register_char(10, 229, Arc::new(fuse::open));
    register_terminals(&devices, terminals, console);
    loops::register(&devices);
    Arc::new(devices)
}

#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
fn register_terminals(devices: &Devices, terminals: &Arc<Terminals>, console: &Arc<Tty>) {
    let all = terminals.clone();
    let own = move |inode: &Arc<dyn Inode>, flags: OpenFlags| {
        Ok(all.open_own(inode, flags)? as Arc<dyn File>)
    };
    devices.register_char(5, 0, Arc::new(own));
    let (all, tty) = (terminals.clone(), console.clone());
    let system_console = move |inode: &Arc<dyn Inode>, flags: OpenFlags| {
        // The system's console becomes nobody's controlling terminal by being
        // opened.
        Ok(all.open(tty.clone(), inode, flags | OpenFlags::NOCTTY)? as Arc<dyn File>)
    };
    devices.register_char(5, 1, Arc::new(system_console));
    let all = terminals.clone();
    let master = move |inode: &Arc<dyn Inode>, _: OpenFlags| {
        Ok(all.open_master(Some(inode.clone()))? as Arc<dyn File>)
    };
    devices.register_char(5, 2, Arc::new(master));
    let (all, tty) = (terminals.clone(), console.clone());
    let uart = move |inode: &Arc<dyn Inode>, flags: OpenFlags| {
        Ok(all.open(tty.clone(), inode, flags)? as Arc<dyn File>)
    };
    devices.register_char(204, 64, Arc::new(uart));
}
