//! Objects as messages (rtnetlink(7); the numbers are those of
//! `<linux/rtnetlink.h>` and its kin).

use crate::get;
use crate::message::{Answers, family_of};
use crate::network::{
    Address, Link, Neighbour, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, Route, Traffic,
};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// `RTM_NEW...` is two less than `RTM_GET...`.
const NEW: u16 = 2;
/// `IF_OPER_UNKNOWN`, `IF_OPER_UP` and `IF_OPER_DOWN`; `IFF_UP` and `IFF_LOOPBACK`.
const STATES: (u8, u8, u8) = (0, 6, 2);
const UP: u32 = 1;
const LOOPBACK: u32 = 8;
/// `IFA_F_PERMANENT`.
const PERMANENT: u8 = 0x80;
/// `RT_TABLE_MAIN` and `RT_TABLE_LOCAL`.
const TABLES: (u8, u8) = (254, 255);
/// `RTN_UNICAST` and `RTN_LOCAL`.
const ROUTES: (u8, u8) = (1, 2);
/// `NUD_REACHABLE`.
const REACHABLE: u16 = 2;

/// The counters of `struct rtnl_link_stats64` that are kept, in its order, of
/// its 24.
fn counters(received: &Traffic, sent: &Traffic) -> [u64; 24] {
    let mut counters = [0; 24];
    (counters[0], counters[1]) = (received.packets, sent.packets);
    (counters[2], counters[3]) = (received.bytes, sent.bytes);
    (counters[6], counters[7]) = (received.lost, sent.lost);
    counters
}

impl Answers {
    /// `RTM_NEWLINK`. `ENOMEM`.
    pub fn link(&mut self, link: &Link) -> Result<()> {
        self.message(get::LINK - NEW, |out| {
            out.bytes(&[0, 0])?;
            out.bytes(&link.kind.to_ne_bytes())?;
            out.bytes(&link.index.to_ne_bytes())?;
            out.bytes(&link.flags.to_ne_bytes())?;
            out.bytes(&[0; 4])?;
            // IFLA_IFNAME, IFLA_TXQLEN, IFLA_OPERSTATE, IFLA_LINKMODE,
            // IFLA_MTU, IFLA_GROUP, IFLA_QDISC.
            out.text_attribute(3, link.name)?;
            out.attribute(13, &1000u32.to_ne_bytes())?;
            let (is_loopback, is_up) = (link.flags & LOOPBACK != 0, link.flags & UP != 0);
            let state = match (is_loopback, is_up) {
                (_, false) => STATES.2,
                (true, true) => STATES.0,
                (false, true) => STATES.1,
            };
            out.attribute(16, &[state])?;
            out.attribute(17, &[0])?;
            out.attribute(4, &link.mtu.to_ne_bytes())?;
            out.attribute(27, &[0; 4])?;
            out.text_attribute(6, if is_up { "noqueue" } else { "noop" })?;
            // IFLA_ADDRESS, IFLA_BROADCAST.
            out.attribute(1, &link.hardware)?;
            out.attribute(2, &link.broadcast)?;
            out.counters(&counters(&link.received, &link.sent))
        })
    }

    /// `IFLA_STATS64` and `IFLA_STATS`.
    fn counters(&mut self, counters: &[u64; 24]) -> Result<()> {
        let mut long = Vec::new();
        long.try_reserve_exact(192).map_err(|_| Errno::ENOMEM)?;
        long.extend(counters.iter().flat_map(|count| count.to_ne_bytes()));
        self.attribute(23, &long)?;
        long.clear();
        let short = counters.iter().map(|&count| count as u32);
        long.extend(short.flat_map(u32::to_ne_bytes));
        self.attribute(7, &long)
    }

    /// `RTM_NEWADDR`. `ENOMEM`.
    pub fn address(&mut self, it: &Address) -> Result<()> {
        self.message(get::ADDRESS - NEW, |out| {
            let family = family_of(it.address);
            out.bytes(&[family, it.prefix, PERMANENT, it.scope])?;
            out.bytes(&it.link.to_ne_bytes())?;
            // IFA_ADDRESS; of IPv4 also IFA_LOCAL, IFA_BROADCAST, IFA_LABEL.
            out.address_attribute(1, it.address)?;
            if it.address.is_ipv4() {
                out.address_attribute(2, it.address)?;
                if let Some(all) = it.broadcast {
                    out.address_attribute(4, all)?;
                }
                out.text_attribute(3, it.name)?;
            }
            // IFA_FLAGS; IFA_CACHEINFO: for ever, twice.
            out.attribute(8, &u32::from(PERMANENT).to_ne_bytes())?;
            let mut times = [0; 16];
            times[..8].fill(0xff);
            out.attribute(6, &times)
        })
    }

    /// `RTM_NEWROUTE`. `ENOMEM`.
    pub fn route(&mut self, it: &Route) -> Result<()> {
        let (table, kind, scope) = match (it.is_local, it.gateway) {
            (true, _) => (TABLES.1, ROUTES.1, RT_SCOPE_HOST),
            (false, None) if it.to.is_ipv4() => (TABLES.0, ROUTES.0, RT_SCOPE_LINK),
            (false, _) => (TABLES.0, ROUTES.0, RT_SCOPE_UNIVERSE),
        };
        self.message(get::ROUTE - NEW, |out| {
            out.bytes(&[family_of(it.to), it.prefix, 0, 0])?;
            out.bytes(&[table, it.protocol, scope, kind])?;
            out.bytes(&[0; 4])?;
            // RTA_TABLE, RTA_DST, RTA_GATEWAY, RTA_PREFSRC, RTA_OIF.
            out.attribute(15, &u32::from(table).to_ne_bytes())?;
            if it.prefix > 0 {
                out.address_attribute(1, it.to)?;
            }
            for (kind, address) in [(5, it.gateway), (7, it.source)] {
                if let Some(address) = address {
                    out.address_attribute(kind, address)?;
                }
            }
            out.attribute(4, &it.link.to_ne_bytes())
        })
    }

    /// `RTM_NEWNEIGH`. `ENOMEM`.
    pub fn neighbour(&mut self, it: &Neighbour) -> Result<()> {
        self.message(get::NEIGHBOUR - NEW, |out| {
            out.bytes(&[family_of(it.address), 0, 0, 0])?;
            out.bytes(&it.link.to_ne_bytes())?;
            out.bytes(&REACHABLE.to_ne_bytes())?;
            out.bytes(&[0, ROUTES.0])?;
            // NDA_DST, NDA_LLADDR.
            out.address_attribute(1, it.address)?;
            out.attribute(2, &it.hardware)
        })
    }
}
