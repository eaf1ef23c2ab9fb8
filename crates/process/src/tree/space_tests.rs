use super::tests::{END, exit, family, left_alone};
use super::*;
use paddock_abi::signal::SIGCHLD;
use paddock_charge::Account;
use paddock_cred::UserNamespace;
use proptest::prelude::*;

/// A child in a namespace.
fn payer() -> Arc<Account> {
    Account::of_user(usize::MAX).unwrap()
}

fn fork_in(tree: &mut Tree<u32>, parent: u32, space: &PidSpace) -> Result<(u32, Local)> {
    let pid = tree.reserve(None, 0, TaskLimits::NONE)?;
    let made = tree.enroll(pid, space).and_then(|number| {
        tree.add(pid, Some(parent), Arc::new(pid), SIGCHLD)?;
        Ok((pid, number))
    });
    made.inspect_err(|_| tree.release(pid))
}

fn reap(tree: &mut Tree<u32>, parent: u32) -> Option<(u32, Local)> {
    let found = tree.wait(parent, Selector::Any, END).unwrap();
    found.map(|child| (child.pid, child.number))
}

#[test]
fn each_level_has_its_own_numbers() {
    let (mut tree, init, shell, _) = family();
    let outer = PidSpace::INITIAL
        .make_inner(&UserNamespace::INITIAL, &payer())
        .unwrap();
    let inner = outer.make_inner(&UserNamespace::INITIAL, &payer()).unwrap();
    let (first, one) = fork_in(&mut tree, shell, &outer).unwrap();
    let (second, two) = fork_in(&mut tree, first, &outer).unwrap();
    let (deep, deepest) = fork_in(&mut tree, second, &inner).unwrap();
    assert_eq!((one.get(), two.get(), deepest.get()), (1, 2, 1));
    let known = |space, id| tree.number_in(space, id).get();
    assert_eq!(known(&PidSpace::INITIAL, deep), deep);
    assert_eq!((known(&outer, deep), known(&inner, deep)), (3, 1));
    assert_eq!((known(&outer, second), known(&inner, second)), (2, 0));
    assert_eq!((known(&outer, init), known(&inner, shell)), (0, 0));
    let all = |space| {
        tree.numbers_from(space, deep)
            .map(Local::get)
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&PidSpace::INITIAL), [deep, 3, 1]);
    assert_eq!(all(&outer), [3, 1]);
    assert_eq!(all(&inner), [1]);
    assert_eq!(tree.find_in(&outer, Local::new(3)), Some(deep));
    assert_eq!(tree.find_in(&inner, Local::new(2)), None);
    assert!(inner.is_within(&outer) && !outer.is_within(&inner));
}

#[test]
fn orphans_stay_inside() {
    let (mut tree, _, shell, _) = family();
    let space = PidSpace::INITIAL
        .make_inner(&UserNamespace::INITIAL, &payer())
        .unwrap();
    let (first, _) = fork_in(&mut tree, shell, &space).unwrap();
    let (middle, _) = fork_in(&mut tree, first, &space).unwrap();
    let (orphan, _) = fork_in(&mut tree, middle, &space).unwrap();
    // A subreaper outside is none for them.
    tree.set_subreaper(shell, true).unwrap();
    exit(&mut tree, middle, 0);
    assert_eq!(tree.parent(orphan), Ok(first));
}

#[test]
fn one_that_has_ended_takes_nobody() {
    let (mut tree, _, shell, _) = family();
    let space = PidSpace::INITIAL
        .make_inner(&UserNamespace::INITIAL, &payer())
        .unwrap();
    let (first, _) = fork_in(&mut tree, shell, &space).unwrap();
    let pid = tree.reserve(None, 0, TaskLimits::NONE).unwrap();
    tree.enroll(pid, &space).unwrap();
    exit(&mut tree, first, 0);
    let late = tree.add(pid, Some(shell), Arc::new(pid), SIGCHLD);
    assert_eq!(late, Err(Errno::ENOMEM));
    tree.release(pid);
    assert_eq!(tree.tasks_in(&space), 1);
    assert_eq!(reap(&mut tree, shell), Some((first, Local::new(first))));
    assert_eq!(tree.tasks_in(&space), 0);
    assert_eq!(fork_in(&mut tree, shell, &space), Err(Errno::ENOMEM));
}

#[test]
fn a_group_keeps_its_number() {
    let (mut tree, _, shell, _) = family();
    let space = PidSpace::INITIAL
        .make_inner(&UserNamespace::INITIAL, &payer())
        .unwrap();
    let (first, _) = fork_in(&mut tree, shell, &space).unwrap();
    let (leader, two) = fork_in(&mut tree, first, &space).unwrap();
    tree.new_session(leader).unwrap();
    let (member, _) = fork_in(&mut tree, leader, &space).unwrap();
    exit(&mut tree, leader, 0);
    assert_eq!(reap(&mut tree, first), Some((leader, two)));
    assert_eq!(tree.number_in(&space, leader), two);
    exit(&mut tree, member, 0);
    reap(&mut tree, first);
    assert_eq!(tree.number_in(&space, leader), Local::NOBODY);
    assert_eq!(tree.find_in(&space, two), None);
}

