use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

fn key(seed: u8) -> KeyData {
    let line = line(seed);
    PublicKey::from_openssh(&line).unwrap().key_data().clone()
}

fn line(seed: u8) -> String {
    let line = crate::keys::HostKey::from_seed(&[seed; 32]).public_line();
    line.trim().into()
}

fn request() -> AuthRequest {
    AuthRequest {
        user: "root".into(),
        key: key(1),
        certificate: None,
        is_signed: false,
    }
}

const NOON: u64 = 1_000_000_000;

fn origin(address: &str) -> Origin {
    Origin {
        address: address.parse().unwrap(),
        now: NOON,
    }
}

/// What the text says of key 1 from an address, and the bad lines.
fn search(text: &[u8], address: &str) -> (Result<KeyOptions, KeyRefusal>, Vec<BadLine>) {
    let mut bad = Vec::new();
    let found =
        AuthorizedKeys::new(text).search(&request(), &origin(address), |line| bad.push(line));
    (found, bad)
}

fn with_options(options: &str) -> Result<KeyOptions, String> {
    let text = format!("{options} {}", line(1));
    let (found, bad) = search(text.as_bytes(), "10.0.0.1");
    match bad.first() {
        Some(bad) => Err(bad.reason.to_string()),
        None => Ok(found.unwrap()),
    }
}

#[test]
fn keys_comments_and_options() {
    let text = format!(
        "\u{feff}# people\n\n{}\r\n  {} a comment of several words\nno-port-forwarding,pty {} x\n",
        line(3),
        line(2),
        line(1)
    );
    assert_eq!(AuthorizedKeys::new(text.as_bytes()).count(), (3, 0));
    let (found, _) = search(text.as_bytes(), "::1");
    let options = found.unwrap();
    assert!(options.no_port_forwarding && !options.no_pty);
}

#[test]
fn one_bad_line_spoils_nothing_else() {
    let mut text =
        b"ssh-ed25519 AAAAnonsense\nrubb\xff\xfeish\nssh-rsa\n\0\nfuture=\"1\" ".to_vec();
    text.extend_from_slice(line(1).as_bytes());
    text.extend_from_slice(b"\nssh-\xc3\x28 AAAA\n");
    text.extend_from_slice(line(1).as_bytes());
    text.extend_from_slice(b" caf\xe9");
    let (found, bad) = search(&text, "10.0.0.1");
    assert_eq!(found, Ok(KeyOptions::default()));
    let lines: Vec<_> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        bad[4].reason,
        "unknown option `future`, so its key is refused"
    );
}

#[test]
fn a_restriction_is_never_dropped() {
    for options in [
        "principals=\"\"",
        "no-cert-authority",
        "no-restrict",
        "command=/bin/date",
        "command=\"a\"b",
        "command=\"a",
        "command=\"a\",command=\"b\"",
        "pty,",
        "pty,,pty",
        "expiry-time=\"tomorrow\"",
        "expiry-time=\"20300230\"",
        "from=\"10.0.0.1/8\"",
        "from=\"10.0.0.0/33\"",
        "environment=\"A\"",
        "environment=\"A B=1\"",
        "permitopen=\"host\"",
        "permitopen=\"host:0\"",
        "no-ptyx",
    ] {
        assert!(with_options(options).is_err(), "{options}");
    }
}

