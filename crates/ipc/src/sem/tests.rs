//! Sets against a plain model, and what sleepers get.

use super::engine::{Engine, Step};
use super::*;
use paddock_abi::ipc::{IPC_CREAT, IPC_NOWAIT, IPC_PRIVATE, SEM_UNDO};
use paddock_cred::Cred;
use paddock_sync::NO_DEADLINE;
use proptest::prelude::*;
use std::collections::BTreeMap;

const SEMS: usize = 3;

fn op(sem_num: u16, sem_op: i16, sem_flg: u16) -> Sembuf {
    Sembuf {
        sem_num,
        sem_op,
        sem_flg,
    }
}

fn account() -> Arc<Account> {
    Account::of_user(1 << 20).unwrap()
}

/// The rules of semop(2), said once more.
#[derive(Default)]
struct Model {
    values: [i32; SEMS],
    undo: BTreeMap<u32, [i32; SEMS]>,
}

impl Model {
    /// `None` to wait.
    fn attempt(&mut self, operations: &[Sembuf], pid: u32) -> Option<Result<()>> {
        let (mut values, mut undo) = (
            self.values,
            self.undo.get(&pid).copied().unwrap_or_default(),
        );
        for one in operations {
            let (at, change) = (usize::from(one.sem_num), i32::from(one.sem_op));
            let blocks = change == 0 && values[at] != 0 || values[at] + change < 0;
            if blocks {
                let nowait = u32::from(one.sem_flg) & IPC_NOWAIT != 0;
                return nowait.then_some(Err(Errno::EAGAIN));
            }
            values[at] += change;
            if one.sem_flg & SEM_UNDO != 0 {
                undo[at] -= change;
            }
            if values[at] > SEMVMX || !(-32_768..=32_767).contains(&undo[at]) {
                return Some(Err(Errno::ERANGE));
            }
        }
        self.values = values;
        self.undo.insert(pid, undo);
        Some(Ok(()))
    }
}

fn operations() -> impl Strategy<Value = Vec<Sembuf>> {
    let flags = prop_oneof![4 => Just(0), 1 => Just(IPC_NOWAIT as u16), 2 => Just(SEM_UNDO)];
    let one =
        (0..SEMS as u16, -3i16..4, flags).prop_map(|(sem, change, flags)| op(sem, change, flags));
    prop::collection::vec(one, 1..4)
}

#[derive(Clone, Debug)]
enum Deed {
    Operate(Vec<Sembuf>, u32),
    Cancel(prop::sample::Index),
    Set(usize, i32),
    SetAll([u16; SEMS]),
    End(u32),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (operations(), 1u32..4).prop_map(|(all, pid)| Deed::Operate(all, pid)),
        1 => any::<prop::sample::Index>().prop_map(Deed::Cancel),
        1 => (0..SEMS, 0i32..4).prop_map(|(sem, value)| Deed::Set(sem, value)),
        1 => prop::array::uniform3(0u16..4).prop_map(Deed::SetAll),
        1 => (1u32..4).prop_map(Deed::End),
    ]
}

