use super::*;
use core::cell::RefCell;
use paddock_abi::process::WaitOptions;
use paddock_abi::signal::SIGCHLD;
use proptest::prelude::*;

thread_local! {
    /// The processes that were told that they are alone, by this test.
    static LEFT_ALONE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Who was told that all others are gone since this was asked last.
pub(super) fn left_alone() -> Vec<u32> {
    LEFT_ALONE.with_borrow_mut(core::mem::take)
}

impl Member for u32 {
    fn removed(&self) {}

    fn left_alone(&self) {
        LEFT_ALONE.with_borrow_mut(|told| told.push(*self));
    }

    fn set_parent(&self, _parent: Local) {}
}

pub(super) const END: WaitOptions = WaitOptions::EXITED;

pub(super) fn fork(tree: &mut Tree<u32>, parent: Option<u32>) -> u32 {
    let pid = tree.reserve(None, 0, TaskLimits::NONE).unwrap();
    tree.add(pid, parent, Arc::new(pid), SIGCHLD).unwrap();
    pid
}

pub(super) fn exit(tree: &mut Tree<u32>, pid: u32, code: u8) -> ExitEffects<u32> {
    tree.exit(
        pid,
        WaitStatus::Exited(code),
        Usage::default(),
        false,
        |_, _| {},
    )
    .unwrap()
}

pub(super) fn family() -> (Tree<u32>, u32, u32, u32) {
    let mut tree = Tree::new();
    let init = fork(&mut tree, None);
    let shell = fork(&mut tree, Some(init));
    let child = fork(&mut tree, Some(shell));
    (tree, init, shell, child)
}

/// Begins a signal to many, or ends one; how many are under way then.
fn broadcast(tree: &mut Tree<u32>, under_way: usize, begins: bool) -> usize {
    match (begins, under_way) {
        (true, _) => tree.begin_broadcast(),
        (false, 1..) => tree.end_broadcast(),
        (false, 0) => return 0,
    }
    if begins { under_way + 1 } else { under_way - 1 }
}

proptest! {
    /// Also one that began before the fork and ended during it.
    #[test]
    fn a_fork_notices_every_signal_to_many(
        before in proptest::collection::vec(any::<bool>(), 0..8),
        during in proptest::collection::vec(any::<bool>(), 0..8),
    ) {
        let mut tree = Tree::<u32>::new();
        let mut under_way = 0;
        for begins in before {
            under_way = broadcast(&mut tree, under_way, begins);
        }
        let since = tree.broadcasts();
        let overlaps = under_way > 0 || during.contains(&true);
        for begins in during {
            under_way = broadcast(&mut tree, under_way, begins);
        }
        prop_assert_eq!(tree.misses_broadcast(since), overlaps);
    }
}

#[test]
fn the_first_process_is_number_one() {
    let (tree, init, shell, child) = family();
    assert_eq!((init, shell, child), (1, 2, 3));
    assert_eq!(tree.parent(child), Ok(shell));
    assert_eq!(tree.next_pid(3), Some(3));
    assert_eq!(tree.next_pid(4), None);
}

#[test]
fn a_child_is_waited_for_once() {
    let (mut tree, _, shell, child) = family();
    assert!(tree.wait(shell, Selector::Any, END).unwrap().is_none());
    let effects = exit(&mut tree, child, 7);
    assert_eq!(effects.parent.as_deref(), Some(&shell));
    assert_eq!(effects.exit_signal, SIGCHLD);
    let peek = tree
        .wait(shell, Selector::Any, END | WaitOptions::NOWAIT)
        .unwrap()
        .unwrap();
    assert_eq!((peek.pid, peek.status), (child, WaitStatus::Exited(7)));
    let waited = tree
        .wait(shell, Selector::Pid(child), END)
        .unwrap()
        .unwrap();
    assert_eq!(waited.gone.as_deref(), Some(&child));
    assert_eq!(
        tree.wait(shell, Selector::Any, END).err(),
        Some(Errno::ECHILD)
    );
    assert!(tree.get(child).is_none() && tree.process_of(child).is_none());
}

#[test]
fn orphans_pass_to_process_one() {
    let (mut tree, init, shell, child) = family();
    exit(&mut tree, child, 1);
    let effects = exit(&mut tree, shell, 2);
    assert_eq!(effects.reaper.as_deref(), Some(&init));
    let first = tree.wait(init, Selector::Any, END).unwrap().unwrap();
    let second = tree.wait(init, Selector::Any, END).unwrap().unwrap();
    assert_eq!((first.pid, second.pid), (child, shell));
}

#[test]
fn an_ignored_child_leaves_no_zombie() {
    let (mut tree, _, shell, child) = family();
    let status = WaitStatus::Signaled {
        signal: 9,
        core: false,
    };
    let effects = tree
        .exit(child, status, Usage::default(), true, |_, _| {})
        .unwrap();
    assert_eq!(effects.gone.as_deref(), Some(&child));
    assert_eq!(
        tree.wait(shell, Selector::Any, END).err(),
        Some(Errno::ECHILD)
    );
}

#[test]
fn stops_and_continuations_are_news_once() {
    let (mut tree, _, shell, child) = family();
    assert_eq!(
        tree.set_stopped(child, 20).unwrap().as_deref(),
        Some(&shell)
    );
    assert!(tree.wait(shell, Selector::Any, END).unwrap().is_none());
    let both = END | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
    let waited = tree.wait(shell, Selector::Any, both).unwrap().unwrap();
    assert_eq!(waited.status, WaitStatus::Stopped(20));
    assert!(tree.wait(shell, Selector::Any, both).unwrap().is_none());
    assert!(tree.set_continued(child).unwrap().is_some());
    assert!(tree.set_continued(child).unwrap().is_none());
    let waited = tree.wait(shell, Selector::Any, both).unwrap().unwrap();
    assert_eq!(waited.status, WaitStatus::Continued);
}

#[test]
fn usage_adds_up() {
    let (mut tree, init, shell, child) = family();
    let used = Usage {
        user_ns: 5,
        max_rss_kib: 9,
        ..Usage::default()
    };
    tree.exit(child, WaitStatus::Exited(0), used, false, |_, _| {})
        .unwrap();
    tree.wait(shell, Selector::Any, END).unwrap();
    assert_eq!(tree.children_usage(shell).unwrap().user_ns, 5);
    tree.exit(shell, WaitStatus::Exited(0), used, false, |_, _| {})
        .unwrap();
    let waited = tree.wait(init, Selector::Any, END).unwrap().unwrap();
    assert_eq!((waited.usage.user_ns, waited.usage.max_rss_kib), (10, 9));
}

#[test]
fn groups_and_sessions_follow_the_rules() {
    let (mut tree, init, shell, child) = family();
    assert_eq!(tree.new_session(init), Err(Errno::EPERM));
    assert_eq!(tree.new_session(shell), Ok(shell));
    // The child is still in the old session.
    assert_eq!(tree.set_group(shell, child, child), Err(Errno::EPERM));
    let job = fork(&mut tree, Some(shell));
    assert_eq!(tree.set_group(shell, job, job), Ok(()));
    assert_eq!(tree.set_group(job, job, init), Err(Errno::EPERM));
    assert_eq!(tree.set_group(child, job, job), Err(Errno::ESRCH));
    assert_eq!(tree.set_group(shell, shell, job), Err(Errno::EPERM));
    tree.set_execed(job);
    assert_eq!(tree.set_group(shell, job, shell), Err(Errno::EACCES));
    let mut members = Vec::new();
    assert!(tree.for_each_in_group(job, |member| members.push(**member)));
    assert_eq!(members, [job]);
    assert!(!tree.for_each_in_group(999, |_| {}));
}

#[test]
fn an_orphaned_stopped_group_is_hung_up() {
    let (mut tree, _, shell, _) = family();
    tree.new_session(shell).unwrap();
    let job = fork(&mut tree, Some(shell));
    tree.set_group(shell, job, job).unwrap();
    assert!(!tree.is_orphaned(job));
    tree.set_stopped(job, 20).unwrap();
    let mut told = Vec::new();
    let status = WaitStatus::Exited(0);
    tree.exit(shell, status, Usage::default(), false, |what, member| {
        if what == Bereft::Group {
            told.push(**member)
        }
    })
    .unwrap();
    assert_eq!(told, [job]);
}

#[test]
fn numbers_are_not_reused_while_a_group_has_them() {
    let (mut tree, _, shell, child) = family();
    tree.new_session(shell).unwrap();
    let member = fork(&mut tree, Some(shell));
    exit(&mut tree, shell, 0);
    tree.wait(1, Selector::Pid(shell), END).unwrap();
    for _ in 0..PID_MAX {
        let id = tree.reserve(None, 0, TaskLimits::NONE).unwrap();
        assert!(id != shell && id != child && id != member);
        tree.release(id);
    }
}

#[test]
fn threads_lead_to_their_process() {
    let (mut tree, _, shell, _) = family();
    let tid = tree.reserve(Some(shell), 0, TaskLimits::NONE).unwrap();
    assert_eq!(tree.process_of(tid).as_deref(), Some(&shell));
    assert!(tree.get(tid).is_none());
    tree.release(tid);
    assert!(tree.process_of(tid).is_none());
    tree.release(shell);
    assert!(tree.process_of(shell).is_some());
}

proptest! {
    /// Every process that ends is reaped exactly once, by its parent or by
    /// process 1.
    #[test]
    fn everyone_is_reaped(ops in proptest::collection::vec((0u8..3, any::<u32>()), 0..200)) {
        let mut tree: Tree<u32> = Tree::new();
        let init = fork(&mut tree, None);
        let mut living = vec![init];
        let mut ended = 0;
        let mut reaped = 0;
        for (what, pick) in ops {
            let pid = living[pick as usize % living.len()];
            match what {
                0 => living.push(fork(&mut tree, Some(pid))),
                1 if pid != init => {
                    exit(&mut tree, pid, 0);
                    living.retain(|&other| other != pid);
                    ended += 1;
                }
                _ => while let Ok(Some(_)) = tree.wait(pid, Selector::Any, END) { reaped += 1; },
            }
        }
        for pid in living.drain(..).rev().filter(|&pid| pid != init) {
            exit(&mut tree, pid, 0);
            ended += 1;
        }
        while let Ok(Some(_)) = tree.wait(init, Selector::Any, END) { reaped += 1; }
        prop_assert_eq!(ended, reaped);
        prop_assert_eq!(tree.len(), 1);
    }
}

/// What the counts of tasks must be: by looking at all of them.
fn counted(tree: &Tree<u32>, uid: u32) -> usize {
    let of = |task: &Task| match tree.nodes.get(&task.process) {
        Some(node) => node.uid,
        None => task.uid,
    };
    tree.threads.values().filter(|task| of(task) == uid).count()
}

proptest! {
    /// Each user's tasks are counted from the reservation of a number to the
    /// moment somebody has waited for the process, whoever it became.
    #[test]
    fn tasks_are_counted_and_limited(
        ops in proptest::collection::vec((0u8..6, any::<u32>(), 0u32..3), 0..200)
    ) {
        let mut tree: Tree<u32> = Tree::new();
        let init = fork(&mut tree, None);
        let mut living = vec![init];
        let mut threads = Vec::new();
        let limits = TaskLimits { user: 5, total: 12 };
        for (what, pick, uid) in ops {
            let pid = living[pick as usize % living.len()];
            let own = tree.uid(pid).unwrap();
            match what {
                0 => match tree.reserve(None, own, limits) {
                    Ok(new) => {
                        tree.add(new, Some(pid), Arc::new(new), SIGCHLD).unwrap();
                        living.push(new);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, Errno::EAGAIN);
                        prop_assert!(tree.tasks_of(own) >= 5 || tree.tasks() >= 12);
                    }
                },
                1 => if let Ok(tid) = tree.reserve(Some(pid), own, limits) {
                    threads.push(tid);
                },
                2 => if let Some(tid) = threads.pop() { tree.release(tid) },
                3 => tree.set_uid(pid, uid).unwrap(),
                4 if pid != init && !threads.iter().any(|tid| tree.threads[tid].process == pid) => {
                    exit(&mut tree, pid, 0);
                    living.retain(|&other| other != pid);
                }
                _ => while let Ok(Some(_)) = tree.wait(pid, Selector::Any, END) {},
            }
            for uid in 0..3 {
                prop_assert_eq!(tree.tasks_of(uid), counted(&tree, uid));
            }
        }
    }
}

