use super::command::parse;
use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Counts down from a number, one line a step, or waits for ever.
#[derive(Default)]
struct Fake {
    begun: Vec<Command>,
    left: usize,
    hangs: bool,
}

impl Machine for Fake {
    fn begin(&mut self, command: Command) {
        self.hangs = command == Command::Sync;
        self.left = 3;
        self.begun.push(command);
    }

    fn step(&mut self, _cx: &mut Context<'_>, out: &mut Text<'_>) -> Poll<Step> {
        if self.hangs {
            return Poll::Pending;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(Step::Done(7));
        };
        self.left = left;
        let _ = writeln!(out, "line {left}\u{1b}[2J");
        Poll::Ready(Step::More)
    }
}

type Tested = Monitor<Fake>;

fn read(monitor: &mut Tested) -> (String, bool) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut text = Vec::new();
    loop {
        let mut buffer = [0; 100];
        match monitor.poll_stdout(&mut cx, &mut buffer) {
            Poll::Ready(Ok(0)) => return (String::from_utf8(text).unwrap(), true),
            Poll::Ready(Ok(count)) => text.extend_from_slice(&buffer[..count]),
            Poll::Ready(Err(_)) => panic!("stdout fails"),
            Poll::Pending => return (String::from_utf8(text).unwrap(), false),
        }
    }
}

fn errors(monitor: &mut Tested) -> String {
    let mut cx = Context::from_waker(Waker::noop());
    let mut buffer = [0; 400];
    match monitor.poll_stderr(&mut cx, &mut buffer) {
        Poll::Ready(Ok(count)) => String::from_utf8_lossy(&buffer[..count]).to_string(),
        _ => String::new(),
    }
}

/// Types everything, reading what comes meanwhile.
fn type_in(monitor: &mut Tested, mut bytes: &[u8]) -> String {
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = String::new();
    let mut idle = 0;
    while !bytes.is_empty() && idle < 3 {
        match monitor.poll_stdin(&mut cx, bytes) {
            Poll::Ready(Ok(count)) => bytes = &bytes[count..],
            _ => idle += 1,
        }
        seen += &read(monitor).0;
    }
    seen
}

fn exit(monitor: &mut Tested) -> Option<ExitStatus> {
    match monitor.poll_exit(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(status) => Some(status),
        Poll::Pending => None,
    }
}

#[test]
fn lines_are_commands_or_say_what_is_wrong() {
    for (line, command) in [
        ("status", Command::Status),
        ("  dmesg   20 ", Command::Dmesg(Some(20))),
        ("dmesg", Command::Dmesg(None)),
        ("herd", Command::Herd),
        ("herd restart", Command::RestartHerd),
        ("restart herd", Command::RestartHerd),
        (
            "kill 17",
            Command::Kill {
                pid: 17,
                signal: 15,
            },
        ),
        ("kill -9 17", Command::Kill { pid: 17, signal: 9 }),
        (
            "kill 17 sigusr1",
            Command::Kill {
                pid: 17,
                signal: 10,
            },
        ),
        ("reboot now", Command::Reboot { at_once: true }),
        ("quit", Command::Exit),
    ] {
        assert_eq!(parse(line), Ok(Some(command)), "{line}");
    }
    assert_eq!(parse(" \t"), Ok(None));
    for (line, reason) in [
        ("stauts", "did you mean \"status\"?"),
        ("ls -l", "this is no shell"),
        ("kill", "kill PID [SIGNAL]"),
        ("kill 0", "kill PID [SIGNAL]"),
        ("kill x", "PID is not a number: x"),
        ("kill 1 2 3", "kill PID [SIGNAL]"),
        ("kill 5 KLIL", "did you mean \"KILL\"?"),
        ("kill 5 99", "no signal is called 99"),
        ("dmesg many", "LINES is not a number"),
        ("herd restrat", "did you mean \"restart\"?"),
        ("reboot nwo", "did you mean \"now\"?"),
        ("restart httpd", "only herd"),
        ("sync now", "nothing may follow here: now"),
    ] {
        let told = parse(line).unwrap_err();
        assert!(told.contains(reason), "{line}: {told}");
    }
}

