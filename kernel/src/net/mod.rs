//! The network: two embassy-net stacks behind their doors for the kernel's own
//! services, a stack for programs' sockets in each network namespace, and sockets.

mod agenda;
mod card;
mod demux;
mod host;
pub mod interfaces;
mod list;
mod loopback;
pub mod netlink;
mod notifier;
mod ports;
pub mod service;
pub mod space;
mod stack;
pub mod tcp;
pub mod udp;

use crate::drivers::virtio::net::{self, Card};
use crate::machine::CommandLine;
use crate::main_loop::{MainLoop, Step};
use crate::{random, time};
use core::net::IpAddr;
use core::task::Waker;
use embassy_net::{
    Config, ConfigV4, ConfigV6, DhcpConfig, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr, Runner,
    StaticConfigV4, StaticConfigV6,
};
use embassy_time::{Duration, Timer};
use heapless::Vec;
pub use list::{
    Connection, interface, ipv6_addresses, list_connections, list_datagram_sockets,
    list_neighbours, traffic,
};
use loopback::Loopback;
use paddock_abi::socket::AF_INET6;
pub use paddock_inet::EPHEMERAL;
use paddock_inet::{Local, Plan, Settings};
use paddock_sync::OnceCell;
use space::NetSpace;
pub use stack::NetStack;

/// What the interface gets when nobody answers DHCP: QEMU's user network.
const FALLBACK: Ipv4Cidr = Ipv4Cidr::new(Ipv4Address::new(10, 0, 2, 15), 24);
const FALLBACK_GATEWAY: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);
const FALLBACK_DNS: Ipv4Address = Ipv4Address::new(10, 0, 2, 3);
/// How long DHCP has, in milliseconds.
const DHCP_PATIENCE_MS: u64 = 4000;

static ETHERNET: OnceCell<NetStack> = OnceCell::new();
static LOOPBACK: OnceCell<NetStack> = OnceCell::new();

/// The stack of the network card, if there is one.
pub fn ethernet() -> Option<&'static NetStack> {
    ETHERNET.get()
}

/// The loopback stack. `None` before the network's start.
pub fn loopback() -> Option<&'static NetStack> {
    LOOPBACK.get()
}

/// How many TCP connections there are, those of services and those that nobody
/// has open included; how many of the last, and how many in TIME-WAIT.
pub fn connections(space: &NetSpace) -> (usize, usize, usize) {
    let (connections, orphans, waiting) = space.with(|stack, _| stack.counts());
    let (services, left) = match space.is_initial() {
        true => service::counts(),
        false => (0, 0),
    };
    (connections + services, orphans + left, waiting)
}

/// What a fresh socket of `AF_INET` or `AF_INET6` has set.
fn settings_of(family: u16) -> Settings {
    Settings {
        any: match family {
            AF_INET6 => Local::Any,
            _ => Local::AnyIpv4,
        },
        ..Settings::default()
    }
}

/// Has the kernel's services follow the card's IPv6 address.
fn tell_services() {
    let (Some(stack), Some(config)) = (ethernet(), card::news_for_services()) else {
        return;
    };
    let address = |config: StaticConfigV6| config.address;
    let known = stack.section(|stack| stack.config_v6()).map(address);
    match &config {
        ConfigV6::Static(own) if known == Some(own.address) => {}
        ConfigV6::Static(own) => log::info!("net: {} has {}", stack.name, own.address),
        _ => log::info!("net: {} has no IPv6 address", stack.name),
    }
    stack.section(|stack| stack.set_config_v6(config));
}

/// The card's IPv4 address, once it has one.
pub fn own_address() -> Option<Ipv4Address> {
    own_network().map(|network| network.address())
}

/// The same with its network.
fn own_network() -> Option<Ipv4Cidr> {
    let config = ethernet()?.section(|stack| stack.config_v4())?;
    Some(config.address)
}

/// Starts both stacks and their tasks. In the main loop's thread, once.
pub fn start(command_line: &CommandLine<'_>, main_loop: &MainLoop) {
    match agenda::run() {
        Ok(token) => main_loop.spawner(Step::LoopbackRunner).spawn(token),
        Err(_) => log::error!("net: the deadlines have no task"),
    }
    start_loopback(main_loop);
    match net::init() {
        Some(card) => start_ethernet(command_line, card, main_loop),
        None => log::warn!("net: no network card: only loopback works, and nobody can log in"),
    }
}

fn start_loopback(main_loop: &MainLoop) {
    let mut config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::LOCALHOST, 8),
        gateway: None,
        dns_servers: Vec::new(),
    });
    config.ipv6 = ConfigV6::Static(StaticConfigV6 {
        address: Ipv6Cidr::new(Ipv6Address::LOCALHOST, 128),
        gateway: None,
        dns_servers: Vec::new(),
    });
    let (stack, runner) = NetStack::new("lo", Loopback::new(), config, random::next_u64());
    if LOOPBACK.set(stack).is_err() {
        panic!("the network was started twice");
    }
    match run_loopback(runner) {
        Ok(token) => main_loop.spawner(Step::LoopbackRunner).spawn(token),
        Err(_) => log::error!("net: the loopback runner has no task"),
    }
}

