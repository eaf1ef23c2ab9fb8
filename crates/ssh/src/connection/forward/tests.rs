use super::*;
use crate::auth::Authenticated;
use crate::config::Config;
use crate::keys::{HostKey, KeyOptions};
use alloc::sync::Arc;
use proptest::prelude::*;

fn connection(options: KeyOptions) -> Connection {
    let config = Config::new(HostKey::from_seed(&[1; 32]));
    let login = Authenticated::for_tests().with_options(options);
    Connection::new(login, Arc::new(config))
}

fn global(name: &[u8], rest: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = alloc::vec![message::GLOBAL_REQUEST];
    out.put_string(name);
    out.put_bool(true);
    rest(&mut out);
    out
}

fn tcp(name: &[u8], port: u32) -> Vec<u8> {
    global(name, |out| {
        out.put_string(b"localhost");
        out.put_u32(port);
    })
}

fn ask(connection: &mut Connection, message: &[u8]) -> (Vec<u8>, Effect) {
    connection.message(message).unwrap().unwrap()
}

fn listen(connection: &mut Connection, port: u32, bound: u16) -> (Option<Place>, Vec<u8>) {
    let (out, effect) = ask(connection, &tcp(b"tcpip-forward", port));
    assert!(out.is_empty() && connection.is_asking());
    assert!(matches!(effect, Effect::Listen(_)), "{effect:?}");
    let bound = Bound {
        port: bound,
        ..Bound::default()
    };
    connection.awaited(Some(&bound))
}

#[test]
fn a_place_is_asked_for_answered_and_given_up() {
    let mut connection = connection(KeyOptions::default());
    let (place, out) = listen(&mut connection, 0, 4000);
    assert_eq!(out, [message::REQUEST_SUCCESS, 0, 0, 0x0f, 0xa0]);
    let Some(place) = place else {
        panic!("no place")
    };
    let (_, out) = listen(&mut connection, 80, 80);
    assert_eq!(out, [message::REQUEST_SUCCESS]);
    let again = ask(&mut connection, &tcp(b"tcpip-forward", 80));
    assert_eq!(again.0, [message::REQUEST_FAILURE], "it is there already");

    let (id, open) = connection.arrived(&place, &Arrival::default()).unwrap();
    assert_eq!(open[0], message::CHANNEL_OPEN);
    // Nothing can be done with the channel before it is confirmed.
    assert!(
        connection
            .message(&to_peer(message::CHANNEL_CLOSE, id.0))
            .is_err()
    );
    let mut confirmation = to_peer(message::CHANNEL_OPEN_CONFIRMATION, id.0);
    for number in [7, 1000, 500] {
        confirmation.put_u32(number);
    }
    assert!(
        matches!(ask(&mut connection, &confirmation).1, Effect::Opened(opened) if opened == id)
    );
    assert!(connection.message(&confirmation).is_err(), "once is enough");

    let (out, effect) = ask(&mut connection, &tcp(b"cancel-tcpip-forward", 4000));
    assert_eq!(out, [message::REQUEST_SUCCESS]);
    assert!(matches!(effect, Effect::Unlisten(gone) if gone == place));
    let twice = ask(&mut connection, &tcp(b"cancel-tcpip-forward", 4000));
    assert_eq!(twice.0, [message::REQUEST_FAILURE]);
}

#[test]
fn a_refused_channel_is_gone() {
    let mut connection = connection(KeyOptions::default());
    let (place, _) = listen(&mut connection, 0, 4000);
    let (id, _) = connection
        .arrived(&place.unwrap(), &Arrival::default())
        .unwrap();
    let mut refused = to_peer(message::CHANNEL_OPEN_FAILURE, id.0);
    refused.put_u32(1);
    refused.put_string(b"no");
    refused.put_string(b"");
    assert!(matches!(ask(&mut connection, &refused).1, Effect::Closed(gone) if gone == id));
    assert!(connection.channel(id).is_none());
}

#[test]
fn places_and_channels_are_bounded() {
    let mut connection = connection(KeyOptions::default());
    let mut last = None;
    for port in 1..=MAX_PLACES as u16 {
        last = listen(&mut connection, port.into(), port).0;
    }
    let more = ask(&mut connection, &tcp(b"tcpip-forward", 0));
    assert_eq!(more.0, [message::REQUEST_FAILURE]);
    let place = last.unwrap();
    let opened =
        (0..1000).take_while(|_| connection.arrived(&place, &Arrival::default()).is_some());
    assert_eq!(opened.count(), 32);
}

#[test]
fn keys_limit_what_is_awaited() {
    let only = KeyOptions {
        permit_listen: alloc::vec!["8080".into(), "localhost:9".into()],
        no_agent_forwarding: true,
        ..KeyOptions::default()
    };
    let mut connection = connection(only);
    for port in [0, 80, 70_000] {
        let (out, _) = ask(&mut connection, &tcp(b"tcpip-forward", port));
        assert_eq!(out, [message::REQUEST_FAILURE], "{port}");
    }
    listen(&mut connection, 8080, 8080);
    listen(&mut connection, 9, 9);
    let local = |path: &[u8]| {
        global(b"streamlocal-forward@openssh.com", |out| {
            out.put_string(path)
        })
    };
    assert_eq!(
        ask(&mut connection, &local(b"/x")).0,
        [message::REQUEST_FAILURE]
    );
    let mut free = super::tests::connection(KeyOptions::default());
    for path in [&b"x"[..], b"", b"/x\0", &[b'/'; 108]] {
        assert_eq!(ask(&mut free, &local(path)).0, [message::REQUEST_FAILURE]);
    }
    assert!(matches!(ask(&mut free, &local(b"/x")).1, Effect::Listen(_)));
}

proptest! {
    #[test]
    fn any_requests_end_well(
        name in prop::sample::select(alloc::vec![
            "tcpip-forward", "cancel-tcpip-forward", "streamlocal-forward@openssh.com",
            "cancel-streamlocal-forward@openssh.com", "x",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..60),
        kind in 80..101_u8,
    ) {
        let mut connection = connection(KeyOptions::default());
        let _ = connection.message(&global(name.as_bytes(), |out| out.put_bytes(&rest)));
        let _ = connection.awaited(None);
        let mut any = alloc::vec![kind];
        any.put_bytes(&rest);
        let _ = connection.message(&any);
    }
}