/// Nobody waits who need not, and the counts are of those who wait.
fn check(
    engine: &Engine<u64>,
    waiting: &BTreeMap<u64, (Vec<Sembuf>, u32)>,
    undo: &BTreeMap<u32, [i32; SEMS]>,
) {
    let mut model = Model {
        undo: undo.clone(),
        ..Model::default()
    };
    for (at, value) in model.values.iter_mut().enumerate() {
        *value = engine.value(at).unwrap();
        assert!((0..=SEMVMX).contains(value));
    }
    let mut least = [(0, 0); SEMS];
    for (operations, pid) in waiting.values() {
        let before = model.values;
        // Nobody waits who need not.
        let tried = model.attempt(operations, *pid);
        assert!(tried.is_none_or(|result| result.is_err()), "{operations:?}");
        assert_eq!(model.values, before);
        // One who does one thing waits for that.
        if let [one] = operations[..] {
            let (larger, zero) = &mut least[usize::from(one.sem_num)];
            *if one.sem_op == 0 { zero } else { larger } += 1;
        }
    }
    let mut all = 0;
    for (at, (larger, zero)) in least.into_iter().enumerate() {
        let counts = (
            engine.larger_waiters(at).unwrap(),
            engine.zero_waiters(at).unwrap(),
        );
        assert!(counts.0 >= larger && counts.1 >= zero);
        all += counts.0 + counts.1;
    }
    assert_eq!(all, waiting.len());
    assert_eq!(engine.waiting(), waiting.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// With one call at a time, the engine does what the model does: all
    /// operations of a call or none, and nobody waits who need not.
    #[test]
    fn like_the_model(deeds in prop::collection::vec(deed(), 0..60)) {
        let account = account();
        let mut engine: Engine<u64> = Engine::new(SEMS).unwrap();
        let mut waiting: BTreeMap<u64, (Vec<Sembuf>, u32)> = BTreeMap::new();
        let mut model = Model::default();
        let mut name = 0;
        for deed in deeds {
            let mut finished = Vec::new();
            let mut finish = |who, result| finished.push((who, result));
            match deed {
                Deed::Operate(operations, pid) => {
                    name += 1;
                    engine.prepare_undo(pid, |bytes| Charge::new(&account, bytes)).unwrap();
                    let step = engine.operate(&operations, pid, || Ok(name), &mut finish);
                    match model.attempt(&operations, pid) {
                        Some(result) => prop_assert_eq!(step, result.map(|()| Step::Done)),
                        None => {
                            prop_assert!(matches!(step, Ok(Step::Waits(_))));
                            waiting.insert(name, (operations, pid));
                        }
                    }
                }
                Deed::Cancel(which) if !waiting.is_empty() => {
                    // Tickets are found by who holds them.
                    let who = *waiting.keys().nth(which.index(waiting.len())).unwrap();
                    let ticket = (0..name).find(|&ticket| engine.who(ticket) == Some(&who)).unwrap();
                    prop_assert_eq!(engine.cancel(ticket), Some(who));
                    waiting.remove(&who);
                }
                Deed::Cancel(_) => {}
                Deed::Set(sem, value) => {
                    engine.set(sem, value, 9, &mut finish).unwrap();
                    model.values[sem] = value;
                    model.undo.values_mut().for_each(|undo| undo[sem] = 0);
                }
                Deed::SetAll(values) => {
                    engine.set_all(&values, 9, &mut finish).unwrap();
                    model.values = values.map(i32::from);
                    model.undo.clear();
                }
                Deed::End(pid) => {
                    // A process that ends waits for nothing.
                    let own: Vec<u64> = waiting.iter().filter(|one| one.1.1 == pid).map(|one| *one.0).collect();
                    for who in own {
                        let ticket = (0..name).find(|&ticket| engine.who(ticket) == Some(&who)).unwrap();
                        engine.cancel(ticket).unwrap();
                        waiting.remove(&who);
                    }
                    engine.process_ended(pid, &mut finish);
                    let undo = model.undo.remove(&pid).unwrap_or_default();
                    for (value, change) in model.values.iter_mut().zip(undo) {
                        *value = (*value + change).clamp(0, SEMVMX);
                    }
                }
            }
            // In the order in which the engine finished them, the model can.
            for (who, result) in finished {
                let (operations, pid) = waiting.remove(&who).unwrap();
                prop_assert_eq!(model.attempt(&operations, pid), Some(result));
            }
            for at in 0..SEMS {
                prop_assert_eq!(engine.value(at), Ok(model.values[at]));
            }
            check(&engine, &waiting, &model.undo);
        }
        let mut left = 0;
        engine.destroy(&mut |_, result| {
            assert_eq!(result, Err(Errno::EIDRM));
            left += 1;
        });
        prop_assert_eq!(left, waiting.len());
        prop_assert_eq!(account.bytes(), 0);
    }
}

#[test]
fn who_came_first_is_served_first() {
    let mut engine: Engine<u32> = Engine::new(1).unwrap();
    let mut finished = Vec::new();
    for who in 0..3 {
        let step = engine.operate(&[op(0, -1, 0)], 1, || Ok(who), &mut |_, _| ());
        assert!(matches!(step, Ok(Step::Waits(_))));
    }
    let mut finish = |who, result: Result<()>| finished.push((who, result));
    let step = engine.operate(&[op(0, 2, 0)], 2, || Ok(9), &mut finish);
    assert_eq!(step, Ok(Step::Done));
    assert_eq!(finished, [(0, Ok(())), (1, Ok(()))]);
    assert_eq!((engine.value(0), engine.pid(0)), (Ok(0), Ok(1)));
}

#[test]
fn sleepers_are_woken_and_told() {
    let cred = Cred::root();
    let caller = Caller {
        cred: &cred,
        pid: 5,
        now: 10,
    };
    let (sets, account) = (Sets::new(), account());
    let id = sets
        .get(&caller, (IPC_PRIVATE, IPC_CREAT | 0o600), 2, &account)
        .unwrap();
    let undo = SpinLock::new(Rank::Leaf, UndoList::new());
    let operate =
        |all: &[Sembuf], deadline| sets.operate(&caller, id, all, deadline, (&undo, &account));
    let set = sets.find(id).unwrap();
    let wait = |count| {
        while set.look(&caller, |engine| Ok(engine.waiting())) != Ok(count) {
            std::thread::yield_now();
        }
    };
    assert_eq!(operate(&[op(0, -1, 0)], 1), Err(Errno::EAGAIN));
    assert_eq!(operate(&[op(2, -1, 0)], 1), Err(Errno::EFBIG));
    wait(0);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| operate(&[op(0, -1, SEM_UNDO), op(1, -1, 0)], NO_DEADLINE));
        wait(1);
        assert_eq!(operate(&[op(0, 1, 0)], NO_DEADLINE), Ok(()));
        assert_eq!(operate(&[op(1, 1, 0)], NO_DEADLINE), Ok(()));
        assert_eq!(first.join().unwrap(), Ok(()));
        let second = scope.spawn(|| operate(&[op(1, -1, 0)], NO_DEADLINE));
        wait(1);
        // The end of a process gives back what it has taken.
        core::mem::take(&mut *undo.lock()).undo(5, 11);
        assert_eq!(set.look(&caller, |engine| engine.value(0)), Ok(1));
        sets.remove(&caller, id).unwrap();
        assert_eq!(second.join().unwrap(), Err(Errno::EIDRM));
    });
    assert_eq!(sets.remove(&caller, id), Err(Errno::EINVAL));
    assert_eq!(sets.counts(), (0, 0, 0));
    drop(set);
    assert_eq!(account.bytes(), 0);
}
