use super::*;
use paddock_abi::Errno;
use proptest::prelude::*;

const SIZE: u64 = 12;

/// Per byte and owner: none, shared, exclusive.
type Model = [[Option<bool>; SIZE as usize]; 3];

fn in_the_way(model: &Model, owner: usize, bytes: &Bytes, exclusive: bool) -> Vec<usize> {
    let others = (0..3).filter(|&other| other != owner);
    let holds = |other: &usize| {
        let mut held = bytes.clone().map(|at| model[*other][at as usize]);
        held.any(|held| held.is_some_and(|theirs| theirs || exclusive))
    };
    others.filter(holds).collect()
}

proptest! {
    #[test]
    fn ranges_behave_as_a_map_of_bytes(
        ops in proptest::collection::vec((0usize..3, 0..SIZE, 0..SIZE, 0u8..3), 1..80)
    ) {
        let mut locks = RangeLocks::default();
        let mut model: Model = Default::default();
        for (owner, one, two, what) in ops {
            let bytes = one.min(two)..=one.max(two);
            let lock = [None, Some(false), Some(true)][what as usize];
            let others = lock.map(|exclusive| in_the_way(&model, owner, &bytes, exclusive));
            let fits = others.as_ref().is_none_or(Vec::is_empty);
            if let (Some(exclusive), Some(others)) = (lock, others) {
                let found = locks.conflict(owner, &bytes, exclusive);
                prop_assert_eq!(found.is_none(), fits);
                if let Some(found) = found {
                    prop_assert!(others.contains(&found.owner));
                    for at in found.start..=found.end {
                        prop_assert_eq!(model[found.owner][at as usize], Some(found.exclusive));
                    }
                }
            }
            let result = locks.set(owner, &bytes, lock);
            prop_assert_eq!(result, if fits { Ok(()) } else { Err(Errno::EAGAIN) });
            if fits {
                bytes.for_each(|at| model[owner][at as usize] = lock);
            }
            for probe in 0..SIZE {
                let found = locks.conflict(9, &(probe..=probe), true).is_some();
                let held = model.iter().any(|bytes| bytes[probe as usize].is_some());
                prop_assert_eq!(found, held);
            }
            for (owner, bytes) in model.iter().enumerate() {
                prop_assert_eq!(locks.has(owner), bytes.iter().any(Option::is_some));
            }
        }
        (0..3).for_each(|owner| locks.release(owner));
        prop_assert!(locks.is_empty());
        prop_assert_eq!(locks.segments(), 0);
    }
}

#[test]
fn the_last_byte_can_be_locked() {
    let mut locks = RangeLocks::default();
    locks.set(1, &(0..=u64::MAX), Some(true)).unwrap();
    locks.set(1, &(5..=5), None).unwrap();
    assert!(locks.conflict(2, &(5..=5), true).is_none());
    assert!(locks.conflict(2, &(u64::MAX..=u64::MAX), false).is_some());
}

/// Bytes that are locked and let go one after the other beside readers of the whole
/// file leave nothing behind.
#[test]
fn what_was_split_becomes_one_again() {
    let mut locks = RangeLocks::default();
    locks.set(1, &(0..=u64::MAX), Some(false)).unwrap();
    locks.set(2, &(0..=u64::MAX), Some(false)).unwrap();
    for at in 0..1000 {
        locks.set(3, &(at..=at), Some(false)).unwrap();
        locks.set(3, &(at..=at), None).unwrap();
    }
    assert_eq!(locks.segments(), 1);
}

fn wish(owner: u32) -> Wish<u32> {
    Wish {
        kind: Kind::Ranges,
        lock: Lock {
            owner,
            start: 0,
            end: 0,
            exclusive: true,
        },
        process: 30,
    }
}

const FILE: (u32, Kind) = (1, Kind::Ranges);

fn holds(table: &mut LockTable<u32, u32>, owner: u32, byte: u64) {
    table
        .set(FILE, (owner, 0), &(byte..=byte), Some(true))
        .unwrap();
}

#[test]
fn a_circle_of_waits_is_found() {
    let mut table = LockTable::new();
    (1..=3).for_each(|owner| holds(&mut table, owner, u64::from(owner)));
    let mut wait = |owner: u32, byte: u64| {
        let (number, _) = table.begin_wait(1, wish(owner)).unwrap();
        table.turn(FILE, (owner, number), &(byte..=byte), true, true)
    };
    assert_eq!(wait(1, 2), Turn::Blocked);
    assert_eq!(wait(2, 3), Turn::Blocked);
    assert_eq!(wait(4, 1), Turn::Blocked);
    assert_eq!(wait(3, 4), Turn::Free);
    assert_eq!(wait(3, 1), Turn::Deadlock);
}

