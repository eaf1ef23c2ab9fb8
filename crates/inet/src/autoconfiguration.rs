//! The card's IPv6 addresses and its router: the link-local address, those of
//! the prefixes that routers tell of (RFC 4862, RFC 4861, 6.3), or a given one.

use crate::{NEVER, SECOND};
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, Ipv6Address, Ipv6Cidr, NdiscPrefixInfoFlags,
    NdiscPrefixInformation,
};

/// How long others may object to an address, in nanoseconds (RetransTimer).
const DETECTION: u64 = SECOND;
/// How often routers are asked, and how long apart (RFC 4861, 10).
const SOLICITATIONS: u8 = 3;
const INTERVAL: u64 = 4 * SECOND;
/// The most addresses: the link-local one, and those of prefixes.
const MOST: usize = 4;
/// A prefix is not taken back sooner (RFC 4862, 5.5.3 e).
const TWO_HOURS: u64 = 7200 * SECOND;

/// Where addresses come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// There are none.
    #[default]
    Nothing,
    /// Routers tell.
    Automatic,
    /// This one, and the way to other networks.
    Given(Ipv6Cidr, Option<Ipv6Address>),
}

/// How far an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody was asked whether he has it.
    New,
    /// Others may object until then.
    Tentative(u64),
    /// It is this machine's.
    Valid,
    /// Somebody else has it.
    Duplicate,
}

#[derive(Clone, Copy, Debug)]
struct Own {
    cidr: Ipv6Cidr,
    standing: Standing,
    until: u64,
    /// Others of the prefix are neighbours.
    on_link: bool,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The question whether anybody has an address.
    Detect(Ipv6Address),
    /// The question for routers, from this address.
    Solicit(Ipv6Address),
}

/// The addresses and the router.
#[derive(Debug)]
pub struct Autoconfiguration {
    plan: Plan,
    hardware: EthernetAddress,
    own: [Option<Own>; MOST],
    router: Option<(Ipv6Address, u64)>,
    solicitations: u8,
    next_solicitation: u64,
}

/// The address of a prefix of 64 bits (RFC 4291, appendix A).
fn of_prefix(prefix: Ipv6Address, hardware: EthernetAddress) -> Option<Ipv6Cidr> {
    let prefix = Ipv6Cidr::new(prefix, 64);
    Ipv6Cidr::from_link_prefix(&prefix, HardwareAddress::Ethernet(hardware))
}

/// The group of those that may have an address (RFC 4291, 2.7.1).
pub fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low)
}

impl Autoconfiguration {
    /// Without addresses.
    pub const fn new() -> Autoconfiguration {
        Autoconfiguration {
            plan: Plan::Nothing,
            hardware: EthernetAddress([0; 6]),
            own: [None; MOST],
            router: None,
            solicitations: 0,
            next_solicitation: NEVER,
        }
    }

