//! Messages about a program: its output and its end.

use alloc::vec::Vec;

use crate::channel::ExitStatus;
use crate::connection::to_peer;
use crate::engine::Output;
use crate::message;
use crate::wire::Put;

/// A data message up to the length of the data.
pub(crate) fn output_header(peer: u32, output: Output) -> Vec<u8> {
    match output {
        Output::Stdout => to_peer(message::CHANNEL_DATA, peer),
        Output::Stderr => {
            let mut out = to_peer(message::CHANNEL_EXTENDED_DATA, peer);
            out.put_u32(message::DATA_STDERR);
            out
        }
    }
}

/// "exit-status" or "exit-signal" (RFC 4254, section 6.10); nothing for a
/// connection.
pub(crate) fn exit_report(peer: u32, status: &ExitStatus) -> Vec<u8> {
    let mut out = to_peer(message::CHANNEL_REQUEST, peer);
    match status {
        ExitStatus::Closed => return Vec::new(),
        ExitStatus::Code(code) => {
            out.put_string(b"exit-status");
            out.put_bool(false);
            out.put_u32(*code);
        }
        ExitStatus::Signal { name, core_dumped } => {
            out.put_string(b"exit-signal");
            out.put_bool(false);
            out.put_string(name.as_bytes());
            out.put_bool(*core_dumped);
            out.put_string(b"");
            out.put_string(b"");
        }
    }
    out
}
