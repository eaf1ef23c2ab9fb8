//! Linux at the other end of the wire: this host's own kernel, in a network namespace,
//! behind a TAP device. What goes through the card comes in bursts and in large
//! segments there, as QEMU's user network never has it.

use crate::keys;
use crate::machine::{LIMIT, Machine, Reply, machine, run_limited, ssh};
use crate::process::{find, run, text_of, tool};
use crate::step::note;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV6, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const DEVICE: &str = "paddock0";
const TUN: &str = "/dev/net/tun";
const HOST: &str = "10.9.0.1/24";
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// Where the guest writes what it gets, sends a file, and says again what it hears.
const PORTS: [(u16, &str); 3] = [
    (9000, "cat > /tmp/got"),
    (9001, "cat /tmp/got"),
    (9002, "cat"),
];

/// Why this host cannot do it, if it cannot.
#[must_use]
pub fn missing() -> Option<String> {
    for name in ["unshare", "ip"] {
        if find(name).is_none() {
            return Some(format!("there is no {name}"));
        }
    }
    if let Err(error) = OpenOptions::new().read(true).write(true).open(TUN) {
        return Some(format!("cannot open {TUN}: {error}"));
    }
    let made = text_of(in_namespace("ip").ok()?.args(tuntap()));
    made.err()
        .map(|error| format!("no TAP device in a network namespace: {error}"))
}

fn tuntap() -> [&'static str; 6] {
    ["tuntap", "add", "dev", DEVICE, "mode", "tap"]
}

/// A command that runs this program in a network namespace of its own, as its root.
///
/// # Errors
/// There is no unshare(1).
pub fn in_namespace(program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
    let mut command = tool("unshare")?;
    command.args(["--user", "--map-root-user", "--net"]);
    command.arg(program);
    Ok(command)
}

/// A machine behind the wire, and how to get there.
struct Peer {
    machine: Machine,
    /// Both of its addresses; ports are given with each connection.
    addresses: [SocketAddr; 2],
}

/// Boots a machine, has files of all sizes go there and back over IPv4 and IPv6, by
/// TCP of programs and by SSH, and compares. What was found, a line for each.
///
/// In a network namespace of its own ([`in_namespace`]).
///
/// # Errors
/// What does not arrive as it was sent; a machine that complains.
pub fn exchange(megabytes: usize) -> Result<String> {
    make_device()?;
    let peer = Peer::boot()?;
    let mut found = String::new();
    for (family, address) in ["IPv4", "IPv6"].iter().zip(peer.addresses) {
        for size in [0, 1, 1447, 1449, 40_000, 300_001] {
            let sent = bytes(size, size as u64);
            ensure!(
                round_trip(address, &sent)? == sent,
                "{family}: {size} bytes"
            );
        }
        let large = bytes(megabytes << 20, 7);
        let there = timed(|| upload(address, &large))?;
        let mut back = Vec::new();
        let here = timed(|| {
            back = download(address)?;
            Ok(())
        })?;
        ensure!(
            back == large,
            "{family}: {megabytes} MiB did not come back as sent"
        );
        let rate = |took: Duration| (megabytes << 20) as f64 / 1e6 / took.as_secs_f64();
        let (there, here) = (rate(there), rate(here));
        writeln!(
            found,
            "{family}: {there:.0} MB/s there, {here:.0} MB/s back"
        )?;
    }
    peer.by_ssh()?;
    found.push_str(&peer.large_frames()?);
    peer.machine.done()?;
    Ok(found)
}

fn make_device() -> Result<()> {
    let steps: [&[&str]; 4] = [
        &["link", "set", "lo", "up"],
        &tuntap(),
        &["addr", "add", HOST, "dev", DEVICE],
        &["link", "set", DEVICE, "up"],
    ];
    for step in steps {
        run(tool("ip")?.args(step))?;
    }
    Ok(())
}

impl Peer {
    fn boot() -> Result<Peer> {
        let network = format!("tap,id=wire,ifname={DEVICE},script=no,downscript=no");
        let devices = [
            "-netdev",
            &network,
            "-device",
            "virtio-net-device,netdev=wire",
        ];
        let mut machine = machine("linux-peer")
            .no_net()
            .append(&format!("ip={GUEST}/24,10.9.0.1"))
            .with(|config| config.extra.extend(devices.map(Into::into)))
            .start()?;
        machine.expect("ssh: listening on port 22")?;
        machine.expect("eth0 has fe80")?;
        machine.expect("/64")?;
        let link_local = link_local(&machine.console().text())?;
        let peer = Peer {
            machine,
            addresses: [(GUEST, 0).into(), link_local],
        };
        let serve = PORTS.map(|(port, does)| {
            format!("nc -ll -p {port} -e sh -c '{does}' </dev/null >/dev/null 2>&1 &")
        });
        peer.sh(&serve.join(" "))?;
        Ok(peer)
    }