    /// Begins anew, if the plan is another.
    pub fn follow(&mut self, hardware: EthernetAddress, plan: Plan) {
        if (self.hardware, self.plan) == (hardware, plan) {
            return;
        }
        *self = Autoconfiguration::new();
        (self.hardware, self.plan) = (hardware, plan);
        if plan == Plan::Nothing {
            return;
        }
        if let Some(link) = of_prefix(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), hardware) {
            self.add(link, NEVER, true);
        }
        if let Plan::Given(address, router) = plan {
            self.add(address, NEVER, true);
            self.router = router.map(|router| (router, NEVER));
        }
    }

    /// Takes an address in, unless there are too many.
    fn add(&mut self, cidr: Ipv6Cidr, until: u64, on_link: bool) {
        if let Some(place) = self.own.iter_mut().find(|place| place.is_none()) {
            *place = Some(Own {
                cidr,
                standing: Standing::New,
                until,
                on_link,
            });
        }
    }

    fn valid(&self) -> impl Iterator<Item = &Own> {
        let all = self.own.iter().flatten();
        all.filter(|own| own.standing == Standing::Valid)
    }

    /// The addresses that are this machine's.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv6Cidr> {
        self.valid().map(|own| own.cidr)
    }

    /// Whether an address is this machine's.
    pub fn is_own(&self, address: Ipv6Address) -> bool {
        self.addresses().any(|own| own.address() == address)
    }

    /// Whether an address is, or is about to be, this machine's.
    fn at(&mut self, address: Ipv6Address) -> Option<&mut Own> {
        let mut all = self.own.iter_mut().flatten();
        all.find(|own| own.cidr.address() == address)
    }

    /// Whether a group is one of this machine's: everybody's on the link, or
    /// that of an address.
    pub fn is_in_group(&self, group: Ipv6Address) -> bool {
        let all_nodes = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let mut own = self.own.iter().flatten();
        group == all_nodes || own.any(|own| solicited_node(own.cidr.address()) == group)
    }

    /// The address to call oneself towards `to` (RFC 6724, rules 1, 2 and 8).
    pub fn source(&self, to: Ipv6Address) -> Option<Ipv6Address> {
        let link = to.is_unicast_link_local() || to.is_multicast() && to.octets()[1] & 0xf == 2;
        let fits = |own: &Ipv6Address| own.is_unicast_link_local() == link;
        let all = || self.addresses().map(|own| own.address());
        let common = |own: &Ipv6Address| (own.to_bits() ^ to.to_bits()).leading_zeros();
        // Better one of another scope than none.
        all()
            .filter(fits)
            .max_by_key(common)
            .or_else(|| all().next())
    }

    /// The neighbour that a packet for `to` is given to.
    pub fn next_hop(&self, to: Ipv6Address) -> Option<Ipv6Address> {
        let near = |own: &Own| own.on_link && own.cidr.contains_addr(&to);
        match to.is_unicast_link_local() || self.valid().any(near) {
            true => Some(to),
            false => self.router(),
        }
    }

    /// The way to other networks.
    pub fn router(&self) -> Option<Ipv6Address> {
        self.router.map(|(router, _)| router)
    }

    /// When [`Self::on_time`] is to be called, in nanoseconds.
    pub fn deadline(&self) -> u64 {
        let times = self.own.iter().flatten().map(|own| match own.standing {
            Standing::New => 0,
            Standing::Tentative(until) => until.min(own.until),
            Standing::Valid | Standing::Duplicate => own.until,
        });
        let router = self.router.map_or(NEVER, |(_, until)| until);
        let next = times.min().unwrap_or(NEVER).min(router);
        next.min(self.next_solicitation)
    }

    /// Does what is due: the next thing to be sent, until there is none.
    pub fn on_time(&mut self, now: u64) -> Option<Due> {
        if self.router.is_some_and(|(_, until)| until <= now) {
            self.router = None;
        }
        for place in &mut self.own {
            let Some(own) = place else {
                continue;
            };
            match own.standing {
                _ if own.until <= now => *place = None,
                Standing::New => {
                    own.standing = Standing::Tentative(now + DETECTION);
                    return Some(Due::Detect(own.cidr.address()));
                }
                Standing::Tentative(until) if until <= now => {
                    own.standing = Standing::Valid;
                    let is_link = own.cidr.address().is_unicast_link_local();
                    if is_link && self.plan == Plan::Automatic {
                        (self.solicitations, self.next_solicitation) = (SOLICITATIONS, now);
                    }
                }
                _ => {}
            }
        }
        self.solicit(now)
    }

    fn solicit(&mut self, now: u64) -> Option<Due> {
        if self.next_solicitation > now {
            return None;
        }
        self.next_solicitation = NEVER;
        let link = self.addresses().map(|own| own.address());
        let from = link.into_iter().find(|own| own.is_unicast_link_local())?;
        if self.solicitations == 0 {
            return None;
        }
        self.solicitations -= 1;
        self.next_solicitation = now + INTERVAL;
        Some(Due::Solicit(from))
    }

    /// A router tells of itself (RFC 4861, 6.3.4): how long it is there, in
    /// nanoseconds, and a prefix.
    pub fn on_router(
        &mut self,
        now: u64,
        from: Ipv6Address,
        lifetime: u64,
        prefix: Option<NdiscPrefixInformation>,
    ) {
        if self.plan != Plan::Automatic || !from.is_unicast_link_local() {
            return;
        }
        (self.solicitations, self.next_solicitation) = (0, NEVER);
        // The first one, as long as it lasts.
        if self.router.is_none_or(|(router, _)| router == from) {
            self.router = (lifetime > 0).then(|| (from, now.saturating_add(lifetime)));
        }
        if let Some(prefix) = prefix.filter(NdiscPrefixInformation::is_valid_prefix_info) {
            self.on_prefix(now, &prefix);
        }
    }

    /// RFC 4862, 5.5.3.
    fn on_prefix(&mut self, now: u64, prefix: &NdiscPrefixInformation) {
        let seconds = prefix.valid_lifetime.secs();
        let lifetime = match seconds {
            // All ones is for ever (RFC 4861, 4.6.2).
            0xffff_ffff => NEVER,
            seconds => seconds * SECOND,
        };
        if prefix.prefix_len != 64 || prefix.prefix.is_multicast() {
            return;
        }
        let Some(cidr) = of_prefix(prefix.prefix, self.hardware) else {
            return;
        };
        let until = now.saturating_add(lifetime);
        match self.at(cidr.address()) {
            None if lifetime > 0 => {
                let on_link = prefix.flags.contains(NdiscPrefixInfoFlags::ON_LINK);
                self.add(cidr, until, on_link);
            }
            None => {}
            Some(own) if lifetime > TWO_HOURS || until > own.until => own.until = until,
            Some(own) => own.until = own.until.min(now + TWO_HOURS),
        }
    }

    /// Somebody else has, or wants, an address: it is not taken. Whether it
    /// was about to be.
    pub fn on_conflict(&mut self, address: Ipv6Address) -> bool {
        match self.at(address) {
            Some(own) if matches!(own.standing, Standing::New | Standing::Tentative(_)) => {
                own.standing = Standing::Duplicate;
                true
            }
            _ => false,
        }
    }
}
