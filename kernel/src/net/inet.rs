//! The stack of programs' sockets ([`paddock_inet`]): one for the machine,
//! behind one lock, and what it needs of the card and of time.
//!
//! The lock is held for one call at a time, with preemption off: for as long
//! as a call's bytes are copied, and those of the segments that follow from
//! it. Nothing in it waits.

use super::loopback;
use super::notifier::Notifier;
use super::ports::{DHCP_CLIENT, SERVICES};
use crate::drivers::virtio::net::Card;
use crate::{random, time};
use alloc::sync::Arc;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Poll, Waker};
use embassy_net::{ConfigV6, Ipv6Address, Ipv6Cidr, StaticConfigV4, StaticConfigV6};
use embassy_time::{Instant, Timer};
use paddock_inet::{Host, Interface, Ipv4, NEVER, Plan, Stack, Unfinished};
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock};
use smoltcp::wire::EthernetAddress;

/// What the stack uses.
pub struct Machine;

impl Host for Machine {
    type Observer = Arc<Notifier>;

    fn send_frame(
        &mut self,
        length: usize,
        unfinished: Option<Unfinished>,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        Card::send_frame(length, unfinished, fill);
    }

    fn send_to_services(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        loopback::put(length, fill);
    }

    fn is_service(&self, port: u16) -> bool {
        SERVICES.has(port)
    }

    fn is_udp_service(&self, port: u16) -> bool {
        port == DHCP_CLIENT
    }

    fn random(&mut self) -> u64 {
        random::next_u64()
    }
}

/// The stack, and who sees to its deadlines.
struct Inet {
    stack: Stack<Machine>,
    /// The task that waits for the next deadline.
    waker: Option<Waker>,
    /// When it wakes by itself, ns since boot.
    alarm: u64,
    /// Where the card's IPv6 addresses come from.
    plan: Plan,
    /// The IPv6 address and router that the services were told last.
    told: Option<(Ipv6Cidr, Option<Ipv6Address>)>,
}

static INET: OnceCell<SpinLock<Inet, PreemptOff>> = OnceCell::new();

/// Makes the stack. Once, before anybody has a socket.
pub fn start() {
    let inet = Inet {
        stack: Stack::new(Machine),
        waker: None,
        alarm: NEVER,
        plan: Plan::Nothing,
        told: None,
    };
    if INET.set(SpinLock::new(Rank::Inet, inet)).is_err() {
        panic!("the network was started twice");
    }
}

/// Runs `body` with the stack and the time. Never sleeps; any context but an
/// interrupt.
#[track_caller]
pub fn with<T>(body: impl FnOnce(&mut Stack<Machine>, u64) -> T) -> T {
    let Some(inet) = INET.get() else {
        unreachable!("sockets exist only once the network was started");
    };
    let mut inet = inet.lock();
    let result = body(&mut inet.stack, time::now());
    inet.see_to_alarm();
    result
}

impl Inet {
    /// Whom to wake for an earlier deadline.
    fn note_task(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Has the task look again if the next deadline is before its alarm.
    fn see_to_alarm(&mut self) {
        let deadline = self.stack.deadline();
        if deadline < self.alarm {
            self.alarm = deadline;
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }
}

/// Does what is due, whenever it is.
#[embassy_executor::task]
pub async fn run_deadlines() {
    loop {
        let deadline = wait_for_deadline().await;
        super::tell_services();
        let at = Instant::from_micros(deadline.div_ceil(1000));
        let mut timer = pin!(Timer::at(at));
        // The alarm may be moved forward meanwhile.
        poll_fn(|cx| match alarm(cx.waker()) < deadline {
            true => Poll::Ready(()),
            false => core::future::Future::poll(timer.as_mut(), cx),
        })
        .await;
    }
}

/// The alarm; its task is the waker's.
fn alarm(waker: &Waker) -> u64 {
    let Some(inet) = INET.get() else {
        return NEVER;
    };
    let mut inet = inet.lock();
    inet.note_task(waker);
    inet.alarm
}

/// Does what is due, and waits until there is a deadline ahead.
async fn wait_for_deadline() -> u64 {
    poll_fn(|cx| {
        let Some(inet) = INET.get() else {
            return Poll::Pending;
        };
        let mut inet = inet.lock();
        inet.note_task(cx.waker());
        let now = time::now();
        if inet.stack.deadline() <= now {
            inet.stack.on_time(now);
        }
        inet.alarm = inet.stack.deadline();
        match inet.alarm {
            NEVER => Poll::Pending,
            alarm => Poll::Ready(alarm),
        }
    })
    .await
}

/// There is a card, whose IPv6 addresses come from where `plan` says.
pub fn plan_ipv6(plan: Plan) {
    if let Some(inet) = INET.get() {
        inet.lock().plan = plan;
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
    let Some(inet) = INET.get() else {
        return;
    };
    let mut inet = inet.lock();
    let plan = inet.plan;
    if inet.stack.interface() != interface {
        inet.stack.set_interface(interface);
        inet.stack.plan_ipv6(plan);
        inet.see_to_alarm();
    }
}

/// The card's IPv6 address for the services, if it is another than they were
/// told last: one that is known everywhere before one of the link.
pub fn news_for_services() -> Option<ConfigV6> {
    let mut inet = INET.get()?.lock();
    let own = inet.stack.ipv6_addresses().last();
    let router = inet.stack.ipv6_router();
    let news = own.map(|own| (own, router));
    if inet.told == news {
        return None;
    }
    inet.told = news;
    Some(news.map_or(ConfigV6::None, |(address, gateway)| {
        ConfigV6::Static(StaticConfigV6 {
            address,
            gateway,
            dns_servers: heapless::Vec::new(),
        })
    }))
}
