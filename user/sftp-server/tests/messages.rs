//! The server under messages that no client sends.

use proptest::prelude::*;
use sftp_server::{Options, serve};

const READ_ONLY: Options = Options { is_read_only: true };

fn message(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

const INIT: [u8; 5] = [1, 0, 0, 0, 3];

/// The kinds of the answers after the first.
fn answers(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut input = message(&INIT);
    bodies.iter().for_each(|body| input.extend(message(body)));
    let mut output = Vec::new();
    serve(&*input, &mut output, &READ_ONLY).unwrap();
    let mut kinds = Vec::new();
    let mut rest = output.as_slice();
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let (body, more) = more.split_at(u32::from_be_bytes(*length) as usize);
        kinds.push(body[0]);
        rest = more;
    }
    assert_eq!(kinds.remove(0), 2);
    kinds
}

#[test]
fn what_is_no_message_ends_the_server() {
    for input in [
        &[0, 0, 0, 0][..],
        &[255, 255, 255, 255],
        &message(&[3, 0, 0, 0, 1]),
        &message(&[1, 0, 0, 0, 2]),
        &message(&[1]),
    ] {
        assert!(serve(input, Vec::new(), &READ_ONLY).is_err(), "{input:?}");
    }
    // An end in the middle of a message is an end.
    assert!(serve(&[0, 0][..], Vec::new(), &READ_ONLY).is_ok());
}

#[test]
fn every_request_has_one_answer() {
    let id = [0, 0, 0, 9];
    let bodies: Vec<_> = (2..=255).map(|kind| [&[kind][..], &id].concat()).collect();
    assert_eq!(answers(&bodies).len(), bodies.len());
    // Without an identifier there is nothing to answer to.
    assert_eq!(answers(&[vec![3, 0, 0]]), []);
}

fn string(text: &[u8]) -> Vec<u8> {
    message(text)
}

#[test]
fn extensions_answer_what_they_are_asked() {
    let ask = |name: &str, rest: &[u8]| {
        let head = [200, 0, 0, 0, 7];
        answers(&[[&head, string(name.as_bytes()).as_slice(), rest].concat()])[0]
    };
    let (status, name, extended) = (101, 104, 201);
    for path in ["~", "~root", "~/below", "/tmp/../tmp/new", "."] {
        let path = string(path.as_bytes());
        assert_eq!(ask("expand-path@openssh.com", &path), name);
    }
    assert_eq!(
        ask("expand-path@openssh.com", &string(b"~nobody-here")),
        status
    );
    assert_eq!(ask("home-directory", &string(b"root")), name);
    let users = [string(&[0; 8]), string(&[0, 0, 0, 0, 255, 255, 0, 0])].concat();
    assert_eq!(ask("users-groups-by-id@openssh.com", &users), extended);
    assert_eq!(
        ask("users-groups-by-id@openssh.com", &string(&[0; 7])),
        status
    );
    assert_eq!(ask("limits@openssh.com", &[]), extended);
    assert_eq!(ask("statvfs@openssh.com", &string(b"/")), extended);
    assert_eq!(ask("nothing@example.org", &[]), status);
}

proptest! {
    #[test]
    fn any_messages_are_answered(
        bodies in prop::collection::vec(
            (prop::sample::select(vec![3u8,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,200]),
             prop::collection::vec(any::<u8>(), 4..80)),
            0..20),
    ) {
        let bodies: Vec<_> = bodies
            .into_iter()
            .map(|(kind, rest)| [&[kind][..], &rest].concat())
            .collect();
        prop_assert_eq!(answers(&bodies).len(), bodies.len());
    }

    #[test]
    fn any_bytes_end_well(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = serve(&*input, Vec::new(), &READ_ONLY);
        let begun = [message(&INIT), input].concat();
        let _ = serve(&*begun, Vec::new(), &READ_ONLY);
    }
}
