//! The server against the OpenSSH client.

mod host;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host::client::{Folder, Pair, complaints, keygen, output, output_of, text};
use paddock_ssh::{Ended, HostKey};

/// Bytes without a pattern that a lost or doubled block would keep.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..size.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(size).collect()
}

/// Waits until something holds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_command_and_its_status() {
    let pair = Pair::new();
    let done = pair.run(&[], "echo out; echo err >&2; exit 7");
    assert_eq!(complaints(&done), "err\n");
    assert_eq!(text(&done), "out\n");
    assert_eq!(done.status.code(), Some(7));
    eventually("the good-bye", || {
        matches!(
            pair.server.endings.lock().unwrap()[..],
            [Ended::ByPeer { code: 11, .. }]
        )
    });
    let log = pair.server.log.lock().unwrap();
    // That is told only if the keys are not agreed upon in the same round.
    let told: Vec<_> = log.iter().filter(|line| *line != "greeted").collect();
    let [keys, login, end] = told[..] else {
        panic!("{log:?}");
    };
    assert_eq!(keys, "keys agreed");
    assert!(login.starts_with("root logged in by publickey with SHA256:"));
    assert!(end.starts_with("root with SHA256:") && end.contains(" closed by the client: "));
}

#[test]
fn a_death_by_signal_is_told() {
    let pair = Pair::new();
    let done = pair.run(&["-v"], "kill -TERM $$");
    assert_eq!(done.status.code(), Some(255));
    let talk = complaints(&done);
    assert!(talk.contains("rtype exit-signal"), "{talk}");
}

#[test]
fn input_and_its_end_reach_the_program() {
    let pair = Pair::new();
    let mut ssh = pair.ssh(&[]);
    ssh.arg("sort; echo done");
    let done = output_of(ssh, b"pear\napple\n".to_vec());
    assert_eq!(text(&done), "apple\npear\ndone\n");
}

#[test]
fn output_goes_on_after_the_input_s_end_and_input_after_the_output_s() {
    let pair = Pair::new();
    let mut ssh = pair.ssh(&[]);
    ssh.arg("cat >/dev/null; sleep 0.2; echo late");
    assert_eq!(text(&output_of(ssh, b"x".to_vec())), "late\n");

    let mut ssh = pair.ssh(&[]);
    let file = pair.folder.0.join("kept");
    ssh.arg(format!("exec >&- 2>&-; cat > {}", file.display()));
    let done = output_of(ssh, b"all of it".to_vec());
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(std::fs::read(file).unwrap(), b"all of it");
}

#[test]
fn a_program_that_reads_no_input_does_not_hold_things_up() {
    let pair = Pair::new();
    let mut ssh = pair.ssh(&[]);
    ssh.arg("exec <&-; echo fine");
    let done = output_of(ssh, noise(8 << 20));
    assert_eq!(
        (text(&done).as_str(), done.status.code()),
        ("fine\n", Some(0))
    );

    let mut ssh = pair.ssh(&[]);
    ssh.arg("sleep 0.5; wc -c");
    let done = output_of(ssh, noise(5 << 20));
    assert_eq!(text(&done).trim(), (5 << 20).to_string());
}

#[test]
fn the_environment_is_passed_on() {
    let pair = Pair::new();
    let options = ["-o", "SetEnv=GREETING=hi LC_X=1 LANG=C LD_PRELOAD=x"];
    let done = pair.run(&options, "echo $GREETING $LC_X $LANG $LD_PRELOAD");
    assert_eq!(text(&done), "1 C\n");
}

#[test]
fn an_unknown_subsystem_is_refused_politely() {
    let pair = Pair::new();
    let mut ssh = pair.ssh(&["-s"]);
    ssh.arg("netconf");
    let done = output(ssh);
    assert_eq!(done.status.code(), Some(255));
    assert!(
        complaints(&done).contains("subsystem request failed"),
        "{}",
        complaints(&done)
    );
}

