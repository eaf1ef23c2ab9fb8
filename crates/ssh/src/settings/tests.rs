use super::*;
use crate::keys::HostKey;
use alloc::string::ToString;
use proptest::prelude::*;

fn mistakes(text: &str) -> Vec<String> {
    let wrong = Settings::read(text.as_bytes()).unwrap_err();
    wrong.iter().map(ToString::to_string).collect()
}

const FULL: &str = r#"
# everything
ports = [22, 2222]
addresses = ["10.0.2.15", "::1"]
banner = """
Private.
Go away."""
motd = false
allow_users = ["root", "dev-*"]
deny_users = ["dev-0?"]
permit_user_environment = true
permit_forwarding = false
[limits]
unauthenticated = 8
per_address = 2
grace_seconds = 60
tries = 6
sessions = 20
channels = 0x40
"#;

#[test]
fn every_setting_is_read() {
    let settings = Settings::read(FULL.as_bytes()).unwrap();
    assert_eq!(settings.banner.as_deref(), Some("Private.\r\nGo away.\r\n"));
    assert!(!settings.motd && !settings.permit_forwarding);
    assert_eq!(settings.ports, [22, 2222]);
    for (own, serves) in [
        ("10.0.2.15", true),
        ("::ffff:10.0.2.15", true),
        ("::1", true),
        ("127.0.0.1", false),
    ] {
        assert_eq!(settings.serves(own.parse().unwrap()), serves, "{own}");
    }
    for (user, may) in [
        ("root", true),
        ("dev-1", true),
        ("dev-05", false),
        ("guest", false),
    ] {
        assert_eq!(settings.allows(user), may, "{user}");
    }
    let mut config = Config::new(HostKey::from_seed(&[1; 32]));
    settings.apply(&mut config);
    assert_eq!(
        (
            config.login_grace_ms,
            config.max_auth_tries,
            config.max_channels
        ),
        (60_000, 6, 64)
    );
    let mut limits = AdmissionLimits::new(64);
    settings.limit(&mut limits);
    assert_eq!(
        (
            limits.pending,
            limits.early,
            limits.per_source,
            limits.sessions
        ),
        (8, 4, 2, 20)
    );
}

#[test]
fn nothing_is_the_default() {
    let settings = Settings::read(b"# nothing\n").unwrap();
    assert_eq!(settings, Settings::default());
    assert!(settings.serves("192.0.2.1".parse().unwrap()));
    assert!(settings.allows("anybody"));
    let mut config = Config::new(HostKey::from_seed(&[1; 32]));
    let before = alloc::format!("{config:?}");
    settings.apply(&mut config);
    assert_eq!(alloc::format!("{config:?}"), before);
}

#[test]
fn mistakes_are_told_with_their_lines() {
    assert_eq!(
        mistakes("motd = true\nprots = [22]\n[limits]\ntires = 3\nsessions = 65\n"),
        [
            "2: no setting is called prots, did you mean \"ports\"?",
            "4: no limit is called tires, did you mean \"tries\"?",
            "5: 65 is not between 4 and 64",
        ]
    );
    for (text, told) in [
        ("ports = 22", "1: a list in brackets is needed, not integer"),
        ("ports = []", "1: a port is needed: nobody could log in"),
        ("ports = [0]", "1: 0 is not between 1 and 65535"),
        ("ports = [-5]", "1: -5 is not between 1 and 65535"),
        ("ports = [5, 5]", "1: port 5 is given twice"),
        ("\nmotd = \"no\"", "2: true or false is needed, not string"),
        ("addresses = [\"eth0\"]", "1: not an address: eth0"),
        (
            "allow_users = [\"a,b\"]",
            "1: not a user's name or a pattern: a,b",
        ),
        (
            "banner = \"\\u001b[2J\"",
            "1: a banner has no control characters",
        ),
        ("limits = 3", "1: a section [limits] is needed"),
        (
            "[limits]\nper_address = 20",
            "1: per_address is more than unauthenticated",
        ),
        ("[[limits]]\n", "1: a section [limits] is needed"),
        ("a = [[[[[[[[[[[[[[[[[[]]", "1: brackets nest too deep"),
    ] {
        assert_eq!(mistakes(text), [told], "{text}");
    }
    assert_eq!(
        Settings::read(b"motd = true\n# \xff").unwrap_err()[0].to_string(),
        "2: not UTF-8 text"
    );
    let nine = (1..=9)
        .map(|port| port.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    assert!(mistakes(&alloc::format!("ports = [{nine}]"))[0].contains("too many"));
    // The grammar's own mistakes, whatever the parser calls them.
    for text in [
        "ports = [22",
        "motd = maybe",
        "= 3",
        "motd = true motd",
        "a = 1\na = 2",
    ] {
        let told = mistakes(text);
        assert!(
            told[0].starts_with("1: ") || told[0].starts_with("2: "),
            "{told:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_file_is_settings_or_mistakes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(wrong) = Settings::read(&bytes) {
            prop_assert!(!wrong.is_empty());
        }
    }

    #[test]
    fn a_damaged_file_is_too(at in 0..FULL.len(), byte in 0x20..0x7f_u8) {
        let mut bytes = FULL.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = Settings::read(&bytes);
        let _ = Settings::read(&bytes[..at]);
    }
}
