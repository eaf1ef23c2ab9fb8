//! `/proc/PID/net` (proc_net(5)): of the network namespace that the process is in.

use super::attributes::{Attribute, Attributes};
use super::inet;
use super::text::Text;
use crate::net;
use crate::net::space::{self, NetSpace};
use crate::process::Process;
use crate::process::net_space::NetNamespace;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_unix_sockets::{Listed, for_each_bound};
use paddock_vfs::proc_fs::ProcNode;

const FILES: &[Attribute<Arc<NetSpace>>] = &[
    ("arp", inet::neighbours),
    ("dev", inet::devices),
    ("if_inet6", inet::addresses6),
    ("route", inet::routes),
    ("sockstat", statistics),
    ("tcp", inet::tcp),
    ("tcp6", inet::tcp6),
    ("udp", inet::udp),
    ("udp6", inet::udp6),
    ("udplite", inet::udplite),
    ("udplite6", inet::udplite6),
    ("unix", unix),
];

/// The directory of a process.
pub fn directory(process: Arc<Process>) -> ProcNode {
    ProcNode::dir(Attributes {
        thing: space::of(&process),
        attributes: FILES,
        below: &[],
    })
}

/// How many TCP connections there are, those of the kernel's services and
/// those that nobody has accepted included.
fn statistics(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    let (connections, orphans, waiting) = net::connections(space);
    out.put(format_args!(
        "sockets: used {connections}\nTCP: inuse {connections} orphan {orphans} tw {waiting} alloc {connections} mem 0\n"
    ))
}

/// `SO_ACCEPTCON` of Linux's `<linux/net.h>`.
const LISTENS: u32 = 1 << 16;
/// `SS_UNCONNECTED` and `SS_CONNECTED`.
const STATES: (u32, u32) = (1, 3);

/// Local sockets that have a name.
fn unix(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    let mut sockets: Vec<Listed> = Vec::new();
    let mut result = Ok(());
    for_each_bound(|socket| match sockets.try_reserve(1) {
        _ if socket.net != space.number() => {}
        Ok(()) => sockets.push(socket),
        Err(_) => result = Err(Errno::ENOMEM),
    });
    result?;
    out.put(format_args!(
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
    ))?;
    for (index, socket) in sockets.iter().enumerate() {
        let flags = if socket.listening { LISTENS } else { 0 };
        let state = if socket.connected { STATES.1 } else { STATES.0 };
        out.put(format_args!(
            "{index:016x}: {:08X} {:08X} {flags:08X} {:04X} {state:02X} {:5} ",
            2, 0, socket.kind, socket.ino
        ))?;
        let abstract_name = socket.name.is_abstract();
        let bytes = socket.name.bytes();
        let (mark, shown) = if abstract_name {
            ("@", bytes.get(1..).unwrap_or(&[]))
        } else {
            ("", bytes)
        };
        out.put(format_args!("{mark}{}\n", shown.escape_ascii()))?;
    }
    Ok(())
}