#[test]
fn a_wait_that_is_over_is_in_no_circle() {
    let mut table = LockTable::new();
    (1..=2).for_each(|owner| holds(&mut table, owner, u64::from(owner)));
    let (number, _) = table.begin_wait(1, wish(1)).unwrap();
    let blocked = table.turn(FILE, (1, number), &(2..=2), true, true);
    assert_eq!(blocked, Turn::Blocked);
    table.end_wait(1, (1, number));
    let (number, _) = table.begin_wait(1, wish(2)).unwrap();
    let blocked = table.turn(FILE, (2, number), &(1..=1), true, true);
    assert_eq!(blocked, Turn::Blocked);
    table.end_wait(1, (2, number));
}

#[test]
fn those_who_wait_keep_their_queue_and_are_told() {
    let mut table = LockTable::new();
    holds(&mut table, 1, 0);
    let (number, queue) = table.begin_wait(1, wish(3)).unwrap();
    let told = table.release(FILE, 1).unwrap();
    assert!(alloc::sync::Arc::ptr_eq(&told, &queue));
    // Somebody else is faster: the same queue tells of that one's end.
    holds(&mut table, 2, 0);
    let told = table.release_next(2).unwrap().unwrap();
    assert!(alloc::sync::Arc::ptr_eq(&told, &queue));
    assert!(table.release_next(2).is_none());
    assert_eq!(
        table.turn(FILE, (3, number), &(0..=0), true, true),
        Turn::Free
    );
    table.end_wait(1, (3, number));
    assert_eq!(table.files(), 0);
}

#[test]
fn all_of_an_owner_goes_and_nothing_else() {
    let mut table = LockTable::new();
    for file in 0..10 {
        for kind in [Kind::Ranges, Kind::Whole] {
            table
                .set((file, kind), (1, 7), &(0..=9), Some(false))
                .unwrap();
            table
                .set((file, kind), (2, 8), &(5..=9), Some(false))
                .unwrap();
        }
    }
    while let Some(told) = table.release_next(1) {
        assert!(told.is_none(), "nobody waits");
    }
    for file in 0..10 {
        let found = table
            .conflict((file, Kind::Whole), 9, &(0..=9), true)
            .unwrap();
        assert_eq!((found.owner, found.start), (2, 5));
    }
    while table.release_next(2).is_some() {}
    assert_eq!(table.files(), 0);
}

#[test]
fn there_is_a_most() {
    let mut locks = RangeLocks::default();
    let most = MAX_LOCKS as u64;
    for at in 0..most {
        locks.set(1, &(4 * at..=4 * at + 2), Some(true)).unwrap();
    }
    let more = 4 * most..=4 * most;
    assert_eq!(locks.set(1, &more, Some(true)), Err(Errno::ENOLCK));
    assert_eq!(locks.set(1, &(1..=1), None), Err(Errno::ENOLCK));
    assert_eq!(locks.set(1, &(0..=2), None), Ok(()));
    assert_eq!(locks.set(1, &more, Some(true)), Ok(()));
}

#[test]
fn all_locks_are_shown_and_who_waits() {
    let mut table = LockTable::new();
    table.set(FILE, (1, 10), &(0..=9), Some(true)).unwrap();
    table
        .set((1, Kind::Whole), (2, 20), &(0..=u64::MAX), Some(false))
        .unwrap();
    let (number, _) = table.begin_wait(1, wish(3)).unwrap();
    let (file, count) = table.next_file(None).unwrap();
    assert_eq!((file, count, table.next_file(Some(file))), (1, 3, None));
    let mut all = Vec::new();
    table.show(file, |shown| all.push(shown));
    let brief = |shown: &Shown<u32>| (shown.kind, shown.lock.owner, shown.process, shown.waits);
    let brief: Vec<_> = all.iter().map(brief).collect();
    let expected = [
        (Kind::Ranges, 1, 10, false),
        (Kind::Whole, 2, 20, false),
        (Kind::Ranges, 3, 30, true),
    ];
    assert_eq!(brief, expected);
    assert_eq!((all[0].lock.start, all[0].lock.end), (0, 9));
    table.end_wait(1, (3, number));
}
