//! A machine with both interfaces, its runners in threads; and the wire
//! between two machines.

use crate::{Interface, IpAddress, IpEndpoint, Limits, Net, NetConfig, TcpSocket};
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, StaticConfigV4};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use paddock_abi::socket::AF_INET;
use paddock_abi::{Errno, Result};
use paddock_sync::{NO_DEADLINE, Pollable, Ready, platform};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

/// How long anything may take.
pub const PATIENCE_NS: u64 = 20_000_000_000;
const MTU: usize = 1514;
const QUEUE: usize = 256;

pub fn random() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);
    let mut x = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 27)
}

#[derive(Default)]
struct Lane {
    frames: VecDeque<Vec<u8>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn wake(waker: &mut Option<Waker>) -> Option<Waker> {
        waker.take()
    }
}

/// One end of a wire.
pub struct End {
    mac: [u8; 6],
    incoming: Arc<Mutex<Lane>>,
    outgoing: Arc<Mutex<Lane>>,
    /// Frames to lose: one of so many; 0 is none.
    loss: u64,
}

pub struct Frame(Vec<u8>);
pub struct Slot<'a>(&'a End);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

impl TxToken for Slot<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        if self.0.loss != 0 && random().is_multiple_of(self.0.loss) {
            return result;
        }
        let mut lane = self.0.outgoing.lock().unwrap();
        lane.frames.push_back(frame);
        let reader = Lane::wake(&mut lane.reader);
        drop(lane);
        reader.into_iter().for_each(Waker::wake);
        result
    }
}

