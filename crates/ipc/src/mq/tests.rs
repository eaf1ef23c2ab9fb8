use super::*;
use crate::Caller;
use alloc::sync::Arc;
use paddock_charge::Account;
use paddock_cred::Access;
use paddock_sync::NO_DEADLINE;
use proptest::prelude::*;

fn caller(cred: &Cred) -> Caller<'_> {
    Caller {
        cred,
        pid: 5,
        now: 10,
    }
}

fn open(attr: Option<&MqAttr>) -> Open<'_> {
    Open {
        create: true,
        exclusive: false,
        access: Access::READ | Access::WRITE,
        mode: 0o600,
        attr,
        limit: 819_200,
    }
}

fn attr(messages: i64, bytes: i64) -> MqAttr {
    MqAttr {
        mq_maxmsg: messages,
        mq_msgsize: bytes,
        ..MqAttr::default()
    }
}

fn message(priority: u32, text: &[u8]) -> Message {
    Message {
        priority,
        text: text.to_vec(),
    }
}

fn account() -> Arc<Account> {
    Account::of_user(1 << 20).unwrap()
}

fn queue(names: &Names<u32>, uid: u32, messages: i64) -> Arc<Queue<u32>> {
    let cred = Cred::user(uid, uid);
    let attr = attr(messages, 8);
    let how = open(Some(&attr));
    names
        .open(&caller(&cred), b"q".to_vec(), &how, &account())
        .unwrap()
}

#[test]
fn names_and_rights() {
    let names: Names<u32> = Names::new();
    let (own, other, account) = (Cred::user(101, 1), Cred::user(102, 2), account());
    let open_by = |cred: &Cred, name: &[u8], how: &Open<'_>| {
        let result = names.open(&caller(cred), name.to_vec(), how, &account);
        result.map(drop)
    };
    let plain = open(None);
    let find = Open {
        create: false,
        ..plain
    };
    assert_eq!(open_by(&own, b"", &plain), Err(Errno::ENOENT));
    assert_eq!(open_by(&own, b"a/b", &plain), Err(Errno::EACCES));
    assert_eq!(open_by(&own, b"..", &plain), Err(Errno::EACCES));
    assert_eq!(
        open_by(&own, &[b'a'; 256], &plain),
        Err(Errno::ENAMETOOLONG)
    );
    assert_eq!(open_by(&own, b"a", &find), Err(Errno::ENOENT));
    for (messages, bytes) in [(0, 1), (1, 0), (-1, 1), (11, 1), (1, 8193)] {
        let bad = attr(messages, bytes);
        assert_eq!(open_by(&own, b"a", &open(Some(&bad))), Err(Errno::EINVAL));
    }
    assert_eq!(open_by(&own, b"a", &plain), Ok(()));
    let exclusive = Open {
        exclusive: true,
        ..plain
    };
    assert_eq!(open_by(&own, b"a", &exclusive), Err(Errno::EEXIST));
    assert_eq!(open_by(&other, b"a", &find), Err(Errno::EACCES));
    // Beyond the limit of one user, not of another.
    for name in [b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"i"] {
        assert_eq!(open_by(&own, name, &plain), Ok(()));
    }
    assert_eq!(open_by(&own, b"j", &plain), Err(Errno::EMFILE));
    assert_eq!(open_by(&other, b"j", &plain), Ok(()));
    assert_eq!(names.unlink(&caller(&other), b"a"), Err(Errno::EPERM));
    assert_eq!(names.unlink(&caller(&own), b"a"), Ok(()));
    assert_eq!(names.unlink(&caller(&own), b"a"), Err(Errno::ENOENT));
    assert_eq!(open_by(&own, b"k", &plain), Ok(()));
    drop(names);
    assert_eq!(account.bytes(), 0);
}

proptest! {
    /// Against a list that is sorted: the highest priority first, the oldest
    /// of those, and never more than there is room for.
    #[test]
    fn like_a_sorted_list(steps in prop::collection::vec(prop::option::of(0u32..4), 0..60)) {
        let queue = queue(&Names::new(), 103, 4);
        let mut model: Vec<(u32, u8)> = Vec::new();
        for (name, step) in (0u8..).zip(steps) {
            match step {
                Some(priority) => {
                    let sent = queue.send(message(priority, &[name]), true, NO_DEADLINE);
                    prop_assert_eq!(sent.is_ok(), model.len() < 4);
                    if sent.is_ok() {
                        let at = model.iter().position(|one| one.0 < priority).unwrap_or(model.len());
                        model.insert(at, (priority, name));
                    }
                }
                None => {
                    let found = queue.receive(8, true, NO_DEADLINE);
                    let found = found.map(|message| (message.priority, message.text[0]));
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    prop_assert_eq!(found, expected.ok_or(Errno::EAGAIN));
                }
            }
            prop_assert_eq!(queue.attributes().mq_curmsgs as usize, model.len());
            prop_assert_eq!(queue.bytes() as usize, model.len());
            prop_assert_eq!(queue.ready().contains(Ready::IN), !model.is_empty());
            prop_assert_eq!(queue.ready().contains(Ready::OUT), model.len() < 4);
        }
    }
}

#[test]
fn one_is_told_of_the_first_message_once() {
    let queue = queue(&Names::new(), 104, 4);
    let send = || queue.send(message(0, b"x"), true, NO_DEADLINE);
    queue.register(1).unwrap();
    assert_eq!(queue.register(2), Err(Errno::EBUSY));
    assert_eq!(send(), Ok(Some(1)));
    queue.register(3).unwrap();
    assert_eq!(send(), Ok(None));
    assert_eq!(queue.unregister(|_| true), Some(3));
    queue.register(4).unwrap();
    assert_eq!(queue.unregister(|&own| own == 3), None);
    assert_eq!(queue.unregister(|&own| own == 4), Some(4));
    assert_eq!(queue.registered(|_| ()), None);
}

#[test]
fn sleepers_get_messages_and_room() {
    let queue = queue(&Names::new(), 105, 1);
    let send = |priority, deadline| queue.send(message(priority, b"x"), false, deadline);
    let receive = |deadline| {
        queue
            .receive(8, false, deadline)
            .map(|found| found.priority)
    };
    assert_eq!(queue.receive(7, false, 1).err(), Some(Errno::EMSGSIZE));
    let long = queue.send(message(0, &[0; 9]), false, 1);
    assert_eq!(long, Err(Errno::EMSGSIZE));
    assert_eq!(receive(1), Err(Errno::ETIMEDOUT));
    queue.register(1).unwrap();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| receive(NO_DEADLINE)))
            .collect();
        while queue.state.lock().receivers < 3 {
            std::thread::yield_now();
        }
        // Those who sleep get it; who is registered is not told.
        for priority in 0..3 {
            assert_eq!(send(priority, NO_DEADLINE), Ok(None));
        }
        let mut got: Vec<u32> = all
            .into_iter()
            .map(|one| one.join().unwrap().unwrap())
            .collect();
        got.sort();
        assert_eq!(got, [0, 1, 2]);
        assert_eq!(send(7, NO_DEADLINE), Ok(Some(1)));
        assert_eq!(send(8, 1), Err(Errno::ETIMEDOUT));
        let sender = scope.spawn(|| send(9, NO_DEADLINE));
        assert_eq!(receive(NO_DEADLINE), Ok(7));
        assert_eq!(sender.join().unwrap(), Ok(None));
        assert_eq!(receive(NO_DEADLINE), Ok(9));
    });
}
