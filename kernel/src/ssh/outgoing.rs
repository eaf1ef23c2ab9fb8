//! Connections that clients have made from here (`ssh -L`, `-W`, `-J`).

use super::files::read_if_there;
use super::local;
use super::served::Served;
use super::stream::Stream;
use super::watched::Watched;
use crate::async_fs;
use crate::net::{space, tcp::TcpSocket};
use crate::process::vfs::namespace;
use alloc::string::String;
use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr};
use core::task::Poll;
use embassy_net::IpEndpoint;
use paddock_abi::socket::{AF_INET, AF_INET6};
use paddock_abi::{Errno, Result};
use paddock_ssh::accounts::host_address;
use paddock_ssh::{ConnectRequest, Destination};
use paddock_vfs::PathContext;

const HOSTS: &[u8] = b"/etc/hosts";

/// Connects.
///
/// # Errors
/// `EHOSTUNREACH` for an unknown name; those of connect(2).
pub async fn connect(request: ConnectRequest) -> Result<Served> {
    match request.to {
        Destination::Tcp { host, port } => connect_tcp(host, port).await,
        Destination::Local(path) => {
            let user = request.user;
            let socket = async_fs::run(move || local::connect(&user, &path)).await??;
            Ok(Served::Local(Stream::new(socket)))
        }
    }
}

/// Hosts are addresses or names of /etc/hosts.
async fn connect_tcp(host: String, port: u16) -> Result<Served> {
    let address = async_fs::run(move || address_of(&host)).await??;
    let family = match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    };
    let socket = TcpSocket::of_family(family, space::initial())?;
    let mut watched = Watched::new(socket.clone());
    let remote = IpEndpoint::new(address.into(), port);
    poll_fn(|cx| {
        watched.watch(cx.waker());
        match watched.object.connect(remote) {
            Err(Errno::EINPROGRESS | Errno::EALREADY) => Poll::Pending,
            Err(Errno::EISCONN) => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    })
    .await?;
    Ok(Served::Tcp(Stream::new(socket)))
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
