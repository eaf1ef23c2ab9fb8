use super::*;
use crate::config::Service;
use proptest::prelude::*;

fn imported(text: &str) -> (Service, Vec<String>) {
    let imported = Imported::of(text).unwrap();
    let text = imported.text("x.service");
    let service = Service::parse(Path::new("x.conf"), &text);
    let service = service.unwrap_or_else(|error| panic!("{text}\n{error}"));
    (service, imported.left)
}

#[test]
fn an_ordinary_unit_is_carried_over_whole() {
    let (service, left) = imported(
        "[Unit]\nDescription=A server\nAfter=db.service\nRequires=db.service\n\
         # a comment\n[Service]\nType=notify\nUser=www\nSupplementaryGroups=log adm\n\
         Environment=\"A=1 2\" B=3\nExecStartPre=/bin/mkdir -p /run/x\n\
         ExecStart=/bin/server --port 80 \\\n  'two words'\n\
         ExecReload=/bin/kill -HUP $MAINPID\nRestart=on-failure\nRestartSec=2\n\
         TimeoutStopSec=1min 30s\nKillSignal=SIGINT\nUMask=0027\nLimitNOFILE=4096:8192\n\
         MemoryMax=64M\nTasksMax=50\nCPUWeight=200\nNoNewPrivileges=yes\n\
         SuccessExitStatus=3 SIGHUP\n[Install]\nWantedBy=multi-user.target\n",
    );
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(service.stop_timeout.0, 90_000);
    let shown = super::show::definition(&service);
    for line in [
        "command = [\"/bin/server\", \"--port\", \"80\", \"two words\"]",
        "user = \"www\"",
        "ready = \"notify\"",
        "restart = \"on-failure\"",
        "stop_signal = \"SIGINT\"",
        "reload = \"SIGHUP\"",
        "nofile = 4096",
        "memory_max = 67108864",
        "pids_max = 50",
        "cpu_weight = 200",
        "no_new_privs = true",
        "needs = [\"db\"]",
        "A = \"1 2\"",
    ] {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
}

#[test]
fn what_cannot_be_had_is_named() {
    let (_, left) = imported(
        "[Unit]\nAfter=network.target a.service\n[Service]\nType=forking\nPIDFile=/run/x\n\
         ExecStart=-/bin/x $OPTIONS\nExecStart=/bin/y\nRestart=on-abort\nMemoryMax=50%\n\
         ProtectSystem=full\n[Timer]\nOnCalendar=daily\n",
    );
    for word in [
        "network.target",
        "Type=forking",
        "PIDFile=/run/x",
        "$OPTIONS",
        "ExecStart=/bin/y",
        "on-abort",
        "MemoryMax=50%",
        "ProtectSystem",
        "OnCalendar",
    ] {
        assert!(
            left.iter().any(|left| left.contains(word)),
            "{word}: {left:?}"
        );
    }
}

#[test]
fn an_empty_value_takes_back_and_without_a_command_there_is_nothing() {
    let (service, _) = imported("[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n");
    assert!(super::show::definition(&service).contains("\"/bin/b\""));
    assert!(Imported::of("[Service]\nUser=x\n").is_err());
    assert!(Imported::of("").is_err());
}

#[test]
fn times_are_read_as_systemd_writes_them() {
    for (text, ms) in [
        ("5", 5000),
        ("2min 3s", 123_000),
        ("100ms", 100),
        ("1h", 3_600_000),
    ] {
        assert_eq!(time(text), Ok(ms));
    }
    for text in ["infinity", "0", "5 lightyears", "99999999999999999999", "s"] {
        assert!(time(text).is_err(), "{text}");
    }
}

proptest! {
    /// Whatever is in a unit, it is read, and a comment never becomes a setting.
    #[test]
    fn any_unit_is_read(lines in prop::collection::vec("(\\[Service\\]|Exec(Start|Reload)=.{0,20}|[A-Za-z]{1,12}=.{0,30}|.{0,30})", 0..20)) {
        let text = format!("[Service]\nExecStart=/bin/x\n{}", lines.join("\n"));
        if let Ok(imported) = Imported::of(&text) {
            let definition = imported.text("x.service");
            prop_assert!(definition.parse::<Table>().is_ok(), "{}", definition);
        }
    }
}

#[test]
fn the_sockets_beside_it_are_carried_over() {
    let mut imported = Imported::of("[Service]\nExecStart=/bin/server\n").unwrap();
    imported.take_socket(
        "[Socket]\nListenStream=8080\nListenStream=/run/x.sock\nListenDatagram=[::1]:53\n\
         ListenFIFO=/run/y\nSocketMode=0660\nSocketUser=root\nFileDescriptorName=web\n\
         Accept=no\n[Install]\nWantedBy=sockets.target\n",
    );
    assert_eq!(imported.left.len(), 1, "{:?}", imported.left);
    assert!(imported.left[0].contains("ListenFIFO"));
    let text = imported.text("x.service");
    let service = Service::parse(Path::new("x.conf"), &text).unwrap();
    let listens: Vec<String> = service
        .sockets
        .iter()
        .map(|socket| socket.listen.to_string())
        .collect();
    let expected = ["tcp:0.0.0.0:8080", "unix:/run/x.sock", "udp:[::1]:53"];
    assert_eq!(listens, expected);
    assert_eq!(service.sockets[1].mode.unwrap().0, 0o660);
    assert_eq!(service.sockets[1].name.as_deref(), Some("web"));
    assert_eq!(service.kind, crate::config::Kind::Socket);
}
