//! Sockets.

mod accept_errors;
mod bind_errors;
mod bind_paths;
mod connect_errors;
mod credentials;
mod datagram_info;
mod forced_options;
mod listen_queues;
mod local_datagrams;
mod many_messages;
mod messages;
mod option_errors;
mod path_mtus;
mod receive_flags;
mod receive_names;
mod send_errors;
mod shut_ends;
mod socket_ioctls;
mod socket_kinds;
mod socket_names;
mod socket_options;
mod tcp_rules;
mod udp_lite;
mod udp_rules;
mod unix_rules;

use super::contracts;

contracts! {
    accept_errors
    bind_errors
    bind_paths
    connect_errors
    credentials
    datagram_info
    forced_options
    listen_queues
    local_datagrams
    many_messages
    messages
    option_errors
    path_mtus
    receive_flags
    receive_names
    send_errors
    shut_ends
    socket_ioctls
    socket_kinds
    socket_names
    socket_options
    tcp_rules
    udp_lite
    udp_rules
    unix_rules
}
