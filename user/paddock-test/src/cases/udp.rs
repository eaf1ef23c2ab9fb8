//! UDP over the loopback interface.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::Outcome;
use crate::report::Report;

/// Bytes of data in the largest datagram over IPv4.
const LARGEST: usize = 65_507;
/// How long a datagram is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    checks(report).map_err(|error| error.to_string())
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn checks(report: &mut Report) -> io::Result<()> {
    let server = socket()?;
    let address = server.local_addr()?;
    sizes(report, &server, address)?;
    closed(report, &server, address)?;
    connected(report, &server, address)?;
    let taken = UdpSocket::bind(address).map_err(|error| error.kind());
    report.same(
        "a port is one's own",
        taken.err(),
        Some(ErrorKind::AddrInUse),
    );
    drop(server);
    refused(report, address)?;
    let again = UdpSocket::bind(address);
    report.check("and free again", again.is_ok());
    let wide = socket()?;
    let everybody = wide.send_to(b"x", (Ipv4Addr::BROADCAST, 9));
    let error = everybody.map_err(|error| error.raw_os_error());
    report.same(
        "no broadcast unasked",
        error.err(),
        Some(Some(libc::EACCES)),
    );
    Ok(())
}

/// Datagrams of all sizes, up to the largest that there can be, arrive whole.
pub(super) fn whole(
    report: &mut Report,
    (client, server): (&UdpSocket, &UdpSocket),
    largest: usize,
) -> io::Result<()> {
    let to = server.local_addr()?;
    let mut buffer = vec![0; largest + 1];
    for length in [0, 1, 1500, largest] {
        let data: Vec<u8> = (0..length).map(|at| at as u8).collect();
        client.send_to(&data, to)?;
        let (count, from) = server.recv_from(&mut buffer)?;
        report.check(&format!("{length} bytes"), buffer[..count] == data);
        report.same("from whom", from, client.local_addr()?);
    }
    let error = client.send_to(&buffer, to).map_err(|e| e.raw_os_error());
    report.same("one more", error.err(), Some(Some(libc::EMSGSIZE)));
    Ok(())
}

fn sizes(report: &mut Report, server: &UdpSocket, to: SocketAddr) -> io::Result<()> {
    let client = socket()?;
    whole(report, (&client, server), LARGEST)?;
    client.send_to(b"cut short", to)?;
    report.same("the rest is gone", server.recv_from(&mut [0; 3])?.0, 3);
    Ok(())
}

/// A datagram whose sender is gone at once arrives all the same.
fn closed(report: &mut Report, server: &UdpSocket, to: SocketAddr) -> io::Result<()> {
    let mut arrived = 0;
    for number in 0..50u8 {
        let client = socket()?;
        client.send_to(&[number], to)?;
        drop(client);
        let mut byte = [0];
        server.recv_from(&mut byte)?;
        arrived += usize::from(byte == [number]);
    }
    report.same("nothing is lost by close", arrived, 50);
    Ok(())
}

/// A connected socket hears its peer and nobody else.
fn connected(report: &mut Report, server: &UdpSocket, to: SocketAddr) -> io::Result<()> {
    let (client, stranger) = (socket()?, socket()?);
    client.connect(to)?;
    report.same("the peer", client.peer_addr()?, to);
    stranger.send_to(b"stranger", client.local_addr()?)?;
    server.send_to(b"friend", client.local_addr()?)?;
    let mut buffer = [0; 16];
    let count = client.recv(&mut buffer)?;
    report.same("the friend", &buffer[..count], b"friend");
    Ok(())
}

/// That nobody is there is told to who is connected.
fn refused(report: &mut Report, nobody: SocketAddr) -> io::Result<()> {
    let client = socket()?;
    client.connect(nobody)?;
    client.send(b"x")?;
    let error = client.recv(&mut [0; 4]).map_err(|error| error.kind());
    report.same("refused", error.err(), Some(ErrorKind::ConnectionRefused));
    report.check("SO_ERROR is taken with it", client.take_error()?.is_none());
    Ok(())
}
