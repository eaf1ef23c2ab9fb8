//! What stands in for the kernel, and for the program.

use crate::connection::Connection;
use crate::host::{Caller, Host, Woken};
use paddock_charge::Account;
use paddock_cred::{Cred, UserNamespace};
use paddock_sync::WaitQueue;
use paddock_vfs::HeapPages;
use paddock_vfs::cache::PageCache;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A thread that can be told to end, or that a signal came.
pub struct Thread {
    pub is_doomed: AtomicBool,
    pub has_signal: AtomicBool,
    pub account: Arc<Account>,
}

impl Thread {
    pub fn new() -> Arc<Thread> {
        Arc::new(Thread {
            is_doomed: AtomicBool::new(false),
            has_signal: AtomicBool::new(false),
            account: Account::of_user(1 << 20).unwrap(),
        })
    }
}

impl Host for Thread {
    fn caller(&self) -> Option<Caller> {
        Some(Caller {
            cred: Cred::shared_root(),
            thread: 42,
            umask: 0o022,
            is_ending: self.is_doomed.load(SeqCst),
        })
    }

    fn wait(&self, _: &WaitQueue, interruptible: bool, done: &dyn Fn() -> bool) -> Woken {
        loop {
            if done() {
                return Woken::Done;
            }
            if self.is_doomed.load(SeqCst) {
                return Woken::Doomed;
            }
            if interruptible && self.has_signal.load(SeqCst) {
                return Woken::Interrupted;
            }
            std::thread::yield_now();
        }
    }

    fn account(&self) -> Arc<Account> {
        self.account.clone()
    }

    fn now(&self) -> u64 {
        1
    }

    fn look_for_unused(&self) {}

    fn page_cache(&self) -> paddock_abi::Result<Arc<PageCache>> {
        Ok(Arc::new(PageCache::new(Arc::new(HeapPages), 64)))
    }
}

/// What the program read: the number of what is asked, that of the question, the node, and
/// the rest.
pub type Question = (u32, u64, u64, Vec<u8>);

/// The next question, once there is one.
pub fn next(connection: &Connection) -> Question {
    loop {
        let mut room = vec![0; 1 << 17];
        match connection.read(&mut (&mut room[..]).into()) {
            Err(paddock_abi::Errno::EAGAIN) => std::thread::yield_now(),
            count => {
                let count = count.unwrap();
                let word = |at: usize| u32::from_le_bytes(room[at..at + 4].try_into().unwrap());
                let long = |at: usize| u64::from_le_bytes(room[at..at + 8].try_into().unwrap());
                assert_eq!(word(0) as usize, count);
                return (word(4), long(8), long(16), room[40..count].to_vec());
            }
        }
    }
}

/// Answers; what that came to.
pub fn answer(
    connection: &Connection,
    unique: u64,
    error: i32,
    bytes: &[u8],
) -> paddock_abi::Result<usize> {
    let length = 16 + bytes.len() as u32;
    let mut all = [length.to_le_bytes(), error.to_le_bytes()].concat();
    all.extend(unique.to_le_bytes());
    all.extend(bytes);
    connection.write(&mut (&all[..]).into())
}

/// A connection whose program has answered the greeting.
pub fn greeted(thread: &Arc<Thread>) -> Arc<Connection> {
    let host: Arc<dyn Host> = thread.clone();
    let connection = Connection::new(&host, UserNamespace::INITIAL).unwrap();
    connection.add_device();
    let (opcode, unique, _, _) = next(&connection);
    assert_eq!(opcode, 26);
    let mut terms = [7_u32, 31, 0, 0, 0, 65536].map(u32::to_le_bytes).concat();
    terms.resize(64, 0);
    answer(&connection, unique, 0, &terms).unwrap();
    connection
}
