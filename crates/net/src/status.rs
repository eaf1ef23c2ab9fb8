//! What there is, for /proc/net.

use crate::net::{Interface, Net};
use crate::sockets::Phase;
use alloc::vec::Vec;
pub use embassy_net::tcp::State as TcpState;
use embassy_net::{IpAddress, IpEndpoint, IpListenEndpoint, Ipv4Address};
use paddock_abi::{Errno, Result};

/// A socket of a stack.
#[derive(Clone, Copy, Debug)]
pub struct SocketStatus {
    /// The stack's interface.
    pub interface: Interface,
    /// This side.
    pub local: IpEndpoint,
    /// The other side; port 0 if there is none.
    pub remote: IpEndpoint,
    /// The state; of a UDP socket, `Closed`.
    pub state: TcpState,
    /// Bytes that the program has not read.
    pub receive_queue: usize,
    /// Bytes that the peer has not acknowledged.
    pub send_queue: usize,
}

/// An interface.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceStatus {
    /// Which.
    pub interface: Interface,
    /// Whether its link is up.
    pub up: bool,
}

const NOBODY: IpEndpoint = IpEndpoint {
    addr: IpAddress::Ipv4(Ipv4Address::UNSPECIFIED),
    port: 0,
};

fn endpoint(listening: IpListenEndpoint) -> IpEndpoint {
    IpEndpoint::new(listening.addr.unwrap_or(NOBODY.addr), listening.port)
}

impl Net {
    /// The interfaces that there are.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceStatus> {
        let loopback = InterfaceStatus {
            interface: Interface::Loopback,
            up: true,
        };
        let ethernet = InterfaceStatus {
            interface: Interface::Ethernet,
            up: self.is_link_up(),
        };
        [Some(loopback), self.has_ethernet().then_some(ethernet)]
            .into_iter()
            .flatten()
    }

    /// All TCP sockets: those that listen, and all connections.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn tcp_sockets(&self) -> Result<Vec<SocketStatus>> {
        let mut all = Vec::new();
        for interface in Interface::ALL {
            let Some(door) = self.door(interface) else {
                continue;
            };
            door.section(|sockets| {
                let count = sockets.listeners.len() + sockets.tcp.len();
                all.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
                for listener in sockets.listeners.iter() {
                    let local = endpoint(listener.endpoint());
                    let same = |other: &SocketStatus| {
                        other.state == TcpState::Listen && other.local.port == local.port
                    };
                    if !all.iter().any(same) {
                        all.push(SocketStatus {
                            interface,
                            local,
                            remote: NOBODY,
                            state: TcpState::Listen,
                            receive_queue: 0,
                            send_queue: 0,
                        });
                    }
                }
                for tcp in sockets.tcp.iter() {
                    if tcp.phase == Phase::Listening && tcp.state() == TcpState::Listen {
                        continue;
                    }
                    all.push(SocketStatus {
                        interface,
                        local: tcp.local().unwrap_or(NOBODY),
                        remote: tcp.remote().unwrap_or(NOBODY),
                        state: tcp.state(),
                        receive_queue: tcp.receive_queue(),
                        send_queue: tcp.send_queue(),
                    });
                }
                Ok(())
            })?;
        }
        Ok(all)
    }

    /// All UDP sockets, one for each interface.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn udp_sockets(&self) -> Result<Vec<SocketStatus>> {
        let mut all = Vec::new();
        for interface in Interface::ALL {
            let Some(door) = self.door(interface) else {
                continue;
            };
            door.section(|sockets| {
                all.try_reserve(sockets.udp.len())
                    .map_err(|_| Errno::ENOMEM)?;
                all.extend(sockets.udp.iter().map(|udp| SocketStatus {
                    interface,
                    local: endpoint(udp.endpoint()),
                    remote: NOBODY,
                    state: TcpState::Closed,
                    receive_queue: 0,
                    send_queue: 0,
                }));
                Ok(())
            })?;
        }
        Ok(all)
    }
}
