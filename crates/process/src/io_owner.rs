//! [`IoOwner`]: who hears of an open file's events (fcntl(2), `F_SETOWN`).

use paddock_abi::fcntl::{F_OWNER_PGRP, F_OWNER_PID, F_OWNER_TID};
use paddock_abi::signal::*;
use paddock_abi::uio::*;
use paddock_abi::{Errno, Result};
use paddock_cred::Cred;

/// Who hears of an open file's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoOwner {
    /// Nobody.
    #[default]
    Nobody,
    /// A thread.
    Thread(u32),
    /// A process.
    Process(u32),
    /// A process group.
    Group(u32),
}

impl IoOwner {
    /// Of `F_SETOWN`: a group's number is negative. `EINVAL`.
    pub fn from_number(number: i32) -> Result<IoOwner> {
        match number {
            0 => Ok(IoOwner::Nobody),
            i32::MIN => Err(Errno::EINVAL),
            pid if pid > 0 => Ok(IoOwner::Process(pid as u32)),
            group => Ok(IoOwner::Group(group.unsigned_abs())),
        }
    }

    /// The same by another number; nobody if there is none.
    pub fn renumbered(self, number: impl FnOnce(u32) -> Option<u32>) -> IoOwner {
        let made = match self {
            IoOwner::Nobody => None,
            IoOwner::Thread(id) => number(id).map(IoOwner::Thread),
            IoOwner::Process(id) => number(id).map(IoOwner::Process),
            IoOwner::Group(id) => number(id).map(IoOwner::Group),
        };
        made.unwrap_or_default()
    }

    /// For `F_GETOWN`.
    pub fn number(self) -> i32 {
        match self {
            IoOwner::Nobody => 0,
            IoOwner::Thread(id) | IoOwner::Process(id) => id as i32,
            IoOwner::Group(id) => -(id as i32),
        }
    }

    /// Of `F_SETOWN_EX`: kind and number. `EINVAL`, `ESRCH`.
    pub fn from_pair([kind, id]: [i32; 2]) -> Result<IoOwner> {
        let id = u32::try_from(id).map_err(|_| Errno::ESRCH);
        match kind {
            F_OWNER_TID..=F_OWNER_PGRP if id == Ok(0) => Ok(IoOwner::Nobody),
            F_OWNER_TID => id.map(IoOwner::Thread),
            F_OWNER_PID => id.map(IoOwner::Process),
            F_OWNER_PGRP => id.map(IoOwner::Group),
            _ => Err(Errno::EINVAL),
        }
    }

    /// For `F_GETOWN_EX`.
    pub fn pair(self) -> [i32; 2] {
        match self {
            IoOwner::Nobody => [F_OWNER_TID, 0],
            IoOwner::Thread(id) => [F_OWNER_TID, id as i32],
            IoOwner::Process(id) => [F_OWNER_PID, id as i32],
            IoOwner::Group(id) => [F_OWNER_PGRP, id as i32],
        }
    }
}

/// How an open file tells of its events: what fcntl(2) sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoSignal {
    /// Whom.
    pub owner: IoOwner,
    /// The real and effective user that named the owner.
    pub user: (u32, u32),
    /// By which signal (`F_SETSIG`): zero is `SIGIO` without details.
    pub signal: u32,
    /// The descriptor that is told as a detail.
    pub fd: i32,
}

impl IoSignal {
    /// Whether whoever named the owner may signal `target`.
    pub fn may_signal(&self, target: &Cred) -> bool {
        let (real, effective) = self.user;
        let uids = [target.uid.real, target.uid.saved];
        effective == 0 || uids.contains(&real) || uids.contains(&effective)
    }

    /// What is sent when a lease is broken, or something happens in a folder.
    pub fn info_of_message(&self) -> Siginfo {
        match self.signal {
            0 => Siginfo::kernel(SIGIO),
            signal => {
                let band = POLLIN | POLLRDNORM | POLLMSG;
                Siginfo::poll(signal, POLL_MSG, u64::from(band), self.fd)
            }
        }
    }

    /// What is sent for `events`, in poll(2)'s bits.
    pub fn info(&self, events: u32) -> Siginfo {
        if self.signal == 0 {
            return Siginfo::kernel(SIGIO);
        }
        let (code, band) = match events {
            _ if events & POLLERR != 0 => (POLL_ERR, POLLERR),
            _ if events & POLLPRI != 0 => (POLL_PRI, POLLPRI | POLLRDBAND),
            _ if events & POLLIN != 0 => (POLL_IN, POLLIN | POLLRDNORM),
            _ if events & POLLHUP != 0 => (POLL_HUP, POLLHUP | POLLERR),
            _ => (POLL_OUT, POLLOUT | POLLWRNORM | POLLWRBAND),
        };
        Siginfo::poll(self.signal, code, u64::from(band), self.fd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_as_they_were_set() {
        for number in [0, 1, 77, -1, -77, i32::MAX] {
            assert_eq!(IoOwner::from_number(number).unwrap().number(), number);
        }
        assert_eq!(IoOwner::from_number(i32::MIN), Err(Errno::EINVAL));
        for kind in [F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP] {
            let pair = [kind, 7];
            assert_eq!(IoOwner::from_pair(pair).unwrap().pair(), pair);
            assert_eq!(IoOwner::from_pair([kind, 0]), Ok(IoOwner::Nobody));
            assert_eq!(IoOwner::from_pair([kind, -1]), Err(Errno::ESRCH));
        }
        assert_eq!(IoOwner::from_pair([3, 7]), Err(Errno::EINVAL));
    }

    #[test]
    fn details_come_with_a_signal_that_was_chosen() {
        let plain = IoSignal::default();
        assert_eq!(plain.info(POLLIN).signal(), SIGIO);
        assert_eq!(plain.info(POLLIN).si_code, SI_KERNEL);
        let chosen = IoSignal {
            signal: 40,
            fd: 5,
            ..plain
        };
        let info = chosen.info(POLLIN | POLLOUT);
        assert_eq!((info.signal(), info.si_code), (40, POLL_IN));
        assert_eq!(info.fields[..2], [u64::from(POLLIN | POLLRDNORM), 5]);
        assert_eq!(chosen.info(POLLOUT).si_code, POLL_OUT);
        assert_eq!(chosen.info(POLLHUP).si_code, POLL_HUP);
    }
}
