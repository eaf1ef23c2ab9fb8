//! What the first network namespace and the kernel's services are told of the card's
//! addresses.

use super::space;
use crate::drivers::virtio::net::Card;
use embassy_net::{ConfigV6, Ipv6Address, Ipv6Cidr, StaticConfigV4, StaticConfigV6};
use paddock_inet::{Interface, Ipv4, Plan};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock};
use smoltcp::wire::EthernetAddress;

/// Where the card's IPv6 addresses come from; nothing without a card.
static PLAN: OnceCell<Plan> = OnceCell::new();

/// The IPv6 address and router that the services were told last.
type Told = Option<(Ipv6Cidr, Option<Ipv6Address>)>;
static TOLD: SpinLock<Told, PreemptOff> = SpinLock::new(Rank::Leaf, None);

/// There is a card, whose IPv6 addresses come from where `plan` says. Once.
pub fn plan_ipv6(plan: Plan) {
    if PLAN.set(plan).is_err() {
        panic!("the network was started twice");
    }
}

/// The card's IPv4 address may have changed.
pub fn configure(config: Option<&StaticConfigV4>) {
    let interface = Some(Interface {
        hardware: EthernetAddress(Card::hardware()),
        mtu: Card::MTU,
        ipv4: config.map(|config| Ipv4 {
            address: config.address,
            gateway: config.gateway,
        }),
        offloads: Card::offloads(),
    });
    let plan = PLAN.get().copied().unwrap_or(Plan::Nothing);
    space::initial().with(|stack, _| {
        if stack.interface() != interface {
            stack.set_interface(interface);
            stack.plan_ipv6(plan);
        }
    });
}

/// The card's IPv6 address for the services, if it is another than they were
/// told last: one that is known everywhere before one of the link.
pub fn news_for_services() -> Option<ConfigV6> {
    let (own, router) =
        space::initial().with(|stack, _| (stack.ipv6_addresses().last(), stack.ipv6_router()));
    let news = own.map(|own| (own, router));
    let mut told = TOLD.lock();
    if *told == news {
        return None;
    }
    *told = news;
    Some(news.map_or(ConfigV6::None, |(address, gateway)| {
        ConfigV6::Static(StaticConfigV6 {
            address,
            gateway,
            dns_servers: heapless::Vec::new(),
        })
    }))
}
