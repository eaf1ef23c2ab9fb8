use super::*;
use alloc::sync::Arc;
use paddock_abi::Errno;
use paddock_abi::signal::*;
use paddock_abi::termios::*;
use paddock_process::TryRead;
use paddock_sync::{Pollable, Ready};
use paddock_vfs::{Clock, File, FileSystem, IoctlArg, NoArg, OpenFlags, Timestamp};
use std::sync::Mutex;

#[derive(Default)]
struct Jobs {
    caller: Mutex<Option<Caller>>,
    sent: Mutex<Vec<(i64, u32)>>,
    groups: Mutex<Vec<(u32, u32)>>,
}

impl JobControl for Jobs {
    fn caller(&self) -> Option<Caller> {
        *self.caller.lock().unwrap()
    }
    fn signal_group(&self, group: u32, signal: u32) {
        self.sent.lock().unwrap().push((-i64::from(group), signal));
    }
    fn signal_process(&self, pid: u32, signal: u32) {
        self.sent.lock().unwrap().push((i64::from(pid), signal));
    }
    fn session_of_group(&self, group: u32) -> Option<u32> {
        let groups = self.groups.lock().unwrap();
        groups
            .iter()
            .find(|(other, _)| *other == group)
            .map(|(_, session)| *session)
    }

    fn known(&self, id: u32) -> u32 {
        id
    }

    fn find(&self, number: u32) -> Option<u32> {
        Some(number)
    }
}

impl Jobs {
    fn be(&self, pid: u32, group: u32, session: u32) {
        *self.caller.lock().unwrap() = Some(Caller {
            pid,
            group,
            session,
            orphaned: false,
            refuses_ttin: false,
            refuses_ttou: false,
            privileged: true,
        });
    }

    fn taken(&self) -> Vec<(i64, u32)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

struct Now;
impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp {
            seconds: 1,
            nanos: 0,
        }
    }
}

struct Word(i32);
impl IoctlArg for Word {
    fn value(&self) -> u64 {
        0
    }
    fn read(&self, offset: usize, buf: &mut [u8]) -> paddock_abi::Result<()> {
        buf.copy_from_slice(&self.0.to_le_bytes()[offset..]);
        Ok(())
    }
    fn write(&mut self, _: usize, buf: &[u8]) -> paddock_abi::Result<()> {
        self.0 = i32::from_le_bytes(buf.try_into().unwrap());
        Ok(())
    }
}

struct World {
    jobs: Arc<Jobs>,
    terminals: Arc<Terminals>,
    devpts: DevPts,
}

impl World {
    fn new() -> World {
        let jobs = Arc::new(Jobs::default());
        let terminals = Terminals::new(jobs.clone());
        let devpts = DevPts::new(terminals.clone(), Arc::new(Now), 9);
        World {
            jobs,
            terminals,
            devpts,
        }
    }

    fn open(&self, number: &[u8], flags: OpenFlags) -> paddock_abi::Result<Arc<dyn File>> {
        let node = self.devpts.root().lookup(number)?;
        Ok(node.open(flags)?.unwrap())
    }

    fn pair(&self) -> (Arc<PtyMaster>, Arc<dyn File>) {
        let master = self.terminals.open_master(None).unwrap();
        master.unlock();
        let slave = self
            .open(master.number().to_string().as_bytes(), OpenFlags::RDWR)
            .unwrap();
        (master, slave)
    }
}

fn read(file: &dyn File) -> paddock_abi::Result<Vec<u8>> {
    let mut buf = [0; 1000];
    file.read(&mut 0, &mut (&mut buf).into())
        .map(|count| buf[..count].to_vec())
}

#[test]
fn bytes_go_both_ways() {
    let world = World::new();
    let (master, slave) = world.pair();
    assert_eq!(read(&*slave), Err(Errno::EAGAIN));
    assert_eq!(slave.ready(), Ready::OUT);
    master.try_write(b"hi\r").unwrap();
    assert_eq!(slave.ready(), Ready::IN | Ready::OUT);
    assert_eq!(read(&*slave).unwrap(), b"hi\n");
    slave.write(&mut 0, &mut b"ok\n".into()).unwrap();
    assert_eq!(read(&*master).unwrap(), b"hi\r\nok\r\n");
    assert_eq!(read(&*master), Err(Errno::EAGAIN));
}

