//! What there is to tell of.

use core::net::IpAddr;
use paddock_abi::Result;

/// `RT_SCOPE_UNIVERSE` of `<linux/rtnetlink.h>`: known everywhere.
pub const RT_SCOPE_UNIVERSE: u8 = 0;
/// `RT_SCOPE_SITE`: known within a site.
pub const RT_SCOPE_SITE: u8 = 200;
/// `RT_SCOPE_LINK`: known on a link.
pub const RT_SCOPE_LINK: u8 = 253;
/// `RT_SCOPE_HOST`: this machine's alone.
pub const RT_SCOPE_HOST: u8 = 254;

/// What has gone one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many were lost.
    pub lost: u64,
}

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, from 1 on.
    pub index: u32,
    /// Its name, below 16 bytes.
    pub name: &'static str,
    /// `ARPHRD_...` of `<linux/if_arp.h>`.
    pub kind: u16,
    /// `IFF_...` of `<linux/if.h>`.
    pub flags: u32,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// Its own address.
    pub hardware: [u8; 6],
    /// Everybody's address.
    pub broadcast: [u8; 6],
    /// What came.
    pub received: Traffic,
    /// What went.
    pub sent: Traffic,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub link: u32,
    /// Its name.
    pub name: &'static str,
    /// The address.
    pub address: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// `RT_SCOPE_...`: how far it is known.
    pub scope: u8,
    /// Everybody's on its network.
    pub broadcast: Option<IpAddr>,
}

/// A way to other machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// To whom; with `prefix` 0 to all of the family.
    pub to: IpAddr,
    /// Bits of `to` that count.
    pub prefix: u8,
    /// By whom.
    pub gateway: Option<IpAddr>,
    /// From which address.
    pub source: Option<IpAddr>,
    /// Through which interface.
    pub link: u32,
    /// `RTPROT_...`: who made it.
    pub protocol: u8,
    /// `RTN_LOCAL` rather than `RTN_UNICAST`.
    pub is_local: bool,
}

/// A neighbour whose address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Who.
    pub address: IpAddr,
    /// His card.
    pub hardware: [u8; 6],
    /// Through which interface.
    pub link: u32,
}

/// What takes objects of a kind, one after the other.
type Take<'a, T> = &'a mut dyn FnMut(&T) -> Result<()>;

/// A network that can be told of, and changed. What tells returns the first error of
/// what takes the objects, or `ENOMEM`.
pub trait Network {
    /// All interfaces.
    fn links(&self, take: Take<'_, Link>) -> Result<()>;
    /// Their addresses.
    fn addresses(&self, take: Take<'_, Address>) -> Result<()>;
    /// All routes.
    fn routes(&self, take: Take<'_, Route>) -> Result<()>;
    /// All neighbours that are known.
    fn neighbours(&self, take: Take<'_, Neighbour>) -> Result<()>;
    /// The way to one address: `to` with all its bits.
    fn route(&self, to: IpAddr) -> Option<Route>;

    /// Sets an interface up or down. `ENODEV`, `EOPNOTSUPP` for one that stays as it is.
    fn set_up(&self, link: u32, up: bool) -> Result<()>;
    /// Gives an interface an address, with the bits of its network. `EEXIST`, `ENODEV`,
    /// `EOPNOTSUPP`, `ENOBUFS` for one too many.
    fn add_address(&self, link: u32, address: IpAddr, prefix: u8) -> Result<()>;
    /// Takes one away. `EADDRNOTAVAIL`, `ENODEV`, `EOPNOTSUPP`.
    fn remove_address(&self, link: u32, address: IpAddr, prefix: u8) -> Result<()>;
}