/// Two windows' worth and more in both directions at once.
fn through_cat(pair: &Pair, options: &[&str], size: usize) {
    let data = noise(size);
    let mut ssh = pair.ssh(options);
    ssh.arg("cat");
    let done = output_of(ssh, data.clone());
    assert_eq!(done.status.code(), Some(0), "{}", complaints(&done));
    assert_eq!(done.stdout.len(), data.len());
    assert!(done.stdout == data, "changed on the way");
}

#[test]
fn sixty_four_mebibytes_each_way() {
    through_cat(&Pair::new(), &[], 64 << 20);
}

#[test]
fn every_cipher_and_key_exchange() {
    let pair = Pair::new();
    for kex in [
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
    ] {
        for (cipher, mac) in [
            ("chacha20-poly1305@openssh.com", "hmac-sha1"),
            ("aes256-gcm@openssh.com", "hmac-sha1"),
            ("aes128-gcm@openssh.com", "hmac-sha1"),
            ("aes256-ctr", "hmac-sha2-256-etm@openssh.com"),
            ("aes128-ctr", "hmac-sha2-512-etm@openssh.com"),
            ("aes256-ctr", "hmac-sha2-256"),
            ("aes128-ctr", "hmac-sha2-512"),
        ] {
            let kex = format!("KexAlgorithms={kex}");
            through_cat(&pair, &["-o", &kex, "-c", cipher, "-m", mac], 300_000);
        }
    }
    let done = pair.run(&["-c", "aes128-cbc"], "true");
    assert!(
        complaints(&done).contains("no matching cipher"),
        "{}",
        complaints(&done)
    );
}

#[test]
fn the_client_asks_for_new_keys() {
    let pair = Pair::new();
    for cipher in [
        "chacha20-poly1305@openssh.com",
        "aes256-gcm@openssh.com",
        "aes256-ctr",
    ] {
        through_cat(&pair, &["-o", "RekeyLimit=1M", "-c", cipher], 6 << 20);
    }
}

#[test]
fn the_server_asks_for_new_keys() {
    let pair = Pair::with(&["ed25519"], usize::MAX, |config| {
        config.rekey_bytes = 1 << 20
    });
    for cipher in [
        "chacha20-poly1305@openssh.com",
        "aes256-gcm@openssh.com",
        "aes256-ctr",
    ] {
        through_cat(&pair, &["-c", cipher], 6 << 20);
    }
    through_cat(&pair, &["-o", "RekeyLimit=700K"], 6 << 20);
    let done = pair.run(&["-v"], "head -c 3000000 /dev/zero");
    assert!(
        complaints(&done)
            .matches("SSH2_MSG_NEWKEYS received")
            .count()
            >= 3
    );
}

#[test]
fn small_windows_and_small_reads() {
    let pair = Pair::with(&["ed25519"], 7, |config| {
        config.window = 4096;
        config.output_limit = 1000;
    });
    through_cat(&pair, &[], 200_000);
}

#[test]
fn segments_of_one_byte() {
    let pair = Pair::with(&["ed25519"], 1, |_| {});
    let done = pair.run(&[], "echo slow but sure");
    assert_eq!(text(&done), "slow but sure\n");
}

#[test]
fn other_types_of_client_keys() {
    for kind in [
        ["ecdsa", "-b", "256"],
        ["ecdsa", "-b", "384"],
        ["ecdsa", "-b", "521"],
        ["rsa", "-b", "2048"],
    ] {
        let pair = Pair::with(&kind, usize::MAX, |_| {});
        let done = pair.run(&[], "echo in");
        assert_eq!(text(&done), "in\n", "{kind:?}: {}", complaints(&done));
    }
    let pair = Pair::with(&["rsa", "-b", "3072"], usize::MAX, |_| {});
    let done = pair.run(&["-o", "PubkeyAcceptedAlgorithms=rsa-sha2-256"], "echo in");
    assert_eq!(text(&done), "in\n", "{}", complaints(&done));
}

