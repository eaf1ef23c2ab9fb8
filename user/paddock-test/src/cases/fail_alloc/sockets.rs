//! Sockets of all kinds. Nothing waits: a peer that failed would never come.

use super::Scene;
use super::files::Fd;
use crate::sys::{self, Errno, call};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

fn socket_pair(kind: i32) -> Result<(Fd, Fd), Errno> {
    let mut ends = [0; 2];
    call!(libc::socketpair(
        libc::AF_UNIX,
        kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        0,
        ends.as_mut_ptr()
    ))?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

pub fn unix(scene: &mut Scene) -> Result<(), Errno> {
    for kind in [libc::SOCK_STREAM, libc::SOCK_SEQPACKET, libc::SOCK_DGRAM] {
        let (one, two) = socket_pair(kind)?;
        let count = sys::write(one.0, &[3; 9000])?;
        let mut found = vec![0; 9000];
        let got = sys::read(two.0, &mut found)?;
        scene.same("bytes over", got, count);
        scene.same("what came over", found[..got].iter().all(|b| *b == 3), true);
    }
    let (one, two) = socket_pair(libc::SOCK_STREAM)?;
    pass_descriptor(&one, &two)?;
    named()
}

/// Sends a descriptor over, and drops what arrives.
fn pass_descriptor(from: &Fd, to: &Fd) -> Result<(), Errno> {
    let mut byte = [1u8];
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut control = [0u64; 8];
    // SAFETY: all zeroes are a value of this plain structure.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the control buffer has room for one header with a descriptor.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(0);
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
    }
    call!(libc::sendmsg(from.0, &message, 0))?;
    call!(libc::recvmsg(to.0, &mut message, libc::MSG_CMSG_CLOEXEC))?;
    // SAFETY: what the kernel left in the control buffer.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&message);
        if !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
            drop(Fd(libc::CMSG_DATA(header).cast::<i32>().read_unaligned()));
        }
    }
    Ok(())
}

fn named() -> Result<(), Errno> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let listener = Fd(call!(libc::socket(libc::AF_UNIX, kind, 0))?);
    // SAFETY: all zeroes are a value of this plain structure.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    for (to, from) in address.sun_path[1..].iter_mut().zip(b"fail-alloc") {
        *to = *from as _;
    }
    let (pointer, length) = ((&raw const address).cast(), 2 + 1 + 10);
    call!(libc::bind(listener.0, pointer, length))?;
    call!(libc::listen(listener.0, 4))?;
    let client = Fd(call!(libc::socket(libc::AF_UNIX, kind, 0))?);
    call!(libc::connect(client.0, pointer, length))?;
    let nobody = std::ptr::null_mut();
    let server = Fd(call!(libc::accept4(
        listener.0,
        nobody,
        std::ptr::null_mut(),
        libc::SOCK_CLOEXEC
    ))?);
    sys::write(client.0, b"hello").map(drop)?;
    sys::read(server.0, &mut [0; 5]).map(drop)
}

fn errno(error: std::io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(libc::EIO))
}

pub fn tcp(_: &mut Scene) -> Result<(), Errno> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(errno)?;
    let address = listener.local_addr().map_err(errno)?;
    let client = TcpStream::connect(address).map_err(errno)?;
    client.set_nodelay(true).map_err(errno)?;
    wait_for(&listener, libc::POLLIN)?;
    let (server, _) = listener.accept().map_err(errno)?;
    sys::write(client.as_raw_fd(), &[5; 3000])?;
    wait_for(&server, libc::POLLIN)?;
    sys::read(server.as_raw_fd(), &mut [0; 3000]).map(drop)
}

pub fn udp(_: &mut Scene) -> Result<(), Errno> {
    let one = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(errno)?;
    let two = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(errno)?;
    let to = two.local_addr().map_err(errno)?;
    one.send_to(&[6; 1200], to).map_err(errno)?;
    wait_for(&two, libc::POLLIN)?;
    two.recv_from(&mut [0; 1500]).map_err(errno).map(drop)
}

/// Waits for at most two seconds.
fn wait_for(socket: &impl AsRawFd, events: i16) -> Result<(), Errno> {
    let mut entry = libc::pollfd {
        fd: socket.as_raw_fd(),
        events,
        revents: 0,
    };
    match call!(libc::poll(&mut entry, 1, 2000))? {
        0 => Err(Errno(libc::EAGAIN)),
        _ => Ok(()),
    }
}
