//! TCP as servers need it: backlogs, ports, options, many connections, and what
//! `/proc/net` tells of them.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::{Duration, Instant};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    checks(report).map_err(|error| error.to_string())
}

fn checks(report: &mut Report) -> io::Result<()> {
    crowd(report)?;
    ports(report)?;
    options(report)?;
    states(report)?;
    cork(report)?;
    many(report)
}

fn errno(error: Errno) -> io::Error {
    io::Error::from_raw_os_error(error.0)
}

/// A socket of TCP that does not wait.
fn fresh() -> io::Result<TcpStream> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let fd = call!(libc::socket(libc::AF_INET, kind, 0)).map_err(errno)?;
    // SAFETY: the descriptor is this socket's alone.
    Ok(unsafe { TcpStream::from_raw_fd(fd) })
}

fn address_of(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be(),
        },
        sin_zero: [0; 8],
    }
}

fn connect(socket: &TcpStream, port: u16) -> Result<i32, Errno> {
    let address = address_of(port);
    call!(libc::connect(
        socket.as_raw_fd(),
        (&raw const address).cast(),
        size_of_val(&address) as u32
    ))
}

fn bind(socket: &impl AsRawFd, port: u16) -> Result<i32, Errno> {
    let address = address_of(port);
    call!(libc::bind(
        socket.as_raw_fd(),
        (&raw const address).cast(),
        size_of_val(&address) as u32
    ))
}

fn set(socket: &impl AsRawFd, level: i32, option: i32, value: i32) -> Result<i32, Errno> {
    call!(libc::setsockopt(
        socket.as_raw_fd(),
        level,
        option,
        (&raw const value).cast(),
        4
    ))
}

fn get(socket: &impl AsRawFd, level: i32, option: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (-1, 4);
    call!(libc::getsockopt(
        socket.as_raw_fd(),
        level,
        option,
        (&raw mut value).cast(),
        &mut length
    ))?;
    Ok(value)
}

/// How many clients are waited for: more than the backlog has room for.
const SERVED: usize = 8;
/// For how long.
const PATIENCE: Duration = Duration::from_secs(60);

/// More clients than the backlog has room for: none is refused, and those that
/// wait get in once there is room.
fn crowd(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    report.works(
        "a smaller backlog",
        call!(libc::listen(listener.as_raw_fd(), 4)),
    );
    let clients: Vec<TcpStream> = (0..12).map(|_| fresh()).collect::<io::Result<_>>()?;
    let begun = |client: &&TcpStream| {
        let begun = connect(client, port);
        begun.is_ok() || begun == Err(Errno(libc::EINPROGRESS))
    };
    let count = clients.iter().filter(begun).count();
    report.same("none is refused", count, clients.len());
    listener.set_nonblocking(true)?;
    let begin = Instant::now();
    let mut served = 0;
    while served < SERVED && begin.elapsed() < PATIENCE {
        match listener.accept() {
            Ok((mut server, _)) => {
                server.write_all(b"y")?;
                served += 1;
            }
            Err(_) => sys::sleep_ms(10),
        }
    }
    report.same("those that waited are served", served, SERVED);
    let fine = |client: &&TcpStream| get(*client, libc::SOL_SOCKET, libc::SO_ERROR) == Ok(0);
    let fine = clients.iter().filter(fine).count();
    report.same("nobody has an error", fine, clients.len());
    Ok(())
}

fn ports(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let second = fresh()?;
    set(&second, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1).map_err(errno)?;
    report.refused(
        "a port that is listened on",
        bind(&second, port),
        libc::EADDRINUSE,
    );
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let (server, _) = listener.accept()?;
    drop(listener);
    drop(server);
    drop(client);
    let plain = fresh()?;
    report.refused("in TIME-WAIT", bind(&plain, port), libc::EADDRINUSE);
    report.works("with SO_REUSEADDR", bind(&second, port));
    let pair = [fresh()?, fresh()?];
    for socket in &pair {
        set(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1).map_err(errno)?;
    }
    report.works("the first of two", bind(&pair[0], 0));
    let shared = pair[0].local_addr()?.port();
    report.works("the second", bind(&pair[1], shared));
    for socket in &pair {
        report.works("both listen", call!(libc::listen(socket.as_raw_fd(), 4)));
    }
    Ok(())
}