impl Driver for End {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Slot<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Frame, Slot<'_>)> {
        let mut lane = self.incoming.lock().unwrap();
        let Some(frame) = lane.frames.pop_front() else {
            lane.reader = Some(cx.waker().clone());
            return None;
        };
        let writer = Lane::wake(&mut lane.writer);
        drop(lane);
        writer.into_iter().for_each(Waker::wake);
        Some((Frame(frame), Slot(self)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Slot<'_>> {
        let mut lane = self.outgoing.lock().unwrap();
        if lane.frames.len() >= QUEUE {
            lane.writer = Some(cx.waker().clone());
            return None;
        }
        drop(lane);
        Some(Slot(self))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

fn wire(loss: u64) -> (End, End) {
    let (one, two) = (Arc::<Mutex<Lane>>::default(), Arc::<Mutex<Lane>>::default());
    let first = End {
        mac: [2, 0, 0, 0, 0, 1],
        incoming: one.clone(),
        outgoing: two.clone(),
        loss,
    };
    let second = End {
        mac: [2, 0, 0, 0, 0, 2],
        incoming: two,
        outgoing: one,
        loss,
    };
    (first, second)
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A machine, running until dropped.
pub struct Machine {
    pub net: Arc<Net>,
    stop: Arc<AtomicBool>,
    runners: Vec<thread::JoinHandle<u64>>,
}

impl Machine {
    fn start(net: Arc<Net>) -> Machine {
        let stop = Arc::new(AtomicBool::new(false));
        let runners = Interface::ALL.map(|interface| {
            let (net, stop) = (net.clone(), stop.clone());
            thread::spawn(move || {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                let mut polls = 0;
                while !stop.load(Ordering::Relaxed) {
                    let _ = net.poll(interface, &mut Context::from_waker(&waker));
                    polls += 1;
                    thread::park();
                }
                polls
            })
        });
        Machine {
            net,
            stop,
            runners: runners.into_iter().collect(),
        }
    }

    /// Without a network card.
    pub fn alone(limits: Limits) -> Machine {
        Machine::start(Net::new(NetConfig { limits, random }).unwrap())
    }

    /// How often the runners were polled, which are stopped with this.
    pub fn polls(mut self) -> u64 {
        self.finish()
    }

    fn finish(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let runners = self.runners.drain(..);
        runners
            .map(|runner| {
                runner.thread().unpark();
                runner.join().unwrap()
            })
            .sum()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.finish();
    }
}

pub const LIMITS: Limits = Limits {
    buffer: 64 << 10,
    sockets: 200,
    listening: 4,
};
pub const FIRST: IpAddress = IpAddress::v4(10, 0, 0, 1);
pub const SECOND: IpAddress = IpAddress::v4(10, 0, 0, 2);

pub fn fixed(address: IpAddress) -> Config {
    let IpAddress::Ipv4(address) = address else {
        unreachable!()
    };
    Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address, 24),
        gateway: Some(Ipv4Address::new(10, 0, 0, 254)),
        dns_servers: Default::default(),
    })
}

/// A machine whose card has the wire's other end lying about.
pub fn unplugged(config: Config) -> Machine {
    let net = Net::new(NetConfig {
        limits: LIMITS,
        random,
    })
    .unwrap();
    net.attach(wire(0).0, config).unwrap();
    Machine::start(net)
}

/// Two machines, [`FIRST`] and [`SECOND`], that lose one of `loss` frames.
pub fn two(loss: u64) -> (Machine, Machine) {
    let (one, other) = wire(loss);
    let make = |end, address| {
        let net = Net::new(NetConfig {
            limits: LIMITS,
            random,
        })
        .unwrap();
        net.attach(end, fixed(address)).unwrap();
        Machine::start(net)
    };
    (make(one, FIRST), make(other, SECOND))
}

pub const LOCALHOST: IpAddress = IpAddress::v4(127, 0, 0, 1);

/// Does `what`, waiting for `ready` whenever it says `EAGAIN`.
pub fn block<S: Pollable + ?Sized, T>(
    socket: &S,
    ready: Ready,
    mut what: impl FnMut() -> Result<T>,
) -> Result<T> {
    loop {
        match what() {
            Err(Errno::EAGAIN) => wait(socket, ready),
            result => return result,
        }
    }
}

/// Waits for any of `ready`, an error or a hang-up.
pub fn wait<S: Pollable + ?Sized>(socket: &S, ready: Ready) {
    let ready = ready | Ready::ERR | Ready::HUP;
    let deadline = platform::now() + PATIENCE_NS;
    let queue = socket.wait_queue().unwrap();
    let waited = queue.wait_deadline(deadline, || socket.ready().intersects(ready).then_some(()));
    assert!(
        waited.is_ok(),
        "waited too long for {ready:?}: {:?}",
        socket.ready()
    );
    let _ = NO_DEADLINE;
}

pub fn listen(machine: &Machine, port: u16, backlog: usize) -> Arc<TcpSocket> {
    let socket = TcpSocket::new(&machine.net, AF_INET).unwrap();
    socket.bind(None, port).unwrap();
    socket.listen(backlog).unwrap();
    socket
}

pub fn accept(listener: &TcpSocket) -> Arc<TcpSocket> {
    block(listener, Ready::IN, || listener.accept()).unwrap().0
}

/// Connects, and says how it went.
pub fn try_connect(socket: &TcpSocket, to: IpEndpoint) -> Result<()> {
    match socket.connect(to) {
        Err(Errno::EINPROGRESS) => {}
        result => return result,
    }
    wait(socket, Ready::OUT);
    match socket.connect(to) {
        Ok(()) => {
            assert_eq!(socket.connect(to), Err(Errno::EISCONN));
            Ok(())
        }
        result => result,
    }
}

pub fn connect(machine: &Machine, address: IpAddress, port: u16) -> Arc<TcpSocket> {
    let socket = TcpSocket::new(&machine.net, AF_INET).unwrap();
    try_connect(&socket, IpEndpoint::new(address, port)).unwrap();
    socket
}

pub fn send_all(socket: &TcpSocket, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let count = block(socket, Ready::OUT, || socket.send(bytes)).unwrap();
        bytes = &bytes[count..];
    }
}

pub fn receive(socket: &TcpSocket, buffer: &mut [u8]) -> Result<usize> {
    block(socket, Ready::IN, || socket.receive(buffer))
}

pub fn receive_exact(socket: &TcpSocket, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut done = 0;
    while done < count {
        let got = receive(socket, &mut bytes[done..]).unwrap();
        assert!(got > 0, "the stream ended after {done} of {count}");
        done += got;
    }
    bytes
}

/// Both ends of a connection within a machine.
pub fn pair(machine: &Machine) -> (Arc<TcpSocket>, Arc<TcpSocket>) {
    let listener = listen(machine, 0, 1);
    let client = connect(machine, LOCALHOST, listener.local().port);
    (client, accept(&listener))
}

impl Machine {
    /// Stops the runners: the machine says nothing any more.
    pub fn freeze(&mut self) {
        self.finish();
    }
}

/// Runs a future in this thread.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let std::task::Poll::Ready(value) =
            future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return value;
        }
        thread::park();
    }
}
