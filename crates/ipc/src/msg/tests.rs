//! Queues against a plain model, and what sleepers get.

use super::*;
use paddock_abi::ipc::{IPC_CREAT, IPC_PRIVATE, MSG_NOERROR};
use paddock_cred::Cred;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const CAPACITY: usize = 12;

fn message(kind: i64, text: &[u8]) -> Message {
    Message {
        kind,
        text: text.to_vec(),
        charge: None,
    }
}

/// What a call ends with: with type and text for a receiver.
type End = Result<Option<(i64, Vec<u8>)>>;

/// A queue as a list that is searched from its start.
#[derive(Default)]
struct Model {
    messages: VecDeque<(i64, Vec<u8>)>,
    /// By number: who waits to receive, and to send.
    receivers: BTreeMap<u32, Request>,
    senders: BTreeMap<u32, (i64, Vec<u8>)>,
    finished: Vec<(u32, End)>,
}

impl Model {
    fn has_room(&self, bytes: usize) -> bool {
        let all: usize = self.messages.iter().map(|one| one.1.len()).sum();
        all + bytes <= CAPACITY && self.messages.len() < CAPACITY
    }

    fn fits(wanted: Wanted, kind: i64) -> bool {
        match wanted {
            Wanted::First => true,
            Wanted::Of(own) => own == kind,
            Wanted::Except(other) => other != kind,
            Wanted::UpTo(most) => kind <= most,
        }
    }

    fn accept(&mut self, kind: i64, text: Vec<u8>) {
        let waiting: Vec<u32> = self.receivers.keys().copied().collect();
        for who in waiting {
            let request = self.receivers[&who];
            if !Self::fits(request.wanted, kind) {
                continue;
            }
            self.receivers.remove(&who);
            if text.len() > request.most && !request.cut {
                self.finished.push((who, Err(Errno::E2BIG)));
                continue;
            }
            self.finished.push((who, Ok(Some((kind, text)))));
            return;
        }
        self.messages.push_back((kind, text));
    }