fn options(report: &mut Report) -> io::Result<()> {
    let (tcp, ip) = (libc::IPPROTO_TCP, libc::IPPROTO_IP);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    set(&listener, tcp, libc::TCP_KEEPIDLE, 77).map_err(errno)?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    report.same(
        "those of a listener are inherited",
        get(&server, tcp, libc::TCP_KEEPIDLE),
        Ok(77),
    );
    let all = [
        (tcp, libc::TCP_KEEPIDLE, 33),
        (tcp, libc::TCP_KEEPINTVL, 7),
        (tcp, libc::TCP_KEEPCNT, 5),
        (tcp, libc::TCP_USER_TIMEOUT, 1234),
        (tcp, libc::TCP_SYNCNT, 3),
        (tcp, libc::TCP_LINGER2, 5),
        (tcp, libc::TCP_NODELAY, 1),
        (ip, libc::IP_TTL, 61),
        (ip, libc::IP_TOS, 16),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::SOL_SOCKET, libc::SO_PRIORITY, 4),
    ];
    for (level, option, value) in all {
        let name = format!("option {option} of level {level}");
        report.works(&name, set(&client, level, option, value));
        report.same(&name, get(&client, level, option), Ok(value));
    }
    report.refused(
        "no seconds",
        set(&client, tcp, libc::TCP_KEEPIDLE, 0),
        libc::EINVAL,
    );
    let mut info = [0u8; 104];
    let mut length = info.len() as u32;
    report.works(
        "TCP_INFO",
        call!(libc::getsockopt(
            client.as_raw_fd(),
            tcp,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut length
        )),
    );
    report.same("the state in it", info[0], 1);
    report.check("a segment size", info[16..20] != [0; 4]);
    congestion(report, &client);
    Ok(())
}

/// What governs how much is under way has a name.
fn congestion(report: &mut Report, socket: &TcpStream) {
    let set = |name: &str| {
        call!(libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.as_ptr().cast(),
            name.len() as u32
        ))
    };
    for name in ["cubic", "reno"] {
        report.works(name, set(name));
        let (mut found, mut length) = ([1u8; 16], 16);
        report.works(
            "is read back",
            call!(libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_CONGESTION,
                found.as_mut_ptr().cast(),
                &mut length
            )),
        );
        report.same("its length", length, 16);
        let end = found.iter().position(|&byte| byte == 0);
        report.same(
            "its name",
            end.map(|end| &found[..end]),
            Some(name.as_bytes()),
        );
    }
    report.refused("an unknown one", set("nosuch"), libc::ENOENT);
}

/// The state in `/proc/net/tcp` of the connection between two ports.
fn state(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<String>> {
    let (local, remote) = (
        format!(":{:04X}", local.port()),
        format!(":{:04X}", remote.port()),
    );
    let table = fs::read_to_string("/proc/net/tcp")?;
    let state = table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, from, to, state, ..] = words[..] else {
            return None;
        };
        (from.ends_with(&local) && to.ends_with(&remote)).then(|| state.to_string())
    });
    Ok(state)
}

/// Closing with data on their way: the connection goes on until the peer has
/// them all.
fn states(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    let (here, there) = (server.local_addr()?, server.peer_addr()?);
    server.set_nonblocking(true)?;
    let mut sent = 0;
    while let Ok(count) = server.write(&[7; 65536]) {
        sent += count;
    }
    report.same("connected", state(here, there)?.as_deref(), Some("01"));
    drop(server);
    report.same("closing", state(here, there)?.as_deref(), Some("04"));
    let mut found = Vec::new();
    client.read_to_end(&mut found)?;
    report.same("all arrives", found.len(), sent);
    drop(client);
    report.same("waiting", state(here, there)?.as_deref(), Some("06"));
    Ok(())
}

/// What is corked goes once it is uncorked, or after a while.
fn cork(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    set(&client, libc::IPPROTO_TCP, libc::TCP_CORK, 1).map_err(errno)?;
    client.write_all(b"some")?;
    server.set_read_timeout(Some(Duration::from_millis(20)))?;
    report.check("held back", server.read(&mut [0; 8]).is_err());
    set(&client, libc::IPPROTO_TCP, libc::TCP_CORK, 0).map_err(errno)?;
    server.set_read_timeout(Some(Duration::from_secs(10)))?;
    report.same("let go", server.read(&mut [0; 8])?, 4);
    Ok(())
}

/// How many connections are open at once.
const MANY: usize = 400;

fn many(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut pairs = Vec::new();
    for _ in 0..MANY {
        let client = TcpStream::connect(address)?;
        pairs.push((client, listener.accept()?.0));
    }
    let mut good = 0;
    for (index, (client, server)) in pairs.iter_mut().enumerate() {
        client.write_all(&(index as u32).to_le_bytes())?;
        let mut number = [0; 4];
        server.read_exact(&mut number)?;
        good += usize::from(u32::from_le_bytes(number) == index as u32);
    }
    report.same("many connections at once", good, MANY);
    let mut ended = 0;
    for (client, server) in &pairs {
        client.shutdown(Shutdown::Write)?;
        ended += usize::from(sys::read(server.as_raw_fd(), &mut [0; 4]) == Ok(0));
    }
    report.same("an end for each", ended, MANY);
    Ok(())
}