fn start_ethernet(command_line: &CommandLine<'_>, card: Card, main_loop: &MainLoop) {
    let (config, is_static) = configuration(command_line);
    card::plan_ipv6(plan(command_line));
    let (stack, runner) = NetStack::new("eth0", card, config, random::next_u64());
    if ETHERNET.set(stack).is_err() {
        panic!("the network was started twice");
    }
    match run_ethernet(runner) {
        Ok(token) => main_loop.spawner(Step::NetworkRunner).spawn(token),
        Err(_) => log::error!("net: the ethernet runner has no task"),
    }
    match configure(is_static) {
        Ok(token) => main_loop.spawner(Step::Tasks).spawn(token),
        Err(_) => log::error!("net: the address configuration has no task"),
    }
}

/// `ip=`, or DHCP.
fn configuration(command_line: &CommandLine<'_>) -> (Config, bool) {
    let mut config = Config::default();
    config.ipv4 = ConfigV4::Dhcp(DhcpConfig::default());
    let mut is_static = false;
    for given in command_line.ip.into_iter().flatten() {
        match (given.address, given.gateway) {
            (IpAddr::V4(address), gateway) => {
                is_static = true;
                config.ipv4 = ConfigV4::Static(StaticConfigV4 {
                    address: Ipv4Cidr::new(address, given.prefix),
                    gateway: match gateway {
                        Some(IpAddr::V4(gateway)) => Some(gateway),
                        _ => None,
                    },
                    dns_servers: Vec::new(),
                });
            }
            (IpAddr::V6(_), _) => {}
        }
    }
    (config, is_static)
}

/// `ip=`, or what routers say: the stack of programs sees to IPv6.
fn plan(command_line: &CommandLine<'_>) -> Plan {
    let given = command_line.ip.into_iter().flatten();
    let mut six = given.filter_map(|given| {
        let IpAddr::V6(address) = given.address else {
            return None;
        };
        let gateway = match given.gateway {
            Some(IpAddr::V6(gateway)) => Some(gateway),
            _ => None,
        };
        Some(Plan::Given(Ipv6Cidr::new(address, given.prefix), gateway))
    });
    six.next().unwrap_or(Plan::Automatic)
}

#[embassy_executor::task]
async fn run_loopback(runner: Runner<'static, Loopback>) {
    if let Some(stack) = loopback() {
        stack.run(runner, |_| {}, || {}).await;
    }
}

#[embassy_executor::task]
async fn run_ethernet(runner: Runner<'static, Card>) {
    let Some(stack) = ethernet() else {
        return;
    };
    let sort = |waker: &Waker| {
        let own = own_network();
        Card::sort(waker, |frames| {
            demux::sort(own, |sorter| {
                frames.sort(|frame, is_checked| sorter.on_frame(frame, is_checked));
            });
        });
    };
    let note = || {
        card::configure(stack.section(|stack| stack.config_v4()).as_ref());
        tell_services();
    };
    stack.run(runner, sort, note).await;
}

/// Waits for an address, and falls back to the static one.
#[embassy_executor::task]
async fn configure(is_static: bool) {
    let Some(stack) = ethernet() else {
        return;
    };
    let started = time::now();
    if !is_static && !wait_for_address(stack).await {
        log::warn!(
            "net: no answer to DHCP: using {FALLBACK}; give ip=ADDRESS/LENGTH,GATEWAY for another"
        );
        let mut dns_servers = Vec::new();
        let _ = dns_servers.push(FALLBACK_DNS);
        let fallback = StaticConfigV4 {
            address: FALLBACK,
            gateway: Some(FALLBACK_GATEWAY),
            dns_servers,
        };
        stack.section(|stack| stack.set_config_v4(ConfigV4::Static(fallback)));
    }
    if let Some(config) = stack.section(|stack| stack.config_v4()) {
        let took = (time::now() - started) / 1_000_000;
        log::info!("net: {} has {} after {took} ms", stack.name, config.address);
    }
}

async fn wait_for_address(stack: &'static NetStack) -> bool {
    use core::future::Future;
    use core::pin::pin;
    use core::task::Poll;
    let mut patience = pin!(Timer::after(Duration::from_millis(DHCP_PATIENCE_MS)));
    core::future::poll_fn(|cx| {
        // The stack's own futures touch its cells, hence the section. They are
        // about both families together: one of the two is yet to come, and
        // keeps the waker.
        let configured = stack.section(|stack| {
            let _ = pin!(stack.wait_config_up()).poll(cx);
            let _ = pin!(stack.wait_config_down()).poll(cx);
            stack.config_v4().is_some()
        });
        if configured {
            return Poll::Ready(true);
        }
        patience.as_mut().poll(cx).map(|()| false)
    })
    .await
}
