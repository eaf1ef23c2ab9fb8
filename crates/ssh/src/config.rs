//! What the owner of the server decides.

use alloc::string::String;

use crate::keys::HostKey;

/// Settings shared by all connections of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Proves to clients which machine this is.
    pub host_key: HostKey,
    /// The version line without its line end; it begins with `SSH-2.0-`.
    /// OpenSSH's client sends "eow@openssh.com", which says that its output has
    /// lost its reader, only to servers whose software begins with `OpenSSH`.
    pub version: String,
    /// How long a client may take to log in, in milliseconds.
    pub login_grace_ms: u64,
    /// Refusals before the connection ends: keys, signatures, other methods,
    /// and `none`, by which clients ask for the methods there are.
    pub max_auth_tries: u32,
    /// A refused key is answered no sooner than this after it was offered, in
    /// milliseconds: the time taken is to tell little about the reason.
    pub refusal_ms: u64,
    /// Channels open at one time in one connection.
    pub max_channels: usize,
    /// Bytes a client may send on one channel before they are consumed. It
    /// bounds what is held in memory for a program that does not read.
    pub window: u32,
    /// What every channel may send, however many there are; times
    /// `max_channels`, at most `total_window`.
    pub least_window: u32,
    /// The same as `window` for all channels of a connection together.
    pub total_window: u32,
    /// New keys are made after this many bytes in either direction.
    pub rekey_bytes: u64,
    /// New keys are made after this many packets in either direction; at most 2^31.
    pub rekey_packets: u64,
    /// Bytes that may wait for the stream before nothing more is produced.
    pub output_limit: usize,
    /// Subsystems by name, and the command line that serves each.
    pub subsystems: &'static [(&'static str, &'static str)],
    /// Names of environment variables that clients may set; one that ends
    /// with `*` stands for all that begin so.
    pub accept_env: &'static [&'static str],
    /// Shown to every client before it logs in; lines end with CR LF.
    pub banner: Option<String>,
    /// Whether clients may have connections made from here.
    pub permit_forwarding: bool,
    /// Whether `environment=` before a key acts. It can undo a forced command.
    pub permit_user_environment: bool,
    /// How long good-bye may take to reach a slow client, in milliseconds.
    pub farewell_ms: u64,
}

impl Config {
    /// Settings that suit most machines.
    pub fn new(host_key: HostKey) -> Self {
        Self {
            host_key,
            version: "SSH-2.0-OpenSSH_compatible_Paddock_0.1".into(),
            login_grace_ms: 30_000,
            max_auth_tries: 4,
            max_channels: 32,
            window: 2 << 20,
            least_window: 64 << 10,
            total_window: 8 << 20,
            refusal_ms: 20,
            rekey_bytes: 1 << 30,
            rekey_packets: 1 << 31,
            output_limit: 128 * 1024,
            subsystems: &[("sftp", "exec /bin/sftp-server")],
            accept_env: &[
                "COLORTERM",
                "LANG",
                "LANGUAGE",
                "LC_*",
                "NO_COLOR",
                "TERM",
                "TZ",
            ],
            banner: None,
            permit_forwarding: true,
            permit_user_environment: false,
            farewell_ms: 5_000,
        }
    }

    /// The command line that serves a subsystem.
    pub(crate) fn subsystem(&self, name: &[u8]) -> Option<&'static str> {
        let known = self.subsystems.iter();
        let mut found = known.filter(|(known, _)| known.as_bytes() == name);
        found.next().map(|(_, command)| *command)
    }

    /// Whether a client may set an environment variable of that name.
    pub fn accepts_variable(&self, name: &[u8]) -> bool {
        self.accept_env
            .iter()
            .any(|known| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start.as_bytes()),
                None => name == known.as_bytes(),
            })
    }
}
