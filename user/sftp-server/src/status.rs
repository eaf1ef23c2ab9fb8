//! How a request fails.

use std::io;

use rustix::io::Errno;

use crate::wire::Malformed;

/// SSH_FX_* (draft-ietf-secsh-filexfer-02, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// It succeeded.
    Ok = 0,
    /// There is no more.
    Eof = 1,
    /// No such file.
    NoSuchFile = 2,
    /// Not allowed.
    PermissionDenied = 3,
    /// Any other failure.
    Failure = 4,
    /// The message, or a value in it, is not what it should be.
    BadMessage = 5,
    /// Not supported.
    Unsupported = 8,
}

/// A failure, and what the client's user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the client acts upon.
    pub code: Code,
    /// What its user may see.
    pub text: String,
}

impl Status {
    /// A failure with a text of its own.
    pub fn new(code: Code, text: &str) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// There is no more.
    pub fn eof() -> Self {
        Self::new(Code::Eof, "End of file")
    }

    /// The handle is none, or of another kind.
    pub fn bad_handle() -> Self {
        Self::new(Code::Failure, "Bad handle")
    }

    /// The server was told to change nothing.
    pub fn read_only() -> Self {
        Self::new(Code::PermissionDenied, "Read-only server")
    }
}

impl From<Malformed> for Status {
    fn from(_: Malformed) -> Self {
        Self::new(Code::BadMessage, "Bad message")
    }
}

impl From<Errno> for Status {
    fn from(error: Errno) -> Self {
        let code = match error {
            Errno::NOENT | Errno::NOTDIR | Errno::BADF | Errno::LOOP => Code::NoSuchFile,
            Errno::PERM | Errno::ACCESS | Errno::FAULT | Errno::ROFS => Code::PermissionDenied,
            Errno::NAMETOOLONG | Errno::INVAL => Code::BadMessage,
            Errno::NOSYS | Errno::OPNOTSUPP => Code::Unsupported,
            _ => Code::Failure,
        };
        let text = io::Error::from(error).to_string();
        // Without the number that std adds.
        let text = text.split(" (os error").next().unwrap_or_default();
        Self::new(code, text)
    }
}

impl From<io::Error> for Status {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None if error.kind() == io::ErrorKind::InvalidInput => Errno::INVAL.into(),
            None => Self::new(Code::Failure, &error.to_string()),
        }
    }
}
