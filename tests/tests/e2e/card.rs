//! The card on a bare wire: a socket on which each datagram is a frame.

use anyhow::{Context, Result, bail, ensure};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use xtask::linux_peer;
use xtask::machine::{LIMIT, Machine, machine};
use xtask::process::text_of;

const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// QEMU's first card.
const CARD_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const OWN: [u8; 4] = [10, 9, 0, 1];
const CARD: [u8; 4] = [10, 9, 0, 2];
const TYPE_IPV4: [u8; 2] = [8, 0];
const TYPE_ARP: [u8; 2] = [8, 6];

/// The other end of a machine's wire.
struct Wire(UdpSocket);

impl Wire {
    /// A machine with such a card, which has the address [`CARD`].
    fn to(name: &str) -> Result<(Machine, Wire)> {
        let own = UdpSocket::bind(("127.0.0.1", 0))?;
        let other = UdpSocket::bind(("127.0.0.1", 0))?;
        let (here, there) = (own.local_addr()?.port(), other.local_addr()?.port());
        own.connect(("127.0.0.1", there))?;
        own.set_read_timeout(Some(Duration::from_millis(100)))?;
        drop(other);
        let end =
            |kind: &str, port| format!("{kind}.type=inet,{kind}.host=127.0.0.1,{kind}.port={port}");
        let network = format!(
            "dgram,id=wire,{},{}",
            end("local", there),
            end("remote", here)
        );
        let devices = [
            "-netdev",
            &network,
            "-device",
            "virtio-net-device,netdev=wire",
        ];
        let mut machine = machine(name)
            .no_net()
            .append("ip=10.9.0.2/24,10.9.0.1")
            .with(|config| config.extra.extend(devices.map(Into::into)))
            .start()?;
        machine.expect("ssh: listening on port 22")?;
        Ok((machine, Wire(own)))
    }

    fn send(&self, frame: &[u8]) -> Result<()> {
        self.0.send(frame).context("the machine is gone")?;
        Ok(())
    }

    /// Asks for the machine's address until it answers.
    fn expect_answer(&self) -> Result<()> {
        let mut buffer = [0; 2048];
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            self.send(&arp_request())?;
            loop {
                match self.0.recv(&mut buffer) {
                    // An answer (operation 2) of the machine.
                    Ok(_) if buffer[12..14] == TYPE_ARP && buffer[21] == 2 => {
                        ensure!(buffer[22..32] == [&CARD_MAC[..], &CARD].concat());
                        return Ok(());
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        bail!("the machine no longer hears its card")
    }
}

fn frame(to: [u8; 6], kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&to[..], &OWN_MAC, &kind, payload].concat()
}

fn arp_request() -> Vec<u8> {
    let kind = [0, 1, 8, 0, 6, 4, 0, 1];
    let payload = [&kind[..], &OWN_MAC, &OWN, &[0; 6], &CARD].concat();
    frame([0xff; 6], TYPE_ARP, &payload)
}

/// A datagram of two bytes to a port that nobody has.
fn datagram() -> Vec<u8> {
    let head = [0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0];
    let mut header = [&head[..], &OWN, &CARD].concat();
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    let payload = [0x30, 0x39, 0, 9, 0, 10, 0, 0, 1, 2];
    frame(CARD_MAC, TYPE_IPV4, &[&header[..], &payload].concat())
}

/// As many as the ring has room for are sorted at once, and it is empty then:
/// whoever looked last has to be told of the next.
#[test]
fn bursts_of_frames_leave_the_card_awake() -> Result<()> {
    let (machine, wire) = Wire::to("bursts")?;
    wire.expect_answer()?;
    let datagram = datagram();
    for round in 0..30 {
        for frames in [1, 63, 64, 65, 128, 192] {
            (0..frames).try_for_each(|_| wire.send(&datagram))?;
            wire.expect_answer()
                .with_context(|| format!("round {round}, {frames} frames at once"))?;
        }
    }
    machine.done()
}

/// This host's kernel at the other end, where it lets us: large segments, and bursts
/// as fast as it makes them.
#[test]
fn linux_at_the_other_end_of_the_wire() -> Result<()> {
    if let Some(why) = linux_peer::missing() {
        println!("not tried: {why}");
        return Ok(());
    }
    let mut command = linux_peer::in_namespace(std::env::current_exe()?)?;
    let inside = ["--exact", "card::linux_in_a_namespace", "--ignored"];
    let found = text_of(command.args(inside).arg("--nocapture"))?;
    println!("{found}");
    Ok(())
}

#[test]
#[ignore = "the other test runs it in a network namespace"]
fn linux_in_a_namespace() -> Result<()> {
    ensure!(linux_peer::is_alone(), "there are other interfaces here");
    linux_peer::tell(&linux_peer::exchange(16)?);
    Ok(())
}