    /// `None` to wait.
    fn receive(&mut self, request: &Request) -> Option<Result<(i64, Vec<u8>)>> {
        let mut fitting = self
            .messages
            .iter()
            .enumerate()
            .filter(|(_, one)| Self::fits(request.wanted, one.0));
        let (at, found) = match request.wanted {
            Wanted::UpTo(_) => fitting.min_by_key(|(at, one)| (one.0, *at))?,
            _ => fitting.next()?,
        };
        if found.1.len() > request.most && !request.cut {
            return Some(Err(Errno::E2BIG));
        }
        let taken = self.messages.remove(at)?;
        while let Some((&who, (_, text))) = self.senders.first_key_value() {
            if !self.has_room(text.len()) {
                break;
            }
            let (kind, text) = self.senders.remove(&who)?;
            self.accept(kind, text);
            self.finished.push((who, Ok(None)));
        }
        Some(Ok(taken))
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Send(i64, usize, bool),
    Receive(i64, usize, u32, bool),
    Cancel(prop::sample::Index),
}

fn deed() -> impl Strategy<Value = Deed> {
    let flags = prop_oneof![Just(0), Just(MSG_NOERROR), Just(MSG_EXCEPT)];
    prop_oneof![
        4 => (1i64..4, 0usize..6, any::<bool>()).prop_map(|(kind, bytes, waits)| Deed::Send(kind, bytes, waits)),
        4 => (-3i64..4, 0usize..6, flags, any::<bool>()).prop_map(|(kind, most, flags, waits)| Deed::Receive(kind, most, flags, waits)),
        1 => any::<prop::sample::Index>().prop_map(Deed::Cancel),
    ]
}

fn plain(outcome: Outcome) -> End {
    outcome.map(|message| message.map(|message| (message.kind, message.text)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn like_the_model(deeds in prop::collection::vec(deed(), 0..80)) {
        let mut engine: Engine<u32> = Engine::new(CAPACITY);
        let mut model = Model::default();
        let mut tickets: BTreeMap<u32, u64> = BTreeMap::new();
        for (name, deed) in (0u32..).zip(deeds) {
            let mut finished = Vec::new();
            let mut finish = |who, outcome| finished.push((who, plain(outcome)));
            match deed {
                Deed::Send(kind, bytes, waits) => {
                    let text = vec![name as u8; bytes];
                    let who = waits.then_some(|| Ok(name));
                    let step = engine.send(message(kind, &text), 1, who, &mut finish);
                    match (model.has_room(bytes), waits) {
                        (true, _) => {
                            model.accept(kind, text);
                            prop_assert!(matches!(step, Ok(Step::Done(None))));
                        }
                        (false, false) => prop_assert!(matches!(step, Err(Errno::EAGAIN))),
                        (false, true) => {
                            model.senders.insert(name, (kind, text));
                            let Ok(Step::Waits(ticket)) = step else { panic!("{step:?}") };
                            tickets.insert(name, ticket);
                        }
                    }
                }
                Deed::Receive(kind, most, flags, waits) => {
                    let request = Request::new(kind, most, flags, 2);
                    let who = waits.then_some(|| Ok(name));
                    let step = engine.receive(request, who, &mut finish);
                    match (model.receive(&request), waits) {
                        (Some(Ok(found)), _) => {
                            let Ok(Step::Done(Some(message))) = step else { panic!("{step:?}") };
                            prop_assert_eq!((message.kind, message.text), found);
                        }
                        (Some(Err(error)), _) => prop_assert_eq!(step.err(), Some(error)),
                        (None, false) => prop_assert!(matches!(step, Err(Errno::ENOMSG))),
                        (None, true) => {
                            model.receivers.insert(name, request);
                            let Ok(Step::Waits(ticket)) = step else { panic!("{step:?}") };
                            tickets.insert(name, ticket);
                        }
                    }
                }
                Deed::Cancel(which) => {
                    let waiting: Vec<u32> = model.receivers.keys().chain(model.senders.keys()).copied().collect();
                    if !waiting.is_empty() {
                        let who = waiting[which.index(waiting.len())];
                        prop_assert_eq!(engine.cancel(tickets[&who]), Some(who));
                        model.receivers.remove(&who);
                        model.senders.remove(&who);
                    }
                }
            }
            prop_assert_eq!(finished, core::mem::take(&mut model.finished));
            let counts = engine.counts();
            prop_assert_eq!(counts.messages, model.messages.len());
            prop_assert_eq!(counts.bytes, model.messages.iter().map(|one| one.1.len()).sum::<usize>());
            prop_assert_eq!(engine.waiting(), (model.receivers.len(), model.senders.len()));
        }
    }
}

#[test]
fn the_lowest_type_has_no_opposite() {
    assert_eq!(Wanted::new(i64::MIN, 0), Wanted::UpTo(i64::MAX));
    assert_eq!(
        Wanted::new(i64::MIN + 1, MSG_EXCEPT),
        Wanted::UpTo(i64::MAX)
    );
}

#[test]
fn sleepers_get_messages_and_room() {
    let root = Cred::root();
    let caller = Caller {
        cred: &root,
        pid: 5,
        now: 10,
    };
    let (queues, account) = (Queues::new(), Account::of_user(1 << 20).unwrap());
    let id = queues
        .get(&caller, (IPC_PRIVATE, IPC_CREAT | 0o600), &account)
        .unwrap();
    let send = |kind, bytes: usize, flags| {
        let message = (kind, vec![7; bytes]);
        queues.send(&caller, (id, flags), message, &account)
    };
    let most = MSGMAX.load(Relaxed);
    let receive = |kind, flags| queues.receive(&caller, (id, flags), kind, most);
    assert_eq!(send(0, 1, 0), Err(Errno::EINVAL));
    assert_eq!(send(1, most + 1, 0), Err(Errno::EINVAL));
    assert_eq!(receive(0, IPC_NOWAIT).err(), Some(Errno::ENOMSG));
    let queue = queues.find(id).unwrap();
    let wait = |who| {
        while queue.waiting() != who {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(2, 0));
        wait((1, 0));
        send(1, most, 0).unwrap();
        send(2, 3, 0).unwrap();
        assert_eq!(receiver.join().unwrap().unwrap().text, [7; 3]);
        send(1, most, 0).unwrap();
        assert_eq!(send(1, 1, IPC_NOWAIT), Err(Errno::EAGAIN));
        let sender = scope.spawn(|| send(3, 1, 0));
        wait((0, 1));
        assert_eq!(receive(0, 0).unwrap().kind, 1);
        assert_eq!(sender.join().unwrap(), Ok(()));
        assert_eq!(receive(-3, 0).unwrap().kind, 1);
        let receiver = scope.spawn(|| receive(9, 0));
        wait((1, 0));
        queues.remove(&caller, id).unwrap();
        assert_eq!(receiver.join().unwrap().err(), Some(Errno::EIDRM));
    });
    assert_eq!(queues.remove(&caller, id), Err(Errno::EINVAL));
    drop(queue);
    assert_eq!((queues.counts(), account.bytes()), ((0, 0), 0));
}

#[test]
fn only_the_privileged_make_a_queue_longer() {
    let (root, user) = (Cred::root(), Cred::user(9, 9));
    let caller = |cred| Caller {
        cred,
        pid: 5,
        now: 10,
    };
    let (queues, account) = (Queues::new(), Account::of_user(1 << 20).unwrap());
    let id = queues
        .get(&caller(&user), (4, IPC_CREAT | 0o600), &account)
        .unwrap();
    let mut new = queues.stat(&caller(&user), Which::Id(id)).unwrap().1;
    new.msg_qbytes = MSGMNB.load(Relaxed) as u64 + 1;
    assert_eq!(queues.set(&caller(&user), id, &new), Err(Errno::EPERM));
    queues.set(&caller(&root), id, &new).unwrap();
    new.msg_qbytes = 1;
    queues.set(&caller(&user), id, &new).unwrap();
    let (found, shown) = queues.stat(&caller(&user), Which::Index(0)).unwrap();
    assert_eq!((found, shown.msg_qbytes), (id, 1));
}
