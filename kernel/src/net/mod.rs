//! The network: two embassy-net stacks behind their doors for the kernel's own
//! services, the stack of programs' sockets, and sockets.

mod demux;
mod inet;
mod list;
mod loopback;
mod notifier;
mod ports;
pub mod service;
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
    Config, ConfigV4, ConfigV6, DhcpConfig, IpAddress, Ipv4Address, Ipv4Cidr, Ipv6Cidr, Runner,
    StaticConfigV4, StaticConfigV6,
};
use embassy_time::{Duration, Timer};
use heapless::Vec;
pub use list::{Connection, Traffic, interface, list_connections, list_neighbours, traffic};
use loopback::Loopback;
use paddock_sync::OnceCell;
pub use ports::{EPHEMERAL, is_privileged};
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
pub fn connections() -> (usize, usize, usize) {
    let (connections, orphans, waiting) = inet::with(|stack, _| stack.counts());
    let (services, left) = service::counts();
    (connections + services, orphans + left, waiting)
}

/// Whether an address is this machine's by definition.
pub fn is_loopback(address: &IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => address.is_loopback(),
        IpAddress::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether an address is this machine's now.
pub fn is_own(address: &IpAddress) -> bool {
    is_loopback(address)
        || matches!(address, IpAddress::Ipv4(address) if own_address() == Some(*address))
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
    inet::start();
    match inet::run_deadlines() {
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
    let config = Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::LOCALHOST, 8),
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
            (IpAddr::V6(address), gateway) => {
                config.ipv6 = ConfigV6::Static(StaticConfigV6 {
                    address: Ipv6Cidr::new(address, given.prefix),
                    gateway: match gateway {
                        Some(IpAddr::V6(gateway)) => Some(gateway),
                        _ => None,
                    },
                    dns_servers: Vec::new(),
                });
            }
        }
    }
    (config, is_static)
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
        Card::sort(waker, |frame| demux::on_frame(frame, own));
    };
    let note = || inet::configure(stack.section(|stack| stack.config_v4()).as_ref());
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
    // The stack's own future touches its cells: each poll is a section.
    let mut configured = pin!(stack.section(|stack| async move { stack.wait_config_up().await }));
    let mut patience = pin!(Timer::after(Duration::from_millis(DHCP_PATIENCE_MS)));
    core::future::poll_fn(|cx| {
        if stack.section(|_| configured.as_mut().poll(cx)).is_ready() {
            return Poll::Ready(true);
        }
        patience.as_mut().poll(cx).map(|()| false)
    })
    .await
}
