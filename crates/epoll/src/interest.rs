//! What is awaited of a file.

use paddock_abi::uio::*;
use paddock_sync::Ready;

/// Flags that say how to report, not what.
const MODES: u32 = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;
/// What may stand beside `EPOLLEXCLUSIVE`.
const BESIDE_EXCLUSIVE: u32 =
    POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// What is awaited of a file, and what the program calls it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Events and modes, in epoll_ctl(2)'s bits.
    pub events: u32,
    /// Told with each event.
    pub data: u64,
}

impl Interest {
    /// Whether only one of the epolls that watch the file so is told.
    pub fn is_exclusive(self) -> bool {
        self.events & EPOLLEXCLUSIVE != 0
    }

    /// Whether something stands beside `EPOLLEXCLUSIVE` that cannot.
    pub fn is_confused(self) -> bool {
        self.is_exclusive() && self.events & !BESIDE_EXCLUSIVE != 0
    }

    /// Whether an event is told for as long as it lasts.
    pub fn is_lasting(self) -> bool {
        self.events & (EPOLLET | EPOLLONESHOT) == 0
    }

    /// Whether nothing more is told after one event.
    pub fn is_one_shot(self) -> bool {
        self.events & EPOLLONESHOT != 0
    }

    /// Switched off by the event that a one-shot interest was for.
    pub fn is_spent(self) -> bool {
        self.is_one_shot() && self.events & !MODES == 0
    }

    /// The same after its one event.
    pub fn spent(self) -> Interest {
        Interest {
            events: self.events & MODES,
            ..self
        }
    }

    /// What a change must be about to matter.
    pub fn awaited(self) -> Ready {
        let mut awaited = Ready::from_bits_truncate(self.events) | Ready::ERR | Ready::HUP;
        if self.events & POLLRDNORM != 0 {
            awaited |= Ready::IN;
        }
        if self.events & POLLWRNORM != 0 {
            awaited |= Ready::OUT;
        }
        awaited
    }

    /// What is told of a file that is ready for `ready`, in epoll_wait(2)'s
    /// bits; 0 for nothing.
    pub fn told_of(self, ready: Ready) -> u32 {
        if self.is_spent() {
            return 0;
        }
        let mut bits = ready.bits();
        bits |= if bits & POLLIN != 0 { POLLRDNORM } else { 0 };
        bits |= if bits & POLLOUT != 0 { POLLWRNORM } else { 0 };
        bits & (self.events | POLLERR | POLLHUP) & !MODES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest(events: u32) -> Interest {
        Interest { events, data: 0 }
    }

    #[test]
    fn errors_are_told_unasked() {
        let none = interest(0);
        assert_eq!(none.told_of(Ready::IN | Ready::HUP | Ready::ERR), 0x18);
        assert_eq!(none.awaited(), Ready::ERR | Ready::HUP);
    }

    #[test]
    fn the_other_names_of_in_and_out() {
        let other = interest(POLLRDNORM | POLLWRNORM);
        assert_eq!(
            other.awaited() & (Ready::IN | Ready::OUT),
            Ready::IN | Ready::OUT
        );
        assert_eq!(other.told_of(Ready::IN), POLLRDNORM);
    }

    #[test]
    fn a_spent_one_tells_nothing_not_even_errors() {
        let one = interest(POLLIN | EPOLLONESHOT | EPOLLET);
        assert!(!one.is_spent());
        assert!(one.spent().is_spent() && !one.spent().is_lasting());
        assert_eq!(one.spent().told_of(Ready::all()), 0);
    }

    #[test]
    fn exclusive_stands_beside_little() {
        assert!(!interest(EPOLLEXCLUSIVE | POLLIN | EPOLLET).is_confused());
        assert!(interest(EPOLLEXCLUSIVE | POLLIN | EPOLLONESHOT).is_confused());
        assert!(interest(EPOLLEXCLUSIVE | 0x2000).is_confused());
        assert!(!interest(EPOLLONESHOT | POLLIN).is_confused());
    }
}