#[test]
fn another_key_or_user_is_refused() {
    let pair = Pair::new();
    keygen(&pair.folder.0.join("other"), &["ed25519"]);
    let mut ssh = pair.ssh_with_key("other", &[]);
    ssh.arg("echo in");
    let done = output(ssh);
    assert_eq!((text(&done).as_str(), done.status.code()), ("", Some(255)));
    assert!(
        complaints(&done).contains("Permission denied (publickey)"),
        "{}",
        complaints(&done)
    );
    let done = pair.run(&["-l", "guest"], "echo in");
    assert!(
        complaints(&done).contains("Permission denied (publickey)"),
        "{}",
        complaints(&done)
    );
    let done = pair.run(&["-l", "late"], "echo in");
    assert!(
        complaints(&done).starts_with("back at ten"),
        "{}",
        complaints(&done)
    );
    let log = pair.server.log.lock().unwrap();
    for (user, reason) in [
        ("root", "the key is not listed"),
        ("guest", "unknown user"),
        ("late", "maintenance"),
    ] {
        assert!(
            log.iter().any(|line| line
                .starts_with(&format!("refused publickey for {user} with SHA256:"))
                && line.ends_with(reason)),
            "{log:?}"
        );
    }
}

#[test]
fn attempts_are_counted() {
    let pair = Pair::with(&["ed25519"], usize::MAX, |config| config.max_auth_tries = 2);
    let mut options = Vec::new();
    for name in ["a", "b", "c"] {
        let file = pair.folder.0.join(name);
        keygen(&file, &["ed25519"]);
        options.extend(["-i".to_string(), file.display().to_string()]);
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut ssh = pair.ssh_with_key("a", &options);
    ssh.arg("true");
    let done = output(ssh);
    assert!(
        complaints(&done).contains("too many authentication failures"),
        "{}",
        complaints(&done)
    );
}

#[test]
fn the_host_key_file_is_one_that_ssh_keygen_reads() {
    let folder = Folder::new();
    let file = folder.0.join("host");
    let key = HostKey::generate(&mut host::server::random());
    std::fs::write(&file, key.to_openssh("root@paddock").unwrap().as_bytes()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    let print = |option| {
        output({
            let mut command = Command::new("ssh-keygen");
            command.arg(option).arg("-f").arg(&file);
            command
        })
    };
    assert!(text(&print("-y")).starts_with(key.public_line().trim()));
    assert!(text(&print("-l")).contains(&key.fingerprint()));

    keygen(&folder.0.join("made"), &["ed25519"]);
    let made = std::fs::read_to_string(folder.0.join("made")).unwrap();
    let public = std::fs::read_to_string(folder.0.join("made.pub")).unwrap();
    let line = HostKey::from_openssh(&made).unwrap().public_line();
    assert!(public.starts_with(line.trim()));
}

#[test]
fn several_channels_in_one_connection() {
    let pair = Pair::new();
    let (mut master, control) = master(&pair);
    let shared = ["-o", control.as_str()];
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let mut ssh = pair.ssh(&shared);
            ssh.arg(format!("cat; echo {number} >&2; exit {number}"));
            (
                number,
                std::thread::spawn(move || output_of(ssh, noise(1 << 20))),
            )
        })
        .collect();
    for (number, client) in clients {
        let done = client.join().unwrap();
        assert!(done.stdout == noise(1 << 20), "channel {number}");
        assert_eq!(complaints(&done), format!("{number}\n"));
        assert_eq!(done.status.code(), Some(number));
    }
    // Numbers are used again.
    for _ in 0..40 {
        assert_eq!(text(&pair.run(&shared, "echo again")), "again\n");
    }
    assert_eq!(pair.server.endings.lock().unwrap().len(), 0);
    let stopped = output(pair.ssh(&["-O", "exit", "-o", &control]));
    assert!(stopped.status.success());
    master.wait().unwrap();
}

