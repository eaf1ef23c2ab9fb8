//! Sockets.

mod credentials;
mod datagram_info;
mod local_datagrams;
mod many_messages;
mod messages;
mod option_errors;
mod path_mtus;
mod receive_flags;
mod receive_names;
mod send_errors;
mod shut_ends;
mod socket_kinds;
mod socket_options;
mod tcp_rules;
mod udp_rules;
mod unix_rules;

use super::contracts;

contracts! {
    credentials
    datagram_info
    local_datagrams
    many_messages
    messages
    option_errors
    path_mtus
    receive_flags
    receive_names
    send_errors
    shut_ends
    socket_kinds
    socket_options
    tcp_rules
    udp_rules
    unix_rules
}