    fn ssh(&self, command: &str, input: Vec<u8>) -> Result<Reply> {
        let known_hosts: PathBuf = self.machine.folder().join("known_hosts");
        let host = GUEST.to_string();
        let mut ssh = ssh::command_to(&host, 22, &keys::own_key(), &known_hosts, &[])?;
        let reply = run_limited(ssh.arg(command), input, LIMIT)?;
        ensure!(reply.status.success(), "`{command}` in the guest: {reply}");
        Ok(reply)
    }

    fn sh(&self, command: &str) -> Result<String> {
        Ok(self.ssh(command, Vec::new())?.text())
    }

    /// A file there and back through the kernel's own services.
    fn by_ssh(&self) -> Result<()> {
        let sent = bytes(3 << 20, 5);
        self.ssh("cat > /tmp/by-ssh", sent.clone())?;
        let back = self.ssh("cat /tmp/by-ssh", Vec::new())?.stdout;
        ensure!(back == sent, "what went by SSH did not come back as sent");
        Ok(())
    }

    /// Frames larger than the wire's have come and gone, if the card does that.
    fn large_frames(&self) -> Result<String> {
        let text = self.sh("grep eth0 /proc/net/dev")?;
        let words: Vec<u64> = text
            .split_whitespace()
            .skip(1)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let mean = |at: usize| words[at] / words[at + 1].max(1);
        let (received, sent) = (mean(0), mean(8));
        ensure!(
            received > 1514 && sent > 1514,
            "frames of {received} and {sent} bytes: the card was to take larger ones"
        );
        let lost = words[3] + words[11];
        Ok(format!(
            "frames of {received} bytes in the mean there, of {sent} back; {lost} lost\n"
        ))
    }
}

/// The address that a machine has made for itself, from what it has printed.
fn link_local(console: &str) -> Result<SocketAddr> {
    let (_, rest) = console
        .split_once("eth0 has fe80")
        .context("no IPv6 address")?;
    let end = rest.find('/').context("no IPv6 network")?;
    let address = format!("fe80{}", &rest[..end]).parse()?;
    let link = text_of(tool("ip")?.args(["-o", "link", "show", DEVICE]))?;
    let index = link
        .split(':')
        .next()
        .context("no number")?
        .trim()
        .parse()?;
    Ok(SocketAddrV6::new(address, 0, 0, index).into())
}

/// Bytes in no order.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = (0..count.div_ceil(8)).flat_map(|_| next().to_le_bytes());
    words.take(count).collect()
}

fn timed(body: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begun = Instant::now();
    body()?;
    Ok(begun.elapsed())
}

/// Connects to a port, which may not be open yet.
fn connect(mut address: SocketAddr, port: u16) -> Result<TcpStream> {
    address.set_port(port);
    let begun = Instant::now();
    let stream = loop {
        match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => break stream,
            // Nobody listens yet; this host still asks whether its own address is
            // somebody else's.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable
                ) =>
            {
                ensure!(begun.elapsed() < LIMIT, "{address}: {error}");
                thread::sleep(Duration::from_millis(50));
            }
            Err(error) => bail!("{address}: {error}"),
        }
    };
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// Has the guest write to a file, to the end.
fn upload(address: SocketAddr, data: &[u8]) -> Result<()> {
    let mut stream = connect(address, PORTS[0].0)?;
    stream.write_all(data)?;
    stream.shutdown(Shutdown::Write)?;
    let rest = stream.read(&mut [0])?;
    ensure!(rest == 0, "an answer that nobody wanted");
    Ok(())
}

/// Has the guest send that file.
fn download(address: SocketAddr) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    connect(address, PORTS[1].0)?.read_to_end(&mut data)?;
    Ok(data)
}

/// Has the guest send back what it gets, while it gets it.
fn round_trip(address: SocketAddr, data: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(address, PORTS[2].0)?;
    let mut writer = stream.try_clone()?;
    let mut back = Vec::new();
    thread::scope(|scope| {
        let sent = scope.spawn(move || {
            writer.write_all(data)?;
            writer.shutdown(Shutdown::Write)
        });
        stream.read_to_end(&mut back)?;
        match sent.join() {
            Ok(sent) => sent?,
            Err(_) => bail!("the writer panicked"),
        }
        Ok(back)
    })
}

/// Whether this process is in a network namespace with nothing but loopback.
#[must_use]
pub fn is_alone() -> bool {
    fs::read_to_string("/proc/net/dev").is_ok_and(|text| text.lines().skip(2).count() == 1)
}

/// Says what was found.
pub fn tell(found: &str) {
    found.lines().for_each(note);
}