#[test]
fn a_locked_terminal_cannot_be_opened_and_numbers_return() {
    let world = World::new();
    let master = world.terminals.open_master(None).unwrap();
    assert_eq!(world.open(b"0", OpenFlags::RDWR).err(), Some(Errno::EIO));
    let second = world.terminals.open_master(None).unwrap();
    assert_eq!((master.number(), second.number()), (0, 1));
    drop(master);
    assert_eq!(world.open(b"0", OpenFlags::RDWR).err(), Some(Errno::ENOENT));
    assert_eq!(world.terminals.next_pty(0), Some(1));
    assert_eq!(world.terminals.open_master(None).unwrap().number(), 0);
    for name in [&b"01"[..], b"+1", b"x", b"99", b""] {
        assert_eq!(world.open(name, OpenFlags::RDWR).err(), Some(Errno::ENOENT));
    }
}

#[test]
fn each_end_learns_that_the_other_is_gone() {
    let world = World::new();
    world.jobs.be(5, 5, 5);
    let (master, slave) = world.pair();
    assert_eq!(world.terminals.controlling(5).unwrap().number(), 0);
    drop(master);
    assert_eq!(world.jobs.taken(), [(5, SIGHUP), (5, SIGCONT)]);
    assert_eq!(read(&*slave).unwrap(), b"");
    assert_eq!(slave.write(&mut 0, &mut b"x".into()), Err(Errno::EIO));
    assert!(slave.ready().contains(Ready::HUP | Ready::IN));
    let (master, slave) = world.pair();
    assert_eq!(master.try_read(&mut [0; 4]), TryRead::Pending);
    slave.write(&mut 0, &mut b"bye".into()).unwrap();
    drop(slave);
    assert_eq!(read(&*master).unwrap(), b"bye");
    assert_eq!(master.try_read(&mut [0; 4]), TryRead::Eof);
    assert_eq!(read(&*master), Err(Errno::EIO));
    assert!(master.ready().contains(Ready::HUP));
}

#[test]
fn a_key_signals_the_foreground() {
    let world = World::new();
    world.jobs.be(5, 5, 5);
    let (master, slave) = world.pair();
    master.try_write(b"\x03").unwrap();
    assert_eq!(world.jobs.taken(), [(-5, SIGINT)]);
    world.jobs.groups.lock().unwrap().push((7, 5));
    slave.ioctl(TIOCSPGRP, &mut Word(7)).unwrap();
    master.set_winsize(Winsize {
        ws_row: 50,
        ws_col: 100,
        ..Winsize::default()
    });
    master.try_write(b"\x1a").unwrap();
    assert_eq!(world.jobs.taken(), [(-7, SIGWINCH), (-7, SIGTSTP)]);
    world.jobs.be(7, 7, 5);
    assert_eq!(slave.ioctl(TIOCSPGRP, &mut Word(8)), Err(Errno::ESRCH));
    let mut word = Word(0);
    slave.ioctl(TIOCGPGRP, &mut word).unwrap();
    assert_eq!(word.0, 7);
}

#[test]
fn the_background_is_stopped() {
    let world = World::new();
    world.jobs.be(5, 5, 5);
    let (master, slave) = world.pair();
    master.try_write(b"text\n").unwrap();
    world.jobs.be(6, 6, 5);
    assert_eq!(read(&*slave), Err(Errno::ERESTARTSYS));
    assert_eq!(world.jobs.taken(), [(-6, SIGTTIN)]);
    assert_eq!(slave.write(&mut 0, &mut b"x".into()), Ok(1));
    assert_eq!(
        slave.ioctl(TIOCSPGRP, &mut Word(6)),
        Err(Errno::ERESTARTSYS)
    );
    assert_eq!(world.jobs.taken(), [(-6, SIGTTOU)]);
    if let Some(caller) = &mut *world.jobs.caller.lock().unwrap() {
        caller.refuses_ttin = true;
    }
    assert_eq!(read(&*slave), Err(Errno::EIO));
    world.jobs.be(9, 9, 9);
    assert_eq!(read(&*slave).unwrap(), b"text\n");
    assert_eq!(slave.ioctl(TIOCGPGRP, &mut Word(0)), Err(Errno::ENOTTY));
}

#[test]
fn only_a_leader_without_a_terminal_gets_one() {
    let world = World::new();
    world.jobs.be(6, 5, 5);
    let (_master, slave) = world.pair();
    assert!(world.terminals.controlling(5).is_none());
    assert_eq!(slave.ioctl(TIOCSCTTY, &mut NoArg(0)), Err(Errno::EPERM));
    world.jobs.be(5, 5, 5);
    slave.ioctl(TIOCSCTTY, &mut NoArg(0)).unwrap();
    world.jobs.be(8, 8, 8);
    assert_eq!(slave.ioctl(TIOCSCTTY, &mut NoArg(0)), Err(Errno::EPERM));
    world.terminals.session_ended(5);
    assert_eq!(world.jobs.taken(), [(-5, SIGHUP), (-5, SIGCONT)]);
    assert!(world.terminals.controlling(5).is_none());
    slave.ioctl(TIOCSCTTY, &mut NoArg(0)).unwrap();
    assert!(world.terminals.controlling(8).is_some());
}

