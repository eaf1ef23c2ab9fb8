use super::*;
use proptest::prelude::*;

struct Terminal {
    line: Discipline,
    out: Ring,
    signals: Signals,
}

impl Terminal {
    fn new() -> Terminal {
        Terminal {
            line: Discipline::new(),
            out: Ring::new(65536),
            signals: Signals::default(),
        }
    }

    fn with(change: impl FnOnce(&mut Termios)) -> Terminal {
        let mut terminal = Terminal::new();
        terminal.set(change);
        terminal
    }

    fn set(&mut self, change: impl FnOnce(&mut Termios)) {
        let mut termios = *self.line.termios();
        change(&mut termios);
        self.line.set_termios(termios);
    }

    fn types(&mut self, bytes: &[u8]) -> String {
        let taken = self.line.input(bytes, &mut self.out, &mut self.signals);
        assert_eq!(taken, bytes.len());
        self.screen()
    }

    fn screen(&mut self) -> String {
        let mut buf = [0; 65536];
        let count = self.out.pop(&mut buf);
        String::from_utf8_lossy(&buf[..count]).into_owned()
    }

    fn prints(&mut self, bytes: &[u8]) -> String {
        assert_eq!(self.line.output(bytes, &mut self.out), bytes.len());
        self.screen()
    }

    fn reads(&mut self) -> Option<String> {
        let mut buf = [0; 65536];
        match self.line.read(&mut buf) {
            TryRead::Data(count) => Some(String::from_utf8_lossy(&buf[..count]).into_owned()),
            _ => None,
        }
    }
}

fn raw(termios: &mut Termios) {
    termios.c_iflag = 0;
    termios.c_lflag = 0;
}

#[test]
fn a_line_is_read_when_it_is_finished() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"ls"), "ls");
    assert!(!terminal.line.can_read());
    assert_eq!(terminal.types(b"\rpwd\r"), "\r\npwd\r\n");
    assert_eq!(terminal.line.readable(), 7);
    assert_eq!(terminal.reads().as_deref(), Some("ls\n"));
    assert_eq!(terminal.reads().as_deref(), Some("pwd\n"));
    assert_eq!(terminal.reads(), None);
}

#[test]
fn mistakes_can_be_erased() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"ab\x7f"), "ab\x08 \x08");
    assert_eq!(terminal.types(b"\x7f\x7f"), "\x08 \x08");
    assert_eq!(
        terminal.types(b"one two \x17"),
        "one two \x08 \x08\x08 \x08\x08 \x08\x08 \x08"
    );
    assert_eq!(terminal.types(b"\x15"), "\x08 \x08".repeat(4));
    assert_eq!(terminal.types(b"\x01\x7f"), "^A\x08 \x08\x08 \x08");
    assert_eq!(terminal.types(b"\n"), "\r\n");
    assert_eq!(terminal.reads().as_deref(), Some("\n"));
}

#[test]
fn a_tab_is_erased_as_wide_as_it_was() {
    let mut terminal = Terminal::new();
    terminal.prints(b"$ ");
    assert_eq!(
        terminal.types(b"a\t\x7f"),
        format!("a\t{}", "\x08 \x08".repeat(5))
    );
}

#[test]
fn a_character_of_several_bytes_is_one() {
    let mut terminal = Terminal::with(|termios| termios.c_iflag |= IUTF8);
    assert_eq!(terminal.types("é\x7f".as_bytes()), "é\x08 \x08");
    terminal.types(b"\n");
    assert_eq!(terminal.reads().as_deref(), Some("\n"));
}

#[test]
fn end_of_file_ends_what_there_is() {
    let mut terminal = Terminal::new();
    terminal.types(b"half\x04");
    assert_eq!(terminal.reads().as_deref(), Some("half"));
    terminal.types(b"\x04");
    assert!(terminal.line.can_read());
    assert_eq!(terminal.reads().as_deref(), Some(""));
    assert_eq!(terminal.reads(), None);
}

#[test]
fn short_reads_take_a_line_piece_by_piece() {
    let mut terminal = Terminal::new();
    terminal.types(b"abcdef\n\x04");
    let mut buf = [0; 4];
    assert_eq!(terminal.line.read(&mut buf), TryRead::Data(4));
    assert_eq!(terminal.line.read(&mut buf), TryRead::Data(3));
    assert_eq!(&buf[..3], b"ef\n");
    assert_eq!(terminal.line.read(&mut buf), TryRead::Data(0));
}

#[test]
fn control_characters_signal_and_flush() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"abc\x03"), "^C");
    assert_eq!(terminal.signals, Signals(1 << SIGINT));
    assert_eq!(terminal.types(b"\n"), "\r\n");
    assert_eq!(terminal.reads().as_deref(), Some("\n"));
    terminal.set(|termios| termios.c_lflag |= NOFLSH);
    terminal.types(b"abc\x1c\x1a\n");
    assert_eq!(
        terminal.signals.iter().collect::<Vec<_>>(),
        [SIGINT, SIGQUIT, SIGTSTP]
    );
    assert_eq!(terminal.reads().as_deref(), Some("abc\n"));
    terminal.set(|termios| termios.c_lflag &= !ISIG);
    terminal.types(b"\x03\n");
    assert_eq!(terminal.reads().as_deref(), Some("\x03\n"));
}

#[test]
fn the_next_byte_can_be_literal() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"\x16\x03"), "^\x08^C");
    terminal.types(b"\n");
    assert_eq!(terminal.reads().as_deref(), Some("\x03\n"));
    assert_eq!(terminal.signals, Signals(0));
}

