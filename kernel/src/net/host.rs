//! [`Machine`]: what the stack of a network namespace uses of this machine.

use super::loopback;
use super::notifier::Notifier;
use super::ports::{DHCP_CLIENT, SERVICES};
use crate::drivers::virtio::net::Card;
use crate::random;
use alloc::sync::Arc;
use paddock_inet::{Host, Unfinished};

/// What there is outside of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The card, and the kernel's own services: of the first namespace.
    Whole,
    /// Nothing.
    Isolated,
}

impl Host for Machine {
    type Observer = Arc<Notifier>;

    fn send_frame(
        &mut self,
        length: usize,
        unfinished: Option<Unfinished>,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        if *self == Machine::Whole {
            Card::send_frame(length, unfinished, fill);
        }
    }

    fn send_to_services(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        if *self == Machine::Whole {
            loopback::put(length, fill);
        }
    }

    fn is_service(&self, port: u16) -> bool {
        *self == Machine::Whole && SERVICES.has(port)
    }

    fn is_udp_service(&self, port: u16) -> bool {
        *self == Machine::Whole && port == DHCP_CLIENT
    }

    fn random(&mut self) -> u64 {
        random::next_u64()
    }
}