#[test]
fn a_terminal_is_asked_and_echoed() {
    let mut monitor = Monitor::new(Fake::default(), true, "The disk is gone.\n");
    let (greeting, _) = read(&mut monitor);
    assert!(greeting.starts_with("The disk is gone.\r\n"), "{greeting}");
    assert!(greeting.ends_with(".\r\nmonitor> "), "{greeting}");
    assert_eq!(
        type_in(&mut monitor, b"statux\x7fs\r"),
        "statux\x08 \x08s\r\nline 2?[2J\r\nline 1?[2J\r\nline 0?[2J\r\nmonitor> "
    );
    assert_eq!(monitor.machine.begun, [Command::Status]);
    // An arrow key does nothing; Ctrl-U, Ctrl-W and Ctrl-C edit.
    let seen = type_in(&mut monitor, b"\x1b[Ax y\x17\x15junk\x03");
    assert!(seen.ends_with("junk^C\r\nmonitor> "), "{seen:?}");
    assert!(type_in(&mut monitor, b"frob\r").contains("monitor: this is no shell"));
    assert_eq!(exit(&mut monitor), None);
    assert!(type_in(&mut monitor, b"help\n").contains("\r\nreboot [now] "));
    // A command that waits is given up, and what follows is seen.
    type_in(&mut monitor, b"sync\r");
    assert_eq!(type_in(&mut monitor, b"zzz\x03"), "^C\r\nmonitor> ");
    type_in(&mut monitor, b"\x04");
    assert!(exit(&mut monitor).is_some());
    assert!(read(&mut monitor).1, "standard output ends");
}

#[test]
fn one_command_ends_with_its_status() {
    let mut monitor = Monitor::once(Fake::default(), b"status");
    assert_eq!(exit(&mut monitor), None);
    let (text, over) = read(&mut monitor);
    assert_eq!(text, "line 2?[2J\nline 1?[2J\nline 0?[2J\n");
    assert!(over);
    assert_eq!(exit(&mut monitor), Some(ExitStatus::Code(7)));

    let mut wrong = Monitor::once(Fake::default(), b"ls /");
    assert!(errors(&mut wrong).contains("no command is called ls"));
    assert_eq!(exit(&mut wrong), Some(ExitStatus::Code(2)));
    let mut bytes = Monitor::once(Fake::default(), b"\xff");
    assert!(errors(&mut bytes).contains("ASCII"));

    let mut refused = Monitor::refusing(Fake::default(), 254, "no disk\n".into());
    assert_eq!(errors(&mut refused), "no disk\n");
    assert_eq!(exit(&mut refused), Some(ExitStatus::Code(254)));
}

#[test]
fn lines_come_through_a_pipe_too() {
    let mut monitor = Monitor::new(Fake::default(), false, "");
    let text = type_in(&mut monitor, b"status\nlocks\nmem");
    assert_eq!(text.matches("line 0").count(), 2, "{text}");
    assert!(!text.contains("monitor>"));
    monitor.close_stdin();
    assert!(errors(&mut monitor).contains("no command is called mem"));
    read(&mut monitor);
    assert_eq!(exit(&mut monitor), Some(ExitStatus::Code(2)));
}

#[test]
fn an_end_of_input_waits_for_the_command() {
    let mut monitor = Monitor::new(Fake::default(), false, "");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(monitor.poll_stdin(&mut cx, b"memory\n").is_ready());
    monitor.close_stdin();
    assert_eq!(exit(&mut monitor), None);
    assert_eq!(read(&mut monitor).0.lines().count(), 3);
    assert_eq!(exit(&mut monitor), Some(ExitStatus::Code(7)));
}

proptest! {
    #[test]
    fn any_input_is_taken(bytes in prop::collection::vec(any::<u8>(), 0..2000), terminal: bool) {
        let mut monitor = Monitor::new(Fake::default(), terminal, "");
        let seen = type_in(&mut monitor, &bytes);
        prop_assert!(seen.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | 8)));
    }

    #[test]
    fn any_line_is_read(line in ".{0,200}") {
        let _ = format!("{:?}", parse(&line));
    }
}
