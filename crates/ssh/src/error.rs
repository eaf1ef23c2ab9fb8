//! Why a connection ends.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::wire::Malformed;

/// A reason code of SSH_MSG_DISCONNECT (RFC 4253, section 11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// The peer broke the protocol.
    ProtocolError = 2,
    /// No common algorithms, or a bad key.
    KeyExchangeFailed = 3,
    /// A packet was not what its sender sealed.
    MacError = 5,
    /// A service other than authentication or the connection was asked for.
    ServiceNotAvailable = 7,
    /// The version line is not SSH-2's.
    VersionNotSupported = 8,
    /// The connection ends by a decision of this side.
    ByApplication = 11,
    /// Too many attempts, or too slow.
    NoMoreAuthMethods = 14,
}

/// Why this side gives up on the connection. The peer is told both parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number sent to the peer.
    pub code: Code,
    /// A few words for the peer and the log.
    pub text: &'static str,
}

impl Fault {
    /// A fault with any code.
    pub const fn new(code: Code, text: &'static str) -> Self {
        Self { code, text }
    }

    /// The peer broke the protocol in the way that `text` says.
    pub const fn protocol(text: &'static str) -> Self {
        Self::new(Code::ProtocolError, text)
    }

    /// Memory for the connection ran out.
    pub const OUT_OF_MEMORY: Self = Self::new(Code::ByApplication, "out of memory");
}

/// Copies bytes whose number the peer decides.
pub(crate) fn copy(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    out.try_reserve_exact(bytes.len())
        .map_err(|_| Fault::OUT_OF_MEMORY)?;
    out.extend_from_slice(bytes);
    Ok(out)
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::protocol("malformed message")
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer said good-bye with a reason code and a text of its own.
    ByPeer {
        /// The number the peer sent, not necessarily an assigned one.
        code: u32,
        /// Cleaned of control characters, at most 200 bytes.
        text: String,
    },
    /// The byte stream ended without a good-bye.
    StreamClosed,
    /// The byte stream failed.
    StreamFailed,
    /// This side gave up.
    Fault(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Malformed> for Ended {
    fn from(malformed: Malformed) -> Self {
        Self::Fault(malformed.into())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer { code, text } => write!(f, "closed by the client: {text} (code {code})"),
            Self::StreamClosed => f.write_str("the client closed the stream"),
            Self::StreamFailed => f.write_str("the stream failed"),
            Self::Fault(fault) => write!(f, "refused: {}", fault.text),
        }
    }
}
