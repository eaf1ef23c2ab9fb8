//! Sockets.

mod datagram_info;
mod messages;
mod path_mtus;
mod socket_options;
mod sockets;
mod tcp_rules;
mod udp_rules;
mod unix_rules;

use super::contracts;

contracts! {
    datagram_info
    messages
    path_mtus
    socket_options
    sockets
    tcp_rules
    udp_rules
    unix_rules
}
