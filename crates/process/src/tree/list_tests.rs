//! The lists of children, groups and sessions, beside a look at everybody.

use super::tests::{END, exit, family, fork};
use super::*;
use paddock_abi::process::WaitOptions;
use proptest::prelude::*;

/// Looks at everybody: the lists and counts must say the same.
fn check_lists(tree: &Tree<u32>) {
    let sorted = |mut pids: Vec<u32>| {
        pids.sort_unstable();
        pids
    };
    let who = |fits: &dyn Fn(&Node<u32>) -> bool| {
        let fitting = tree.nodes.iter().filter(|(_, node)| fits(node));
        sorted(fitting.map(|(pid, _)| *pid).collect())
    };
    let mut next = tree.next_pid(0);
    let mut numbers = Vec::new();
    while let Some(pid) = next {
        numbers.push(pid);
        next = tree.next_pid(pid + 1);
    }
    assert_eq!(numbers, who(&|_| true));
    for &pid in tree.nodes.keys() {
        let children = tree.all_children(pid).map(|(child, _)| child).collect();
        assert_eq!(sorted(children), who(&|node| node.parent == pid));
    }
    let ties = |node: &Node<u32>| {
        let parent = tree.nodes.get(&node.parent);
        !node.is_zombie()
            && parent
                .is_some_and(|parent| parent.session == node.session && parent.group != node.group)
    };
    for (&number, group) in &tree.groups {
        let members = tree.members(group.members, rings::Kind::Group);
        let members = sorted(members.map(|(pid, _)| pid).collect());
        assert_eq!(members, who(&|node| node.group == number));
        assert!(!members.is_empty());
        let tied = who(&|node| node.group == number && ties(node));
        assert_eq!(
            tree.is_orphaned(number),
            tied.is_empty(),
            "{number}: {tied:?}"
        );
        assert!(
            members
                .iter()
                .all(|pid| tree.session(*pid).ok() == tree.group_session(number))
        );
    }
    for (&number, &ring) in &tree.sessions {
        let members = tree.members(ring, rings::Kind::Session);
        let members = sorted(members.map(|(pid, _)| pid).collect());
        assert_eq!(members, who(&|node| node.session == number));
        assert!(!members.is_empty());
    }
    let groups: usize = tree
        .groups
        .keys()
        .map(|group| who(&|node| node.group == *group).len())
        .sum();
    let sessions: usize = tree
        .sessions
        .keys()
        .map(|it| who(&|node| node.session == *it).len())
        .sum();
    assert_eq!((groups, sessions), (tree.len(), tree.len()));
}

proptest! {
    /// Whatever processes do, each list has whom it should have.
    #[test]
    fn the_lists_have_whom_they_should(
        ops in proptest::collection::vec((0u8..9, any::<u32>(), any::<u32>()), 0..150)
    ) {
        let mut tree: Tree<u32> = Tree::new();
        let init = fork(&mut tree, None);
        let all = END | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        for (what, pick, other) in ops {
            let mut living = Vec::new();
            tree.for_each(|pid, _| living.push(pid));
            living.sort_unstable();
            let pid = living[pick as usize % living.len()];
            let other = living[other as usize % living.len()];
            match what {
                0..3 => drop(fork(&mut tree, Some(pid))),
                3 if pid != init => drop(exit(&mut tree, pid, 0)),
                4 => drop(tree.set_group(pid, other, other)),
                5 => drop(tree.set_group(other, other, pid)),
                6 => drop(tree.new_session(pid)),
                7 if pid != init => {
                    let stopped = tree.state_letter(pid) == Ok('T');
                    drop(if stopped { tree.set_continued(pid) } else { tree.set_stopped(pid, 20) });
                }
                _ => drop(tree.wait(pid, Selector::Any, all)),
            }
            check_lists(&tree);
        }
    }
}

#[test]
fn children_of_a_parent_that_is_gone_have_none() {
    let (mut tree, init, shell, child) = family();
    exit(&mut tree, init, 0);
    assert!(tree.get(init).is_none());
    exit(&mut tree, child, 0);
    exit(&mut tree, shell, 0);
    assert!(tree.wait(shell, Selector::Any, END).is_err());
}

#[test]
fn children_are_listed_whatever_has_become_of_them() {
    let (mut tree, init, shell, child) = family();
    let children = |tree: &Tree<_>, parent| {
        let mut found = Vec::new();
        tree.for_each_child(parent, |child| found.push(child));
        found
    };
    assert_eq!(children(&tree, init), [shell]);
    assert_eq!(children(&tree, shell), [child]);
    assert_eq!(children(&tree, child), []);
    exit(&mut tree, child, 0);
    assert_eq!(children(&tree, shell), [child]);
    exit(&mut tree, shell, 0);
    let mut all = children(&tree, init);
    all.sort_unstable();
    assert_eq!(all, [shell, child]);
    assert_eq!(children(&tree, 999), []);
}
