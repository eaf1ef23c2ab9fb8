use super::*;
use crate::keys::KeyOptions;
use proptest::prelude::*;

fn connection() -> Connection {
    connection_of(KeyOptions::default(), |_| {})
}

/// One whose client came with a key of these options.
fn connection_of(options: KeyOptions, adjust: impl FnOnce(&mut Config)) -> Connection {
    let mut config = Config::new(crate::keys::HostKey::from_seed(&[1; 32]));
    (config.max_channels, config.window) = (2, 1000);
    (config.least_window, config.total_window) = (500, 2000);
    adjust(&mut config);
    let login = Authenticated::for_tests().with_options(options);
    Connection::new(login, Arc::new(config))
}

fn exec(id: u32, command: &[u8]) -> Vec<u8> {
    let mut message = request(id, b"exec");
    message.put_string(command);
    message
}

fn start_of(connection: &mut Connection, message: &[u8]) -> SpawnRequest {
    match connection.message(message).unwrap().unwrap().1 {
        Effect::Start(_, request) => request,
        other => panic!("{other:?}"),
    }
}

fn open(connection: &mut Connection, window: u32) -> Vec<u8> {
    let mut message = alloc::vec![message::CHANNEL_OPEN];
    message.put_string(b"session");
    message.put_u32(77);
    message.put_u32(window);
    message.put_u32(500);
    reply(connection, &message)
}

fn reply(connection: &mut Connection, message: &[u8]) -> Vec<u8> {
    connection.message(message).unwrap().unwrap().0
}

fn data(id: u32, count: usize) -> Vec<u8> {
    let mut message = to_peer(message::CHANNEL_DATA, id);
    message.put_string(&alloc::vec![0; count]);
    message
}

fn request(id: u32, name: &[u8]) -> Vec<u8> {
    let mut message = to_peer(message::CHANNEL_REQUEST, id);
    message.put_string(name);
    message.put_bool(true);
    message
}

#[test]
fn only_so_many_channels() {
    let mut connection = connection();
    assert_eq!(
        open(&mut connection, 10)[0],
        message::CHANNEL_OPEN_CONFIRMATION
    );
    assert_eq!(
        open(&mut connection, 10)[0],
        message::CHANNEL_OPEN_CONFIRMATION
    );
    assert_eq!(open(&mut connection, 10)[0], message::CHANNEL_OPEN_FAILURE);
    let closing = to_peer(message::CHANNEL_CLOSE, 0);
    assert_eq!(reply(&mut connection, &closing)[0], message::CHANNEL_CLOSE);
    assert_eq!(
        open(&mut connection, 10)[0],
        message::CHANNEL_OPEN_CONFIRMATION
    );
}

#[test]
fn the_window_binds_the_client_and_is_given_back() {
    let mut connection = connection();
    open(&mut connection, 10);
    assert!(connection.message(&data(0, 600)).is_ok());
    assert!(connection.message(&data(0, 401)).is_err());
    assert!(connection.message(&data(0, 400)).is_ok());
    assert!(connection.message(&data(0, 1)).is_err());
    let id = ChannelId(0);
    assert!(connection.consumed(id, 249).is_empty());
    assert_eq!(
        connection.consumed(id, 1)[0],
        message::CHANNEL_WINDOW_ADJUST
    );
    assert!(connection.message(&data(0, 250)).is_ok());
    assert!(connection.message(&data(0, 1)).is_err());
}

#[test]
fn the_client_s_window_cannot_overflow() {
    let mut connection = connection();
    open(&mut connection, u32::MAX - 1);
    let mut more = to_peer(message::CHANNEL_WINDOW_ADJUST, 0);
    more.put_u32(1);
    assert!(connection.message(&more).is_ok());
    assert!(connection.message(&more).is_err());
}

#[test]
fn one_program_for_each_channel() {
    let mut connection = connection();
    open(&mut connection, 10);
    let shell = request(0, b"shell");
    let first = connection.message(&shell).unwrap().unwrap();
    assert!(matches!(first.1, Effect::Start(ChannelId(0), _)));
    assert_eq!(reply(&mut connection, &shell)[0], message::CHANNEL_FAILURE);
    assert_eq!(
        connection.started(ChannelId(0), true)[0],
        message::CHANNEL_SUCCESS
    );
    assert_eq!(reply(&mut connection, &shell)[0], message::CHANNEL_FAILURE);
}

