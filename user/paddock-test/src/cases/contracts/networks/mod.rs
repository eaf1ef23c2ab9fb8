//! Network namespaces.

mod net_apart;
mod net_entered;
mod net_links;
mod net_rights;

use super::contracts;
use super::prelude::*;

contracts! {
    net_apart
    net_entered
    net_links
    net_rights
}

/// `struct ifreq` of an interface's name.
type Request = [u8; 40];

const SIOCGIFFLAGS: c_ulong = 0x8913;
const SIOCSIFFLAGS: c_ulong = 0x8914;

fn request(name: &str) -> Request {
    let mut request = [0; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request
}

/// The flags of an interface, of the namespace of a socket.
fn flags_of(socket: i32, name: &str) -> Result<u16, Errno> {
    let mut request = request(name);
    raw!(SYS_ioctl, socket, SIOCGIFFLAGS, request.as_mut_ptr())?;
    Ok(u16::from_le_bytes([request[16], request[17]]))
}

/// Sets the flags of one.
fn set_flags(socket: i32, name: &str, flags: u16) -> Result<(), Errno> {
    let mut request = request(name);
    request[16..18].copy_from_slice(&flags.to_le_bytes());
    raw!(SYS_ioctl, socket, SIOCSIFFLAGS, request.as_mut_ptr()).map(drop)
}

/// A socket of IPv4.
fn inet(kind: i32) -> Result<i32, Errno> {
    call!(socket(AF_INET, kind, 0))
}

/// bind(2) or connect(2) to an address of IPv4.
fn with_address(
    call: unsafe extern "C" fn(i32, *const sockaddr, socklen_t) -> i32,
    fd: i32,
    address: &sockaddr_in,
) -> Result<i32, Errno> {
    let (address, length) = ((&raw const *address).cast(), size_of::<sockaddr_in>());
    // SAFETY: the address is as long as is said.
    sys::checked(unsafe { call(fd, address, length as socklen_t) })
}
