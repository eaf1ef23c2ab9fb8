//! The server against the OpenSSH client.

mod host;

use host::client::{Pair, complaints, text};

#[test]
fn a_command_and_its_status() {
    let pair = Pair::new();
    let done = pair.run(&[], "echo out; echo err >&2; exit 7");
    assert_eq!(complaints(&done), "err\n");
    assert_eq!(text(&done), "out\n");
    assert_eq!(done.status.code(), Some(7));
}