#[test]
fn one_busy_channel_leaves_room_for_others() {
    let pair = Pair::new();
    let control = format!("ControlPath={}", pair.folder.0.join("control").display());
    let mut busy = pair.ssh(&["-M", "-o", &control]);
    let mut busy = busy.arg("yes").stdout(Stdio::null()).spawn().unwrap();
    eventually("the master", || {
        pair.ssh(&["-O", "check", "-o", &control])
            .status()
            .unwrap()
            .success()
    });
    let begun = Instant::now();
    assert_eq!(
        text(&pair.run(&["-o", &control], "echo through")),
        "through\n"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
    busy.kill().unwrap();
    busy.wait().unwrap();
}

#[test]
fn a_program_dies_with_its_connection() {
    let pair = Pair::new();
    for options in [&[][..], &["-tt"]] {
        let mut ssh = pair
            .ssh(options)
            .arg("echo $$; exec sleep 1000")
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(ssh.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let number: i32 = line.trim().parse().unwrap();
        let entry = std::path::PathBuf::from(format!("/proc/{number}"));
        assert!(entry.exists());
        ssh.kill().unwrap();
        ssh.wait().unwrap();
        eventually("the program's end", || !entry.exists());
    }
}

#[test]
fn an_idle_connection_is_not_polled() {
    let pair = Pair::new();
    let mut ssh = pair
        .ssh(&[])
        .arg("echo up; exec sleep 1000")
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(ssh.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "up\n");
    std::thread::sleep(Duration::from_millis(200));
    let polls = || pair.server.polls.load(std::sync::atomic::Ordering::Relaxed);
    let before = polls();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(polls(), before);
    ssh.kill().unwrap();
    ssh.wait().unwrap();
}

/// A client with a terminal of its own, made by script(1)'s rules: the test
/// holds the master side.
struct Terminal {
    process: host::process::HostProcess,
    /// What has come and not been looked at.
    seen: String,
}

impl Terminal {
    fn new(pair: &Pair) -> Self {
        let ssh = pair.ssh(&["-t"]);
        let words = std::iter::once(ssh.get_program()).chain(ssh.get_args());
        let quoted: Vec<String> = words
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let request = paddock_ssh::SpawnRequest {
            command: Some(format!("TERM=vt100 exec {}", quoted.join(" ")).into_bytes()),
            pty: Some(paddock_ssh::PtyRequest {
                size: size(80, 24),
                ..Default::default()
            }),
            ..Default::default()
        };
        let process = host::process::HostProcess::spawn(&request).unwrap();
        Self {
            process,
            seen: String::new(),
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        assert!(self.process.write_now(bytes));
    }

    /// Reads until the text has come; what has come up to its end.
    fn expect(&mut self, wanted: &str) -> String {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(at) = self.seen.find(wanted) {
                let rest = self.seen.split_off(at + wanted.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            assert!(Instant::now() < end, "no {wanted:?} in {:?}", self.seen);
            let more = self.process.read_now();
            self.seen.push_str(&String::from_utf8_lossy(&more));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn size(columns: u32, rows: u32) -> paddock_ssh::WindowSize {
    paddock_ssh::WindowSize {
        columns,
        rows,
        ..Default::default()
    }
}

#[test]
fn a_shell_with_a_terminal() {
    use paddock_ssh::ProcessIo;
    let pair = Pair::new();
    let mut terminal = Terminal::new(&pair);
    terminal.say(b"PS1='rea''dy> '\n");
    terminal.expect("ready> ");
    terminal.say(b"echo $TERM; stty size; tty\n");
    let seen = terminal.expect("/dev/pts/");
    assert!(seen.contains("vt100") && seen.contains("24 80"), "{seen}");
    terminal.process.resize(size(132, 43));
    terminal.expect("ready> ");
    std::thread::sleep(Duration::from_millis(200));
    terminal.say(b"stty size\n");
    terminal.expect("43 132");
    terminal.say(b"sleep 1000; echo st$((40+2))\n");
    std::thread::sleep(Duration::from_millis(300));
    terminal.say(b"\x03");
    terminal.expect("ready> ");
    terminal.say(b"exit 5\n");
    terminal.expect("closed");
    eventually("the client's end", || {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        terminal.process.poll_exit(&mut cx)
            == std::task::Poll::Ready(paddock_ssh::ExitStatus::Code(5))
    });
}

/// Sends bytes as a client and returns what the server says until it hangs up.
fn talk(pair: &Pair, parts: &[&[u8]]) -> Vec<u8> {
    let mut stream = std::net::TcpStream::connect(pair.server.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    for part in parts {
        let _ = stream.write_all(part);
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    heard
}

#[test]
fn rubbish_is_answered_with_the_reason_and_the_end() {
    let pair = Pair::new();
    let heard = |parts: &[&[u8]]| String::from_utf8_lossy(&talk(&pair, parts)).into_owned();
    assert!(heard(&[b"GET / HTTP/1.1\r\n\r\n"]).contains("not an SSH-2 client"));
    assert!(heard(&[b"SSH-1.5-old\r\n"]).contains("not an SSH-2 client"));
    assert!(heard(&[b"SSH-2.0-", &[b'x'; 300]]).contains("not an SSH-2 client"));
    assert!(heard(&[b"SSH-2.0-x\r\n", &[255; 64]]).contains("bad packet length"));
    assert!(heard(&[b"SSH-2.0-x\r\n\0\0\0\x0c\x0a\x14", &[0; 10]]).contains("malformed message"));
    // A command before any login, and before any keys.
    let open = b"\0\0\0\x0c\x0a\x5a";
    assert!(heard(&[b"SSH-2.0-x\r\n", open, &[0; 10]]).contains("message out of order"));
}

#[test]
fn a_client_that_does_not_log_in_is_sent_away() {
    let pair = Pair::with(&["ed25519"], usize::MAX, |config| {
        config.login_grace_ms = 300
    });
    let begun = Instant::now();
    let heard = talk(&pair, &[b"SSH-2.0-idle\r\n"]);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(String::from_utf8_lossy(&heard).contains("login took too long"));
}

#[test]
fn a_command_of_100_kilobytes() {
    let pair = Pair::new();
    for size in [33_000, 100_000, 120_000] {
        let line = format!(": {}; echo fine", "x".repeat(size));
        assert_eq!(text(&pair.run(&[], &line)), "fine\n");
    }
}

#[test]
fn a_large_packet_is_not_for_strangers() {
    let pair = Pair::new();
    let large = (200_004_u32).to_be_bytes();
    let heard = talk(&pair, &[b"SSH-2.0-x\r\n", &large, &[0; 64]]);
    assert!(String::from_utf8_lossy(&heard).contains("bad packet length"));
}

#[test]
fn a_refusal_takes_its_time() {
    let pair = Pair::with(&["ed25519"], usize::MAX, |config| config.refusal_ms = 600);
    let begun = Instant::now();
    assert!(pair.run(&["-l", "guest"], "true").status.code() == Some(255));
    assert!(begun.elapsed() > Duration::from_millis(600));
    let begun = Instant::now();
    assert!(pair.run(&[], "true").status.success());
    assert!(begun.elapsed() < Duration::from_millis(600));
}

/// Sends back what comes in, in capitals, to one client after the other.
fn shouter() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stream.read_to_end(&mut text);
                let _ = stream.write_all(&text.to_ascii_uppercase());
            });
        }
    });
    address
}

#[test]
fn connections_are_made_from_here() {
    let pair = Pair::new();
    let to = shouter().to_string();
    for size in [0, 5, 3 << 20] {
        let data = noise(size);
        let done = output_of(pair.ssh(&["-W", &to]), data.clone());
        assert!(done.status.success(), "{}", complaints(&done));
        assert!(done.stdout == data.to_ascii_uppercase(), "{size}");
    }
    // Nobody listens there.
    let done = output_of(pair.ssh(&["-W", "127.0.0.1:1"]), Vec::new());
    assert!(
        complaints(&done).contains("connection failed"),
        "{}",
        complaints(&done)
    );
    // Several at once, each through a local port, and the connection goes on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let local = free.local_addr().unwrap();
    drop(free);
    let forward = format!("{}:{to}", local.port());
    let mut client = pair.ssh(&["-N", "-L", &forward]).spawn().unwrap();
    eventually("the forwarding", || {
        std::net::TcpStream::connect(local).is_ok()
    });
    let streams: Vec<_> = (0..8)
        .map(|number| {
            let mut stream = std::net::TcpStream::connect(local).unwrap();
            write!(stream, "number {number}").unwrap();
            stream
        })
        .collect();
    for (number, mut stream) in streams.into_iter().enumerate().rev() {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("NUMBER {number}"));
    }
    // More than there are channels, one after the other: none is left over.
    for _ in 0..50 {
        let mut stream = std::net::TcpStream::connect(local).unwrap();
        stream.write_all(b"x").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "X");
    }
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn a_subsystem_is_a_command() {
    let pair = Pair::with(&["ed25519"], usize::MAX, |config| {
        config.subsystems = &[("greet", "read name; echo hello $name; exit 5")];
    });
    let mut ssh = pair.ssh(&["-s"]);
    ssh.arg("greet");
    let done = output_of(ssh, b"you\n".to_vec());
    assert_eq!(
        (text(&done).as_str(), done.status.code()),
        ("hello you\n", Some(5))
    );
}

#[test]
fn keep_alives_are_answered() {
    let pair = Pair::new();
    let options = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"];
    let done = pair.run(&options, "sleep 3.5; echo alive");
    assert_eq!(text(&done), "alive\n");
}

/// A client in the background that shares its connection.
fn master(pair: &Pair) -> (std::process::Child, String) {
    let control = format!("ControlPath={}", pair.folder.0.join("control").display());
    let master = pair.ssh(&["-M", "-N", "-o", &control]).spawn().unwrap();
    eventually("the master", || {
        pair.ssh(&["-O", "check", "-o", &control])
            .status()
            .unwrap()
            .success()
    });
    (master, control)
}

#[test]
fn every_status_through_one_connection() {
    let pair = Pair::new();
    let (mut master, control) = master(&pair);
    let wrong: Vec<_> = (0..500)
        .map(|number| number % 256)
        .map(|status| {
            let done = pair.run(&["-o", &control], &format!("exit {status}"));
            (status, done.status.code())
        })
        .filter(|(status, code)| *code != Some(*status))
        .collect();
    assert_eq!(wrong, []);
    master.kill().unwrap();
    master.wait().unwrap();
}

#[test]
fn a_program_that_has_closed_its_output_ends_by_itself() {
    let pair = Pair::new();
    let (mut master, control) = master(&pair);
    let file = pair.folder.0.join("survived");
    // A client of a master closes the channel once both directions have ended.
    let line = format!(
        "exec >&- 2>&-; sleep 0.5; echo x > {}; exit 9",
        file.display()
    );
    let done = pair.run(&["-o", &control], &line);
    assert_eq!(done.status.code(), Some(9), "{}", complaints(&done));
    assert!(file.exists());
    master.kill().unwrap();
    master.wait().unwrap();
}

#[test]
fn a_program_ends_when_the_client_s_reader_has_gone() {
    let pair = Pair::new();
    for options in [&[][..], &["-tt"]] {
        let mut ssh = pair.ssh(options);
        ssh.arg("cat /dev/zero; exit 3");
        let mut ssh = ssh.spawn().unwrap();
        let mut some = [0; 1000];
        ssh.stdout.take().unwrap().read_exact(&mut some).unwrap();
        eventually("the client's end", || ssh.try_wait().unwrap().is_some());
        eventually("the connection's end", || {
            pair.server.endings.lock().unwrap().pop().is_some()
        });
    }
}
