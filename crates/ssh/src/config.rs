//! What the owner of the server decides.

use alloc::string::String;

use crate::keys::HostKey;

/// Settings shared by all connections of a server.
#[derive(Debug)]
pub struct Config {
    /// Proves to clients which machine this is.
    pub host_key: HostKey,
    /// The version line without its line end; it begins with `SSH-2.0-`.
    /// OpenSSH's client sends "eow@openssh.com", which says that its output has
    /// lost its reader, only to servers whose software begins with `OpenSSH`.
    pub version: String,
    /// How long a client may take to log in, in milliseconds.
    pub login_grace_ms: u64,
    /// Refused keys and signatures before the connection ends.
    pub max_auth_tries: u32,
    /// Channels open at one time in one connection.
    pub max_channels: usize,
    /// Bytes a client may send on one channel before they are consumed. It
    /// bounds what is held in memory for a program that does not read.
    pub window: u32,
    /// New keys are made after this many bytes in either direction.
    pub rekey_bytes: u64,
    /// New keys are made after this many packets in either direction; at most 2^31.
    pub rekey_packets: u64,
    /// Bytes that may wait for the stream before nothing more is produced.
    pub output_limit: usize,
    /// How long good-bye may take to reach a slow client, in milliseconds.
    pub farewell_ms: u64,
}

impl Config {
    /// Settings that suit most machines.
    pub fn new(host_key: HostKey) -> Self {
        Self {
            host_key,
            version: "SSH-2.0-OpenSSH_compatible_Paddock_0.1".into(),
            login_grace_ms: 120_000,
            max_auth_tries: 6,
            max_channels: 32,
            window: 2 << 20,
            rekey_bytes: 1 << 30,
            rekey_packets: 1 << 31,
            output_limit: 128 * 1024,
            farewell_ms: 5_000,
        }
    }
}
