//! Sockets.

mod datagram_info;
mod many_messages;
mod messages;
mod path_mtus;
mod receive_flags;
mod receive_names;
mod shut_ends;
mod socket_kinds;
mod socket_options;
mod tcp_rules;
mod udp_rules;
mod unix_rules;

use super::contracts;

contracts! {
    datagram_info
    many_messages
    messages
    path_mtus
    receive_flags
    receive_names
    shut_ends
    socket_kinds
    socket_options
    tcp_rules
    udp_rules
    unix_rules
}