#[test]
fn a_close_is_answered_after_the_program_s_end() {
    let mut connection = connection();
    open(&mut connection, 10);
    let id = ChannelId(0);
    let shell = request(0, b"shell");
    connection.message(&shell).unwrap();
    let closing = to_peer(message::CHANNEL_CLOSE, 0);
    let (reply, effect) = connection.message(&closing).unwrap().unwrap();
    assert!(reply.is_empty() && matches!(effect, Effect::Abandoned(ChannelId(0))));
    // It was the client's last word, and no more is sent but the end.
    assert!(connection.message(&closing).is_err());
    assert!(connection.message(&shell).is_err());
    assert!(connection.message(&data(0, 1)).is_err());
    connection.started(id, true);
    assert_eq!(connection.channel(id).unwrap().room(), 0);
    assert!(connection.output_end(id).is_empty());
    assert!(connection.consumed(id, 1000).is_empty());
    assert_eq!(connection.close_from_here(id)[0], message::CHANNEL_CLOSE);
    assert!(connection.channel(id).is_none());
}

#[test]
fn a_forced_command_runs_instead_of_any() {
    let options = KeyOptions {
        command: Some(b"forced".to_vec()),
        no_pty: true,
        environment: alloc::vec![(b"A".to_vec(), b"1".to_vec())],
        ..KeyOptions::default()
    };
    for permitted in [false, true] {
        let mut connection = connection_of(options.clone(), |config| {
            config.permit_user_environment = permitted;
        });
        open(&mut connection, 10);
        open(&mut connection, 10);
        let mut pty = request(0, b"pty-req");
        pty.put_string(b"xterm");
        pty.put_bytes(&[0; 16]);
        pty.put_string(b"");
        assert_eq!(reply(&mut connection, &pty)[0], message::CHANNEL_FAILURE);
        let request_0 = start_of(&mut connection, &exec(0, b"asked for"));
        assert_eq!(request_0.command.as_deref(), Some(&b"forced"[..]));
        assert_eq!(
            request_0.original_command.as_deref(),
            Some(&b"asked for"[..])
        );
        assert_eq!((request_0.user.as_str(), request_0.pty), ("root", None));
        assert_eq!(request_0.key_environment.len(), usize::from(permitted));
        let request_1 = start_of(&mut connection, &request(1, b"shell"));
        assert_eq!(request_1.command.as_deref(), Some(&b"forced"[..]));
        assert_eq!(request_1.original_command, None);
    }
}

fn direct(host: &str, port: u32) -> Vec<u8> {
    let mut message = alloc::vec![message::CHANNEL_OPEN];
    message.put_string(b"direct-tcpip");
    for number in [5, 100, 100] {
        message.put_u32(number);
    }
    message.put_string(host.as_bytes());
    message.put_u32(port);
    message.put_string(b"127.0.0.1");
    message.put_u32(99);
    message
}

#[test]
fn a_connection_is_confirmed_once_it_is_made() {
    let mut connection = connection();
    for made in [false, true] {
        let (reply, effect) = connection.message(&direct("host", 80)).unwrap().unwrap();
        assert!(reply.is_empty());
        let Effect::Connect(id, request) = effect else {
            panic!("{effect:?}");
        };
        let (host, port) = ("host".into(), 80);
        assert_eq!(request.to, crate::forward::Destination::Tcp { host, port });
        // The client does not know the channel yet.
        assert!(connection.message(&data(0, 1)).is_err());
        let answer = connection.started(id, made);
        let expected = match made {
            true => message::CHANNEL_OPEN_CONFIRMATION,
            false => message::CHANNEL_OPEN_FAILURE,
        };
        assert_eq!(answer[0], expected);
        assert_eq!(connection.channel(id).is_some(), made);
    }
    assert!(connection.message(&data(0, 1)).is_ok());
    let shell = request(0, b"shell");
    assert_eq!(reply(&mut connection, &shell)[0], message::CHANNEL_FAILURE);
}