#[test]
fn what_options_ask_for() {
    let restricted = with_options("restrict").unwrap();
    assert!(restricted.no_pty && restricted.no_port_forwarding && restricted.no_user_rc);
    assert!(restricted.no_agent_forwarding && restricted.no_x11_forwarding);
    // The order counts.
    assert!(!with_options("restrict,PTY").unwrap().no_pty);
    assert!(with_options("pty,restrict").unwrap().no_pty);
    let forced = with_options(r#"command="/bin/date , \"ssh-ed25519\" \n""#).unwrap();
    assert_eq!(
        forced.command.as_deref(),
        Some(&br#"/bin/date , "ssh-ed25519" \n"#[..])
    );
    let variables = with_options(r#"environment="A=1",environment="A=2",environment="B=""#);
    assert_eq!(
        variables.unwrap().environment,
        [(b"A".to_vec(), b"1".to_vec()), (b"B".to_vec(), Vec::new())]
    );
    let ports = with_options(r#"permitopen="a:1",permitopen="[::1]:*",permitlisten="8080""#);
    let ports = ports.unwrap();
    assert_eq!(ports.permit_open, ["a:1", "[::1]:*"]);
    assert_eq!(ports.permit_listen, ["8080"]);
}

#[test]
fn an_expired_key_is_refused() {
    let refused = |time: &str| {
        let text = format!("expiry-time=\"{time}\" {}", line(1));
        search(text.as_bytes(), "10.0.0.1").0.err()
    };
    // 2001-09-09 01:46:40 UTC is a thousand million seconds.
    assert_eq!(refused("20010909014640Z"), Some(KeyRefusal::Expired));
    assert_eq!(refused("20010909014641"), None);
    assert_eq!(refused("200109090146"), Some(KeyRefusal::Expired));
    assert_eq!(refused("20010909"), Some(KeyRefusal::Expired));
    assert_eq!(refused("20010910"), None);
    assert_eq!(expiry::parse(b"20240229"), Some(1_709_164_800));
    assert_eq!(expiry::parse(b"21000229"), None);
}

#[test]
fn where_a_key_may_come_from() {
    for (from, address, allowed) in [
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1", "10.0.0.11", false),
        ("10.0.0.*", "10.0.0.77", true),
        ("10.0.0.?", "10.0.0.77", false),
        ("10.0.0.0/8", "10.9.9.9", true),
        ("10.0.0.0/8,192.168.7.0/24", "192.168.7.9", true),
        ("10.0.0.0/8,!10.1.0.0/16", "10.1.2.3", false),
        ("!10.1.0.0/16,10.0.0.0/8", "10.2.2.3", true),
        ("!10.1.0.0/16", "10.2.2.3", false),
        ("0.0.0.0/0", "8.8.8.8", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "fe80::1", true),
        ("10.0.0.1", "::ffff:10.0.0.1", true),
        ("example.org,*.lan", "10.0.0.1", false),
        ("*", "fe80::1", true),
    ] {
        let text = format!("from=\"{from}\" {}", line(1));
        let (found, bad) = search(text.as_bytes(), address);
        assert_eq!(bad, [], "{from}");
        let expected = match allowed {
            true => Ok(KeyOptions::default()),
            false => Err(KeyRefusal::OtherOrigin),
        };
        assert_eq!(found, expected, "{from} {address}");
    }
}

#[test]
fn a_later_line_may_let_in_what_an_earlier_one_refuses() {
    let text = format!("from=\"10.9.9.9\" {0}\nno-pty {0}\n{0}\n", line(1));
    assert!(search(text.as_bytes(), "10.0.0.1").0.unwrap().no_pty);
}

proptest! {
    #[test]
    fn any_bytes_end_well(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = search(&text, "10.0.0.1");
    }

    #[test]
    fn any_bytes_before_a_good_line_leave_it_good(
        mut text in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        text.push(b'\n');
        text.extend_from_slice(line(1).as_bytes());
        prop_assert!(search(&text, "10.0.0.1").0.is_ok());
    }

    #[test]
    fn any_options_restrict_or_refuse(options in "[a-z=\",/ !*.:0-9-]{1,60}") {
        let _ = with_options(&options);
    }

    #[test]
    fn patterns_end_well(list in "[*?!,./0-9a:]{0,60}", address in any::<u128>()) {
        let address = IpAddr::V6(core::net::Ipv6Addr::from_bits(address));
        origin::matches(list.as_bytes(), address);
    }
}
