//! Sockets of NETLINK_ROUTE (netlink(7), rtnetlink(7)): requests are answered
//! at once, about the network namespace that the socket was made in, and the answers
//! wait.

use super::interfaces;
use super::space::NetSpace;
use crate::process::accounts::paying;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_netlink::answer;
use paddock_sync::{Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc};
use paddock_unix_sockets::{SocketOptions, next_ino, socket_metadata};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{File, IoctlArg, Metadata};

/// The most bytes of a datagram of requests.
pub const MOST: usize = 32 << 10;
/// The most bytes of answers that wait.
const LIMIT: usize = 208 << 10;

struct Inner {
    port: u32,
    answers: VecDeque<Vec<u8>>,
    charge: Charge,
    /// Answers were lost.
    overrun: bool,
}

/// A socket.
pub struct NetlinkSocket {
    inner: SpinLock<Inner, PreemptOff>,
    queue: WaitQueue,
    /// The network namespace that it was made in.
    pub space: Arc<NetSpace>,
    /// What setsockopt(2) set.
    pub options: SocketOptions,
    /// `SOCK_RAW` or `SOCK_DGRAM`.
    pub kind: u32,
    /// What fstat(2) tells.
    ino: u64,
}

impl NetlinkSocket {
    /// A fresh socket. `ENOMEM`.
    pub fn new(kind: u32, space: &Arc<NetSpace>) -> Result<Arc<NetlinkSocket>> {
        let inner = Inner {
            port: 0,
            answers: VecDeque::new(),
            charge: Charge::new(&paying(), 0)?,
            overrun: false,
        };
        try_arc(NetlinkSocket {
            inner: SpinLock::new(Rank::SocketState, inner),
            queue: WaitQueue::new(),
            space: space.clone(),
            options: SocketOptions::default(),
            kind,
            ino: next_ino(),
        })
    }

    /// bind(2): to a number, or with 0 to one of the system's choice. `EINVAL`
    /// if it has another already.
    pub fn bind(&self, port: u32) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.port != 0 && port != inner.port {
            return Err(Errno::EINVAL);
        }
        inner.port = if port == 0 { self.ino as u32 } else { port };
        Ok(())
    }

    /// Its number; 0 before it has one.
    pub fn port(&self) -> u32 {
        self.inner.lock().port
    }

    /// Has requests answered; `may_change` is whether the sender has
    /// CAP_NET_ADMIN there. `ENOMEM`.
    pub fn send(&self, requests: &[u8], may_change: bool) -> Result<usize> {
        let port = match self.port() {
            0 => self.ino as u32,
            port => port,
        };
        self.bind(port)?;
        let answers = answer(requests, port, may_change, &interfaces::of(&self.space))?;
        let mut inner = self.inner.lock();
        for answer in answers {
            inner.put(answer);
        }
        drop(inner);
        self.queue.wake(Ready::IN);
        Ok(requests.len())
    }

    /// Has a datagram received that is no answer: of mq_notify(2).
    pub fn deliver(&self, datagram: Vec<u8>) {
        self.inner.lock().put(datagram);
        self.queue.wake(Ready::IN);
    }

    /// Receives a datagram, cut to the buffer's length; with `peek` it stays:
    /// bytes in the buffer, and those of the datagram. `EAGAIN`, and once
    /// `ENOBUFS` if answers were lost.
    pub fn receive(&self, buffer: &mut [u8], peek: bool) -> Result<(usize, usize)> {
        let mut inner = self.inner.lock();
        if core::mem::take(&mut inner.overrun) {
            return Err(Errno::ENOBUFS);
        }
        let answer = inner.answers.front().ok_or(Errno::EAGAIN)?;
        let length = answer.len();
        let count = length.min(buffer.len());
        buffer[..count].copy_from_slice(&answer[..count]);
        if !peek {
            inner.answers.pop_front();
            let left = inner.charge.bytes() - length;
            inner.charge.resize(left)?;
        }
        Ok((count, length))
    }
}

impl Inner {
    fn put(&mut self, answer: Vec<u8>) {
        let total = self.charge.bytes() + answer.len();
        let room = total <= LIMIT && self.answers.try_reserve(1).is_ok();
        match room && self.charge.resize(total).is_ok() {
            true => self.answers.push_back(answer),
            false => self.overrun = true,
        }
    }
}

impl Pollable for NetlinkSocket {
    fn ready(&self) -> Ready {
        let inner = self.inner.lock();
        let mut ready = Ready::OUT;
        ready.set(Ready::IN, inner.overrun || !inner.answers.is_empty());
        ready.set(Ready::ERR, inner.overrun);
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}

impl File for NetlinkSocket {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        to.with_buffer(MOST, |buffer| Ok(self.receive(buffer, false)?.0))
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        from.with_bytes(MOST, |bytes| self.send(bytes, false))
    }

    fn ioctl(&self, _: u32, _: &mut dyn IoctlArg) -> Result<u64> {
        Err(Errno::ENOTTY)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata(self.ino))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