struct Slow(Mutex<(Vec<u8>, usize)>);
impl Sink for Slow {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut guard = self.0.lock().unwrap();
        let take = bytes.len().min(guard.1);
        guard.0.extend_from_slice(&bytes[..take]);
        guard.1 -= take;
        take
    }
}

#[test]
fn a_console_waits_for_its_sink() {
    let world = World::new();
    let sink = Arc::new(Slow(Mutex::new((Vec::new(), 3))));
    let tty = Arc::new(Tty::console(world.jobs.clone(), sink.clone()));
    let file = world
        .terminals
        .open(tty.clone(), &world.devpts.root(), OpenFlags::RDWR)
        .unwrap();
    assert_eq!(file.write(&mut 0, &mut b"hello\n".into()), Ok(6));
    assert_eq!(sink.0.lock().unwrap().0, b"hel");
    sink.0.lock().unwrap().1 = 100;
    tty.push_output();
    assert_eq!(sink.0.lock().unwrap().0, b"hello\r\n");
    tty.receive(b"a\x13");
    assert_eq!(file.write(&mut 0, &mut b"held".into()), Err(Errno::EAGAIN));
    assert!(!file.ready().contains(Ready::OUT));
    tty.receive(b"\x11");
    assert_eq!(file.write(&mut 0, &mut b"!".into()), Ok(1));
    assert_eq!(sink.0.lock().unwrap().0, b"hello\r\na!");
}

/// What was the terminal of one session is another's now: the first one's end
/// is nothing to the second.
#[test]
fn a_terminal_belongs_to_one_session() {
    let world = World::new();
    let (master, _slave) = world.pair();
    let tty = master.tty();
    world.terminals.assign(5, tty).unwrap();
    world.terminals.assign(6, tty).unwrap();
    assert!(world.terminals.controlling(5).is_none());
    world.terminals.session_ended(5);
    assert_eq!(world.jobs.taken(), []);
    assert_eq!(tty.session(), (6, 6));
    assert_eq!(tty.set_foreground(5, 5), Err(Errno::ENOTTY));
    world.terminals.session_ended(6);
    assert_eq!(world.jobs.taken(), [(-6, SIGHUP), (-6, SIGCONT)]);
}

/// Two leaders ask at once, many times: one gets it, and what the terminals
/// know of sessions and each terminal of its own agree.
#[test]
fn of_two_leaders_at_once_one_gets_the_terminal() {
    struct Leaders;
    std::thread_local!(static OWN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    impl JobControl for Leaders {
        fn caller(&self) -> Option<Caller> {
            let own = OWN.get();
            Some(Caller {
                pid: own,
                group: own,
                session: own,
                orphaned: false,
                refuses_ttin: false,
                refuses_ttou: false,
                privileged: false,
            })
        }
        fn signal_group(&self, _: u32, _: u32) {}
        fn signal_process(&self, _: u32, _: u32) {}
        fn session_of_group(&self, group: u32) -> Option<u32> {
            Some(group)
        }

        fn known(&self, id: u32) -> u32 {
            id
        }

        fn find(&self, number: u32) -> Option<u32> {
            Some(number)
        }
    }
    let terminals = Terminals::new(Arc::new(Leaders));
    for _ in 0..2000 {
        let master = terminals.open_master(None).unwrap();
        let together = std::sync::Barrier::new(2);
        let ask = |session| {
            OWN.set(session);
            together.wait();
            terminals.take_control(master.tty(), false).is_ok()
        };
        let (one, two) = std::thread::scope(|scope| {
            let other = scope.spawn(|| ask(7));
            (ask(8), other.join().unwrap())
        });
        assert_ne!(one, two, "both or neither");
        let (winner, loser) = if one { (8, 7) } else { (7, 8) };
        assert_eq!(master.tty().session(), (winner, winner));
        assert!(terminals.controlling(loser).is_none());
        terminals.session_ended(winner);
    }
}

#[test]
fn a_terminal_that_has_hung_up_is_nobodys() {
    let world = World::new();
    let (master, slave) = world.pair();
    let tty = master.tty().clone();
    drop(master);
    assert_eq!(world.terminals.assign(5, &tty), Err(Errno::EIO));
    assert_eq!(tty.session(), (0, 0));
    drop(slave);
}