#[test]
fn orphans_pass_to_the_nearest_subreaper() {
    let (mut tree, init, shell, child) = family();
    let grandchild = fork(&mut tree, Some(child));
    tree.set_subreaper(shell, true).unwrap();
    let mut bereft = Vec::new();
    let ended = tree.exit(
        child,
        WaitStatus::Exited(0),
        Usage::default(),
        false,
        |what, process| bereft.push((what, **process)),
    );
    assert!(ended.is_ok_and(|effects| effects.reaper.is_none()));
    assert_eq!(bereft, [(Bereft::Child, grandchild)]);
    assert_eq!(tree.parent(grandchild), Ok(shell));
    assert_eq!(tree.is_subreaper(grandchild), Ok(false));
    exit(&mut tree, shell, 0);
    assert_eq!(tree.parent(grandchild), Ok(init));
}

#[test]
fn a_new_process_1_has_what_the_old_one_left() {
    let (mut tree, init, shell, child) = family();
    assert_eq!(tree.reserve_first(), Err(Errno::EEXIST));
    let zombie = fork(&mut tree, Some(init));
    exit(&mut tree, zombie, 3);
    drop(exit(&mut tree, init, 0));
    assert!(tree.get(init).is_none());
    exit(&mut tree, shell, 0);
    let tasks = tree.tasks();

    for _ in 0..2 {
        assert_eq!(tree.reserve_first(), Ok(1), "twice changes nothing");
    }
    assert_eq!(tree.tasks_of(0), tasks + 1);
    tree.add(1, None, Arc::new(1), SIGCHLD).unwrap();
    assert_eq!(tree.parent(child), Ok(1));
    let waited = tree.wait(1, Selector::Any, END);
    assert!(
        matches!(waited, Ok(Some(Waited { pid, .. })) if pid == zombie),
        "{waited:?}"
    );
    let effects = exit(&mut tree, child, 0);
    assert_eq!(effects.parent.as_deref(), Some(&1));
}