#[test]
fn output_can_be_held() {
    let mut terminal = Terminal::new();
    terminal.types(b"\x13");
    assert!(terminal.line.stopped());
    terminal.types(b"\x11");
    assert!(!terminal.line.stopped());
    terminal.types(b"\x13");
    terminal.set(raw);
    assert!(!terminal.line.stopped());
}

#[test]
fn passwords_are_not_shown() {
    let mut terminal = Terminal::with(|termios| termios.c_lflag &= !ECHO);
    assert_eq!(terminal.types(b"secret\x7f\n"), "");
    terminal.set(|termios| termios.c_lflag |= ECHONL);
    assert_eq!(terminal.types(b"x\n"), "\r\n");
    assert_eq!(terminal.reads().as_deref(), Some("secre\n"));
}

#[test]
fn output_is_processed() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.prints(b"a\nb\r\tc"), "a\r\nb\r\tc");
    terminal.set(|termios| termios.c_oflag |= XTABS);
    assert_eq!(terminal.prints(b"\nab\tc"), "\r\nab      c");
    terminal.set(|termios| termios.c_oflag = 0);
    assert_eq!(terminal.prints(b"a\n\t"), "a\n\t");
    terminal.set(|termios| termios.c_oflag = OPOST | OCRNL | OLCUC);
    assert_eq!(terminal.prints(b"ab\r"), "AB\n");
}

#[test]
fn output_stops_at_a_full_buffer_and_never_splits() {
    let mut line = Discipline::new();
    let mut out = Ring::new(12);
    assert_eq!(line.output(b"abc\n", &mut out), 4);
    assert_eq!(line.output(b"\n", &mut out), 0);
    assert_eq!(line.output(b"defghijk", &mut out), 7);
    assert_eq!(out.room(), 0);
}

#[test]
fn raw_reads_follow_min_and_time() {
    let mut terminal = Terminal::with(raw);
    assert_eq!(terminal.types(b"\x03\r"), "");
    assert_eq!(terminal.reads().as_deref(), Some("\x03\r"));
    assert_eq!(terminal.reads(), None);
    terminal.set(|termios| termios.c_cc[VMIN] = 0);
    assert_eq!(terminal.reads().as_deref(), Some(""));
    terminal.set(|termios| termios.c_cc[VMIN] = 3);
    terminal.types(b"ab");
    assert!(!terminal.line.can_read());
    assert_eq!(terminal.reads(), None);
    terminal.types(b"c");
    assert_eq!(terminal.reads().as_deref(), Some("abc"));
    terminal.set(|termios| (termios.c_cc[VMIN], termios.c_cc[VTIME]) = (0, 5));
    assert_eq!(terminal.line.read_timeout(), Some(500_000_000));
    assert_eq!(terminal.reads(), None);
}

#[test]
fn input_survives_a_change_of_mode() {
    let mut terminal = Terminal::new();
    terminal.types(b"one\ntwo");
    terminal.set(|termios| termios.c_lflag &= !ICANON);
    assert_eq!(terminal.reads().as_deref(), Some("one\ntwo"));
    terminal.types(b"three");
    terminal.set(|termios| termios.c_lflag |= ICANON);
    assert_eq!(terminal.reads().as_deref(), Some("three"));
}

#[test]
fn a_line_has_an_end_and_can_always_be_finished() {
    let mut terminal = Terminal::new();
    for _ in 0..INPUT_MAX + 100 {
        terminal.types(b"x");
    }
    terminal.types(b"\n");
    assert_eq!(terminal.reads().unwrap().len(), LINE_MAX + 1);
    let mut terminal = Terminal::with(raw);
    let many = vec![b'y'; INPUT_MAX + 10];
    let taken = terminal
        .line
        .input(&many, &mut terminal.out, &mut terminal.signals);
    assert_eq!(taken, INPUT_MAX);
}

proptest! {
    /// Without control characters, what is typed in raw mode is what is read,
    /// and in canonical mode too, line by line.
    #[test]
    fn text_comes_through(text in "[ -~\n]{0,300}", canonical in any::<bool>()) {
        let mut terminal = Terminal::new();
        if !canonical {
            terminal.set(raw);
        }
        terminal.types(text.as_bytes());
        if canonical {
            terminal.types(b"\n");
        }
        let mut got = String::new();
        while let Some(part) = terminal.reads() {
            prop_assert!(!canonical || part.matches('\n').count() == 1);
            got += &part;
        }
        let expected = if canonical { format!("{text}\n") } else { text };
        prop_assert_eq!(got, expected);
    }

    /// No input and no settings panic, and erasing everything leaves an
    /// empty line.
    #[test]
    fn anything_can_be_typed(bytes in proptest::collection::vec(any::<u8>(), 0..400),
                             iflag in any::<u32>(), oflag in any::<u32>(), lflag in any::<u32>()) {
        let mut terminal = Terminal::with(|t| (t.c_iflag, t.c_oflag, t.c_lflag) = (iflag, oflag, lflag));
        terminal.line.input(&bytes, &mut terminal.out, &mut terminal.signals);
        terminal.line.output(&bytes, &mut terminal.out);
        while let Some(part) = terminal.reads() {
            if part.is_empty() && !terminal.line.can_read() { break; }
        }
        terminal.set(|t| *t = default_termios());
        terminal.line.flush_input();
        terminal.types(b"ok\n");
        prop_assert_eq!(terminal.reads().unwrap(), "ok\n");
    }
}
