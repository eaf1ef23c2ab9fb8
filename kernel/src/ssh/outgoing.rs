//! Connections that clients have made from here (`ssh -L`, `-W`, `-J`).

use super::files::read_if_there;
use super::watched::Watched;
use crate::async_fs;
use crate::net::tcp::TcpSocket;
use crate::user::vfs::namespace;
use alloc::string::String;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr};
use core::task::{Context, Poll};
use embassy_net::IpEndpoint;
use paddock_abi::{Errno, Result};
use paddock_ssh::accounts::host_address;
use paddock_ssh::{ConnectRequest, ExitStatus, IoError, ProcessIo, WindowSize};
use paddock_vfs::PathContext;

const HOSTS: &[u8] = b"/etc/hosts";

/// A connection from here. Dropping it ends it.
pub struct Outgoing {
    socket: Watched<TcpSocket>,
    has_read_all: bool,
    has_written_all: bool,
}

/// Connects. Hosts are addresses or names of /etc/hosts.
///
/// # Errors
/// `EHOSTUNREACH` for an unknown name; those of connect(2).
pub async fn connect(request: ConnectRequest) -> Result<Outgoing> {
    let ConnectRequest { host, port, .. } = request;
    let address = async_fs::run(move || address_of(&host)).await??;
    let mut outgoing = Outgoing {
        socket: Watched::new(TcpSocket::new()?),
        has_read_all: false,
        has_written_all: false,
    };
    let remote = IpEndpoint::new(address.into(), port);
    poll_fn(|cx| {
        outgoing.socket.watch(cx.waker());
        match outgoing.socket.object.connect(remote) {
            Err(Errno::EINPROGRESS | Errno::EALREADY) => Poll::Pending,
            Err(Errno::EISCONN) => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    })
    .await?;
    Ok(outgoing)
}

/// The address of a host. May sleep.
fn address_of(host: &String) -> Result<IpAddr> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let context = PathContext::root_at(namespace().root());
    let hosts = read_if_there(&context, HOSTS);
    let listed = hosts.and_then(|hosts| host_address(&hosts.bytes, host));
    match listed {
        Some(address) => Ok(address),
        None if host == "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        None => Err(Errno::EHOSTUNREACH),
    }
}

impl ProcessIo for Outgoing {
    fn poll_stdout(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        if self.has_read_all {
            return Poll::Ready(Ok(0));
        }
        self.socket.watch(cx.waker());
        match self.socket.object.receive(buffer) {
            Ok(count @ 1..) => Poll::Ready(Ok(count)),
            Err(Errno::EAGAIN) => Poll::Pending,
            end => {
                self.has_read_all = true;
                Poll::Ready(end.map_err(|_| IoError))
            }
        }
    }

    fn poll_stderr(
        &mut self,
        _cx: &mut Context<'_>,
        _buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        Poll::Ready(Ok(0))
    }

    fn poll_stdin(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        if self.has_written_all {
            return Poll::Ready(Err(IoError));
        }
        self.socket.watch(cx.waker());
        match self.socket.object.send(bytes) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(Errno::EAGAIN) => Poll::Pending,
            Err(_) => {
                self.has_written_all = true;
                Poll::Ready(Err(IoError))
            }
        }
    }

    fn close_stdin(&mut self) {
        self.has_written_all = true;
        // One that has failed meanwhile has ended anyway.
        let _ = self.socket.object.shutdown(false, true);
    }

    fn close_stdout(&mut self) {
        self.has_read_all = true;
    }

    fn close_stderr(&mut self) {}

    fn resize(&mut self, _size: WindowSize) {}

    fn signal(&mut self, _name: &str) {}

    fn poll_exit(&mut self, _cx: &mut Context<'_>) -> Poll<ExitStatus> {
        match self.has_read_all && self.has_written_all {
            true => Poll::Ready(ExitStatus::Closed),
            // What changes this is done by the caller.
            false => Poll::Pending,
        }
    }
}
