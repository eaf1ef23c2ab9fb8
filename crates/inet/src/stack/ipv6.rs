//! ICMPv6 (RFC 4443), neighbour discovery (RFC 4861), and what the card's own
//! addresses need (RFC 4862).

use super::{Host, Stack};
use crate::NEVER;
use crate::autoconfiguration::{Due, Plan, solicited_node};
use crate::failures::Report;
use crate::icmp::parse6;
use crate::ip::{Body, Packet, Sent, TTL};
use crate::settings::Settings;
use smoltcp::phy::Medium;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, Icmpv6Repr, IpAddress, Ipv6Address, NdiscNeighborFlags,
    NdiscRepr, RawHardwareAddress,
};

/// The hops of what must come from a neighbour itself (RFC 4861, 3.1).
const NEAR: u8 = 255;
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

fn ethernet(raw: Option<RawHardwareAddress>) -> Option<EthernetAddress> {
    match raw?.parse(Medium::Ethernet).ok()? {
        HardwareAddress::Ethernet(address) => Some(address),
        #[allow(
            unreachable_patterns,
            reason = "other media are a feature of the library"
        )]
        _ => None,
    }
}

impl<H: Host> Stack<H> {
    /// Where the card's IPv6 addresses come from. They are there a second
    /// later, if nobody else has them.
    pub fn plan_ipv6(&mut self, plan: Plan) {
        if let Some(interface) = self.interface {
            self.ipv6.follow(interface.hardware, plan);
        }
    }

    pub(super) fn ipv6_deadline(&self) -> u64 {
        match self.interface {
            Some(_) => self.ipv6.deadline(),
            None => NEVER,
        }
    }

    pub(super) fn ipv6_on_time(&mut self, now: u64) {
        while let Some(due) = self.ipv6.on_time(now) {
            match due {
                // Nobody answers to no address, hence no hardware address.
                Due::Detect(wanted) => self.solicit(Ipv6Address::UNSPECIFIED, wanted, None),
                Due::Solicit(from) => {
                    let lladdr = self.own_hardware();
                    let message = Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { lladdr });
                    self.send_near(from, ALL_ROUTERS, &message);
                }
            }
        }
    }

    fn own_hardware(&self) -> Option<RawHardwareAddress> {
        self.interface.map(|interface| interface.hardware.into())
    }

    /// Asks who has an address.
    pub(super) fn ask6(&mut self, wanted: Ipv6Address) {
        if let Some(from) = self.ipv6.source(wanted) {
            self.solicit(from, wanted, self.own_hardware());
        }
    }

    fn solicit(
        &mut self,
        from: Ipv6Address,
        wanted: Ipv6Address,
        lladdr: Option<RawHardwareAddress>,
    ) {
        let message = Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
            target_addr: wanted,
            lladdr,
        });
        self.send_near(from, solicited_node(wanted), &message);
    }

    /// Sends a message that goes no further than the link, to a group.
    fn send_near(&mut self, from: Ipv6Address, group: Ipv6Address, message: &Icmpv6Repr<'_>) {
        let body = Body::Message(from, group, NEAR, message);
        if let Some(sent) = Sent::new(body, &Settings::default()) {
            // Groups need no neighbour, hence no time.
            self.send_by_neighbour(0, &sent);
        }
    }

    /// A message of ICMPv6 has come.
    pub(super) fn on_icmp6(&mut self, now: u64, packet: &Packet<'_>) {
        let (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) = (packet.from, packet.to) else {
            return;
        };
        if let Some(report) = Report::parse(packet) {
            return self.fail(&report);
        }
        match parse6(from, to, packet.payload) {
            Some(Icmpv6Repr::EchoRequest {
                ident,
                seq_no,
                data,
            }) if !from.is_unspecified() => {
                let message = Icmpv6Repr::EchoReply {
                    ident,
                    seq_no,
                    data,
                };
                self.answer_echo(now, from, to, &message);
            }
            Some(Icmpv6Repr::EchoReply { .. }) => self.on_echo(now, packet),
            Some(Icmpv6Repr::Ndisc(message)) if packet.hops == NEAR => {
                self.on_neighbour_message(now, from, &message);
            }
            _ => {}
        }
    }

    fn answer_echo(
        &mut self,
        now: u64,
        from: Ipv6Address,
        to: Ipv6Address,
        message: &Icmpv6Repr<'_>,
    ) {
        let own = match to.is_multicast() {
            true => self.ipv6.source(from),
            false => Some(to),
        };
        let Some(own) = own else {
            return;
        };
        let body = Body::Message(own, from, TTL, message);
        if let Some(sent) = Sent::new(body, &Settings::default()) {
            self.send_message(now, &sent);
        }
    }

    fn on_neighbour_message(&mut self, now: u64, from: Ipv6Address, message: &NdiscRepr<'_>) {
        match *message {
            NdiscRepr::NeighborSolicit {
                target_addr,
                lladdr,
            } => self.on_solicitation(now, from, target_addr, ethernet(lladdr)),
            NdiscRepr::NeighborAdvert {
                target_addr,
                lladdr,
                ..
            } => {
                let conflict = self.ipv6.on_conflict(target_addr);
                if let Some(hardware) = ethernet(lladdr).filter(|_| !conflict) {
                    self.on_neighbour(now, target_addr.into(), hardware);
                }
            }
            NdiscRepr::RouterAdvert {
                router_lifetime,
                prefix_info,
                lladdr,
                ..
            } => {
                let lifetime = router_lifetime.total_micros() * 1000;
                self.ipv6.on_router(now, from, lifetime, prefix_info);
                if let Some(hardware) = ethernet(lladdr) {
                    self.on_neighbour(now, from.into(), hardware);
                }
            }
            _ => {}
        }
    }

    /// Somebody asks for an address (RFC 4861, 7.2.4): without one of his own
    /// he is about to take it (RFC 4862, 5.4.3).
    fn on_solicitation(
        &mut self,
        now: u64,
        from: Ipv6Address,
        wanted: Ipv6Address,
        hardware: Option<EthernetAddress>,
    ) {
        let takes = from.is_unspecified();
        if takes && self.ipv6.on_conflict(wanted) || !self.ipv6.is_own(wanted) {
            return;
        }
        let mut flags = NdiscNeighborFlags::OVERRIDE;
        flags.set(NdiscNeighborFlags::SOLICITED, !takes);
        let message = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags,
            target_addr: wanted,
            lladdr: self.own_hardware(),
        });
        if takes {
            return self.send_near(wanted, ALL_NODES, &message);
        }
        if let Some(hardware) = hardware {
            self.on_neighbour(now, from.into(), hardware);
        }
        let body = Body::Message(wanted, from, NEAR, &message);
        let Some(sent) = Sent::new(body, &Settings::default()) else {
            return;
        };
        match hardware.filter(EthernetAddress::is_unicast) {
            Some(hardware) => self.send_to_hardware(hardware, &sent),
            None => self.send_by_neighbour(now, &sent),
        }
    }
}