/// The number of a group is no task: who waits for all others does not wait for it.
#[test]
fn a_group_is_nobody() {
    let (mut tree, _, shell, _) = family();
    let space = PidSpace::INITIAL
        .make_inner(&UserNamespace::INITIAL, &payer())
        .unwrap();
    let (first, _) = fork_in(&mut tree, shell, &space).unwrap();
    let (leader, two) = fork_in(&mut tree, first, &space).unwrap();
    tree.set_group(first, leader, leader).unwrap();
    tree.set_group(first, first, leader).unwrap();
    tree.end_space(&space);
    exit(&mut tree, leader, 0);
    assert_eq!((tree.tasks_in(&space), left_alone()), (2, vec![]));
    assert_eq!(reap(&mut tree, first), Some((leader, two)));
    assert_eq!((tree.tasks_in(&space), left_alone()), (1, vec![first]));
    assert_eq!(tree.number_in(&space, leader), two);
}

#[test]
fn process_1_is_told_of_everyone_who_goes() {
    let (mut tree, _, shell, _) = family();
    let outer = PidSpace::INITIAL
        .make_inner(&UserNamespace::INITIAL, &payer())
        .unwrap();
    let inner = outer.make_inner(&UserNamespace::INITIAL, &payer()).unwrap();
    let (first, _) = fork_in(&mut tree, shell, &outer).unwrap();
    let (deep, _) = fork_in(&mut tree, first, &inner).unwrap();
    // One that comes from outside, which has its number and is no process yet.
    let late = tree.reserve(None, 0, TaskLimits::NONE).unwrap();
    tree.enroll(late, &inner).unwrap();
    tree.release(late);
    assert_eq!(left_alone(), [], "neither has ended");
    let late = tree.reserve(None, 0, TaskLimits::NONE).unwrap();
    tree.enroll(late, &inner).unwrap();
    tree.end_space(&inner);
    tree.end_space(&outer);
    tree.add(late, Some(shell), Arc::new(late), SIGCHLD)
        .unwrap_err();
    tree.release(late);
    assert_eq!(left_alone(), [deep]);
    exit(&mut tree, deep, 0);
    reap(&mut tree, first).unwrap();
    assert_eq!(left_alone(), [first]);
    // Without memory, or a number, for the outer one: the inner one has it no more.
    assert_eq!(tree.tasks_in(&outer), 1);
}

#[test]
fn there_are_so_many_in_each_other() {
    let mut space = PidSpace::INITIAL;
    for level in 1..=LEVELS_MAX {
        space = space.make_inner(&UserNamespace::INITIAL, &payer()).unwrap();
        assert_eq!(space.level(), level);
    }
    assert_eq!(
        space.make_inner(&UserNamespace::INITIAL, &payer()).err(),
        Some(Errno::ENOSPC)
    );
}

proptest! {
    /// Whatever comes and goes: numbers lead there and back, and none is left over.
    #[test]
    fn numbers_lead_there_and_back(steps in proptest::collection::vec((0..4usize, 0..16usize), 1..80)) {
        let (mut tree, _, shell, _) = family();
        let mut spaces = vec![PidSpace::INITIAL];
        for level in 0..3 {
            let space = spaces[level].make_inner(&UserNamespace::INITIAL, &payer()).unwrap();
            spaces.push(space);
        }
        let mut firsts = vec![shell];
        for level in 1..4 {
            let (pid, number) = fork_in(&mut tree, firsts[level - 1], &spaces[level]).unwrap();
            prop_assert_eq!(number, Local::FIRST);
            firsts.push(pid);
        }
        let mut living: Vec<(usize, u32)> = Vec::new();
        for (level, which) in steps {
            if which < 8 || living.is_empty() {
                let (pid, _) = fork_in(&mut tree, firsts[level], &spaces[level]).unwrap();
                living.push((level, pid));
            } else {
                let (level, pid) = living.remove(which % living.len());
                exit(&mut tree, pid, 0);
                prop_assert_eq!(reap(&mut tree, firsts[level]).map(|it| it.0), Some(pid));
            }
            for &(level, pid) in &living {
                for (at, space) in spaces.iter().enumerate() {
                    let number = tree.number_in(space, pid);
                    prop_assert_eq!(number == Local::NOBODY, at > level);
                    if at <= level {
                        prop_assert_eq!(tree.find_in(space, number), Some(pid));
                    }
                }
            }
        }
        for (at, space) in spaces.iter().enumerate().skip(1) {
            let inside = living.iter().filter(|(level, _)| *level >= at).count();
            prop_assert_eq!(tree.tasks_in(space), inside + 4 - at);
        }
    }
}
