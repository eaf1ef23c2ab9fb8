//! Connections through the machine: `ssh -W`, `-L`, and a jump.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use xtask::machine::{LIMIT, Machine, Reply, machine, run_limited};

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// What comes back from a host and port beyond the machine.
fn through(machine: &Machine, to: &str) -> Result<Reply> {
    let mut command = machine.ssh_command(&["-v", "-W", to])?;
    run_limited(&mut command, REQUEST.to_vec(), LIMIT)
}

/// A page through a port of this host.
fn page(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(REQUEST)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn connections_through_the_machine() -> Result<()> {
    let machine = machine("ssh-forward").up()?;
    machine.sh("i=0; until herd status httpd | grep -q running; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.1; done")?;
    for to in ["127.0.0.1:80", "localhost:80", "10.0.2.15:80"] {
        let reply = through(&machine, to)?;
        assert!(reply.text().contains("<html"), "{to}: {reply}");
    }
    let nobody = through(&machine, "127.0.0.1:9")?;
    assert!(nobody.errors().contains("connection failed"), "{nobody}");
    let unknown = through(&machine, "nowhere.example:80")?;
    assert!(unknown.errors().contains("connection failed"), "{unknown}");

    // Through a port of this host, more often than there are channels.
    let local = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let forward = format!("127.0.0.1:{}:127.0.0.1:80", local.port());
    let mut client = machine.ssh_command(&["-N", "-L", &forward])?.spawn()?;
    let begun = Instant::now();
    while TcpStream::connect(local).is_err() {
        anyhow::ensure!(begun.elapsed() < LIMIT, "no forwarding");
        thread::sleep(Duration::from_millis(50));
    }
    for number in 0..40 {
        let text = page(local).with_context(|| format!("page {number}"))?;
        assert!(text.contains("<html"), "{text}");
    }
    client.kill()?;
    client.wait()?;

    // A jump: the machine's own server behind it.
    let outer = machine.ssh_command(&["-W", "localhost:22"])?;
    let words: Vec<String> = std::iter::once(outer.get_program())
        .chain(outer.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let proxy = format!("ProxyCommand={}", words.join(" "));
    let alias = format!("HostKeyAlias=[127.0.0.1]:{}", machine.ssh_port());
    let mut inner = machine.ssh_command(&["-o", &proxy, "-o", &alias])?;
    let reply = run_limited(inner.arg("echo $SSH_CLIENT"), Vec::new(), LIMIT)?;
    assert!(reply.text().starts_with("127.0.0.1 "), "{reply}");

    // A key that may lead to one place only.
    machine.sh("sed -i 's,^ssh,permitopen=\"127.0.0.1:80\" ssh,' /root/.ssh/authorized_keys")?;
    assert!(through(&machine, "127.0.0.1:80")?.text().contains("<html"));
    let refused = through(&machine, "localhost:22")?;
    assert!(refused.errors().contains("prohibited"), "{refused}");
    machine.done()
}