#[test]
fn where_a_key_may_lead() {
    let with = |permit_open: &[&str], no_port_forwarding| KeyOptions {
        permit_open: permit_open.iter().map(|text| text.to_string()).collect(),
        no_port_forwarding,
        ..KeyOptions::default()
    };
    for (options, host, port, allowed) in [
        (with(&[], false), "host", 80, true),
        (with(&[], false), "host", 0, false),
        (with(&[], false), "host", 65_536, false),
        (with(&[], true), "host", 80, false),
        (with(&["Host:80", "[::1]:*"], false), "host", 80, true),
        (with(&["host:80", "[::1]:*"], false), "host", 81, false),
        (with(&["host:80", "[::1]:*"], false), "::1", 9, true),
        (with(&["*:22"], false), "x", 22, true),
        (with(&["host:80"], true), "host", 80, false),
    ] {
        let mut connection = connection_of(options, |_| {});
        let (reply, effect) = connection.message(&direct(host, port)).unwrap().unwrap();
        let is_allowed = matches!(effect, Effect::Connect(..));
        assert_eq!(is_allowed, allowed, "{host}:{port}");
        assert_eq!(reply.is_empty(), allowed);
    }
    let mut connection = connection_of(KeyOptions::default(), |config| {
        config.permit_forwarding = false;
    });
    let refused = reply(&mut connection, &direct("host", 80));
    assert_eq!(refused[0], message::CHANNEL_OPEN_FAILURE);
}

#[test]
fn only_listed_variables_are_taken() {
    let mut connection = connection();
    open(&mut connection, 10);
    for (name, taken) in [
        ("LANG", true),
        ("LC_ALL", true),
        ("COLORTERM", true),
        ("LD_PRELOAD", false),
        ("PATH", false),
        ("LANGX", false),
        ("lang", false),
        ("LC_A=", false),
    ] {
        let mut message = request(0, b"env");
        message.put_string(name.as_bytes());
        message.put_string(b"value");
        let answer = match taken {
            true => message::CHANNEL_SUCCESS,
            false => message::CHANNEL_FAILURE,
        };
        assert_eq!(reply(&mut connection, &message)[0], answer, "{name}");
    }
    let request = start_of(&mut connection, &exec(0, b"x"));
    assert_eq!(request.environment.len(), 3);
}

#[test]
fn all_windows_are_bounded_together() {
    let mut connection = connection_of(KeyOptions::default(), |config| {
        *config = Config::new(crate::keys::HostKey::from_seed(&[1; 32]));
    });
    let Config {
        window,
        least_window,
        total_window,
        max_channels,
        ..
    } = *connection.config;
    for _ in 0..3 {
        let granted = |connection: &Connection| {
            let open = connection.channels.iter().flatten();
            open.map(|channel| channel.limit).collect::<Vec<_>>()
        };
        for _ in 0..max_channels {
            open(&mut connection, 10);
        }
        let granted = granted(&connection);
        assert_eq!((granted.len(), granted[0]), (max_channels, window));
        assert!(granted.iter().all(|granted| *granted >= least_window));
        assert!(granted.iter().sum::<u32>() <= total_window);
        for id in 0..max_channels as u32 {
            let close = to_peer(message::CHANNEL_CLOSE, id);
            connection.message(&close).unwrap();
        }
    }
}

#[test]
fn no_data_after_the_end() {
    let mut connection = connection();
    open(&mut connection, 10);
    assert!(
        connection
            .message(&to_peer(message::CHANNEL_EOF, 0))
            .is_ok()
    );
    assert!(connection.message(&data(0, 1)).is_err());
}

proptest! {
    #[test]
    fn any_messages_end_well(
        messages in prop::collection::vec(
            (80u8..101, 0u32..3, prop::collection::vec(any::<u8>(), 0..60)), 0..40),
    ) {
        let mut connection = connection();
        open(&mut connection, 10);
        for (kind, id, rest) in messages {
            let mut message = to_peer(kind, id);
            message.put_bytes(&rest);
            if connection.message(&message).is_err() {
                break;
            }
        }
    }

    #[test]
    fn any_requests_end_well(
        name in prop::sample::select(alloc::vec!["pty-req", "env", "exec", "window-change", "signal"]),
        rest in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut connection = connection();
        open(&mut connection, 10);
        let mut message = request(0, name.as_bytes());
        message.put_bytes(&rest);
        let _ = connection.message(&message);
    }
}
