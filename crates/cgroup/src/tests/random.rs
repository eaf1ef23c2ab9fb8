//! Whatever is done: what groups count is what is in them.

use super::World;
use proptest::prelude::*;
use std::collections::BTreeMap;

const GROUPS: [&str; 6] = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"];

#[derive(Clone, Debug)]
enum Step {
    Mkdir(usize),
    Rmdir(usize),
    Fork(usize),
    Exit(u32),
    Move(u32, usize),
    Limit(usize, u64),
    Freeze(usize, bool),
    Kill(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let group = 0..GROUPS.len();
    let pid = 1u32..40;
    let step = prop_oneof![
        group.clone().prop_map(Step::Mkdir),
        group.clone().prop_map(Step::Rmdir),
        group.clone().prop_map(Step::Fork),
        pid.clone().prop_map(Step::Exit),
        (pid, group.clone()).prop_map(|(pid, group)| Step::Move(pid, group)),
        (group.clone(), 0u64..6).prop_map(|(group, limit)| Step::Limit(group, limit)),
        (group.clone(), any::<bool>()).prop_map(|(group, on)| Step::Freeze(group, on)),
        group.prop_map(Step::Kill),
    ];
    prop::collection::vec(step, 0..150)
}

/// Which processes are in which group.
#[derive(Default)]
struct Model {
    groups: BTreeMap<&'static str, (bool, u64)>,
    processes: BTreeMap<u32, &'static str>,
    newest: u32,
}

fn is_below(path: &str, top: &str) -> bool {
    path == top
        || path
            .strip_prefix(top)
            .is_some_and(|rest| rest.starts_with('/'))
}

impl Model {
    fn count(&self, top: &str) -> usize {
        self.processes
            .values()
            .filter(|path| is_below(path, top))
            .count()
    }

    fn is_freezing(&self, path: &str) -> bool {
        self.groups
            .iter()
            .any(|(top, (freeze, _))| *freeze && is_below(path, top))
    }

    fn is_full(&self, path: &str) -> bool {
        let mut groups = self.groups.iter();
        groups.any(|(top, (_, max))| is_below(path, top) && self.count(top) as u64 >= *max)
    }

    fn apply(&mut self, world: &World, step: &Step) {
        match *step {
            Step::Mkdir(index) => {
                let path = GROUPS[index];
                let parent = &path[..path.rfind('/').unwrap()];
                let may = !self.groups.contains_key(path)
                    && (parent.is_empty() || self.groups.contains_key(parent));
                assert_eq!(world.mkdir(path).is_ok(), may);
                if may {
                    self.groups.insert(path, (false, u64::MAX));
                }
            }
            Step::Rmdir(index) => {
                let path = GROUPS[index];
                let below = self
                    .groups
                    .keys()
                    .filter(|other| is_below(other, path))
                    .count();
                let may = below == 1 && self.count(path) == 0;
                assert_eq!(world.rmdir(path).is_ok(), may);
                if may {
                    self.groups.remove(path);
                }
            }
            Step::Fork(index) => self.fork(world, GROUPS[index]),
            Step::Exit(pid) => {
                world.machine.exit(pid);
                self.processes.remove(&pid);
            }
            Step::Move(pid, index) => {
                let path = GROUPS[index];
                let done = world.write(&format!("{path}/cgroup.procs"), &pid.to_string());
                let may = self.groups.contains_key(path) && self.processes.contains_key(&pid);
                assert_eq!(done.is_ok(), may, "{done:?}");
                if may {
                    self.processes.insert(pid, path);
                }
            }
            Step::Limit(index, limit) => {
                let path = GROUPS[index];
                if let Some((_, max)) = self.groups.get_mut(path) {
                    *max = limit;
                    // Enabled nowhere, so that processes may be everywhere.
                    let pids = &world.group(path).pids;
                    pids.max.store(limit, std::sync::atomic::Ordering::Relaxed);
                }
            }
            Step::Freeze(index, on) => {
                let path = GROUPS[index];
                let text = if on { "1" } else { "0" };
                let done = world.write(&format!("{path}/cgroup.freeze"), text);
                assert_eq!(done.is_ok(), self.groups.contains_key(path));
                if let Some((freeze, _)) = self.groups.get_mut(path) {
                    *freeze = on;
                }
            }
            Step::Kill(index) => {
                let path = GROUPS[index];
                if self.groups.contains_key(path) {
                    world.write(&format!("{path}/cgroup.kill"), "1").unwrap();
                    self.processes.retain(|_, at| !is_below(at, path));
                }
            }
        }
    }

    fn fork(&mut self, world: &World, path: &'static str) {
        if self.groups.contains_key(path) {
            self.newest += 1;
            let done = world.machine.fork(self.newest, &world.group(path));
            assert_eq!(done.is_err(), self.is_full(path));
            if done.is_ok() {
                self.processes.insert(self.newest, path);
            }
        }
    }

    fn check(&self, world: &World) {
        for path in self.groups.keys() {
            let own = self.processes.iter().filter(|(_, at)| *at == path);
            let listed: String = own.map(|(pid, _)| format!("{pid}\n")).collect();
            assert_eq!(world.read(&format!("{path}/cgroup.procs")).unwrap(), listed);
            let events = world.read(&format!("{path}/cgroup.events")).unwrap();
            let populated = u8::from(self.count(path) > 0);
            let frozen = u8::from(self.is_freezing(path));
            assert_eq!(events, format!("populated {populated}\nfrozen {frozen}\n"));
            let pids = &world.group(path).pids;
            let current = pids.current.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(current as usize, self.count(path));
        }
        for (pid, path) in &self.processes {
            assert_eq!(world.machine.is_frozen(*pid), self.is_freezing(path));
        }
        let all = self.groups.len() as u64;
        assert_eq!(world.value("/cgroup.stat", "nr_descendants"), all);
    }
}

proptest! {
    #[test]
    fn groups_count_what_is_in_them(steps in steps()) {
        let world = World::new();
        let mut model = Model::default();
        for step in &steps {
            model.apply(&world, step);
            model.check(&world);
        }
    }
}
