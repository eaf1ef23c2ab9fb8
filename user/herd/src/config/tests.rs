//! Definitions, good and bad.

use super::*;

fn parse(text: &str) -> Result<Service, ConfigError> {
    Service::parse(Path::new("x.conf"), text)
}

#[test]
fn a_command_is_enough() {
    let service = parse("command = 'httpd -f -h \"/srv/my www\"'").unwrap();
    assert_eq!(service.command.0, ["httpd", "-f", "-h", "/srv/my www"]);
    assert_eq!(service.restart, Restart::OnFailure);
    assert_eq!(service.stop_signal, Signal::TERM);
}

#[test]
fn every_key_is_read() {
    let text = "command = ['a', 'b c']\ncwd = '/tmp'\nuser = 'www'\nrestart = 'on-failure'\n\
        backoff = '50ms..2s'\nmax_retries = 5\nsuccess_exit = [3, 'HUP']\nhealthy_after = 300\n\
        stop_signal = 'SIGINT'\nstop_timeout = '1m'\nafter = ['net']\n\
        [env]\nA = 'b'\n[log]\nmax_size = '64K'\nkeep = 2\n";
    let service = parse(text).unwrap();
    assert_eq!(service.command.0, ["a", "b c"]);
    assert_eq!(service.healthy_after, Millis(300));
    assert_eq!(service.stop_timeout, Millis(60_000));
    assert_eq!(service.log.max_size, Size(64 << 10));
    assert_eq!(service.after.0, ["net"]);
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, line, word) in [
        (
            "command = 'a'\nrestart = 'allways'\n",
            2,
            "did you mean \"always\"?",
        ),
        ("command = 'a'\n\nstop_timeout = '5x'\n", 3, "5x"),
        ("command = 'a'\nstop_signal = 'NOPE'\n", 2, "NOPE"),
        (
            "command = 'a'\ncomand = 'b'\n",
            2,
            "did you mean \"command\"?",
        ),
        ("command = ''\n", 1, "empty"),
        ("command = 'a \"b'\n", 1, "quote"),
        ("command = 'a'\n[log]\nmax_size = '1K'\n", 3, "16K"),
        ("command = 'a'\nafter = ['../x']\n", 2, "../x"),
        ("command = 'a'\nenv = [", 2, ""),
        ("command = \"a", 1, ""),
    ] {
        let error = parse(text).unwrap_err();
        let mistake = error
            .mistakes
            .iter()
            .find(|mistake| mistake.line == Some(line));
        let message = mistake
            .map(|mistake| mistake.message.as_str())
            .unwrap_or_default();
        assert!(
            mistake.is_some() && message.contains(word),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn rules_across_keys_are_checked() {
    assert!(parse("command = 'a'\ncwd = 'x'").is_err());
    assert!(parse("command = 'a'\nbackoff = '2m..1m'").is_err());
    for (line, word) in [
        ("stop_timeout = '6m'", "300 s"),
        ("start_timeout = 0", "no time"),
        ("nofile = 3", "16"),
        ("groups = ['a']", "with a user"),
        ("restart = 'never'\nmax_retries = 1", "no use"),
        ("restart = 'always'\nsuccess_exit = [1]", "no use"),
        ("env_file = 'x'", "absolute"),
        ("umask = '1777'", "777"),
    ] {
        let error = parse(&format!("command = 'a'\n{line}")).unwrap_err();
        assert!(error.mistakes[0].line.is_some(), "{error}");
        assert!(error.to_string().contains(word), "{line}: {error}");
    }
    assert!(parse("command = 'a'\n[env]\n'A=B' = 'x'").is_err());
}

#[test]
fn names_are_plain() {
    assert!(valid_name("web-1.a_b"));
    for bad in ["", ".x", "-x", "a/b", "a b", "\u{e9}", &"x".repeat(65)] {
        assert!(!valid_name(bad), "{bad:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "command = ''\nrestart = 'alwys'\ncwd = '/'\nrestart_delay = '1s'\nafetr = ['x']\n\
        [log]\nkep = 3\nmax_size = 'x'\n";
    let error = parse(text).unwrap_err();
    let lines: Vec<usize> = error.mistakes.iter().filter_map(|m| m.line).collect();
    assert_eq!(lines, [1, 2, 4, 5, 7, 8], "{error}");
    let text = error.to_string();
    for words in [
        "x.conf:2: unknown variant `alwys`",
        "did you mean \"always\"?",
        "restart_delay: it is the first time of backoff",
        "x.conf:5: unknown key afetr, did you mean \"after\"?",
        "x.conf:7: unknown key kep, did you mean \"keep\"?",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(text.lines().count(), 6, "{text}");
    let error = parse("user = 'x'\nuser = 'y'\n").unwrap_err();
    assert!(error.to_string().contains("x.conf:2: "), "{error}");
    let error = parse("user = 'x'").unwrap_err();
    assert!(
        error.to_string().contains("missing field `command`"),
        "{error}"
    );
}
