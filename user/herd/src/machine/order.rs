//! Lists of whom to wait for that can never be met.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use super::relations;
use crate::config::{ConfigError, Loaded};

/// A longer cycle is told by its number, so that a message stays a line.
const SHOWN: usize = 16;

/// Turns every definition that waits for itself, directly or by others, into a
/// mistake, so that no service waits for ever.
pub(crate) fn refuse_cycles(mut loaded: Vec<Loaded>) -> Vec<Loaded> {
    let graph = Graph::new(&loaded);
    let cycles: Vec<Option<String>> = graph.cycles(&loaded);
    for (found, cycle) in loaded.iter_mut().zip(cycles) {
        if let Some(message) = cycle {
            let file = PathBuf::from(format!("{}.conf", found.name));
            let message = format!("waits for itself: {message}");
            found.definition = Err(ConfigError::new(&file, message));
        }
    }
    loaded
}

/// Who waits for whom, by place among the definitions.
struct Graph {
    after: Vec<Vec<usize>>,
}

impl Graph {
    fn new(loaded: &[Loaded]) -> Graph {
        let places: HashMap<&str, usize> = loaded
            .iter()
            .enumerate()
            .map(|(place, found)| (found.name.as_str(), place))
            .collect();
        let after = |found: &Loaded| match &found.definition {
            Ok(service) => {
                let others = relations::before(service);
                others
                    .filter_map(|name| places.get(name.as_str()).copied())
                    .collect()
            }
            Err(_) => Vec::new(),
        };
        Graph {
            after: loaded.iter().map(after).collect(),
        }
    }

    /// For each that waits for itself, how.
    fn cycles(&self, loaded: &[Loaded]) -> Vec<Option<String>> {
        let part = self.parts();
        let mut sizes = vec![0usize; self.after.len()];
        for part in &part {
            if let Some(size) = sizes.get_mut(*part) {
                *size += 1;
            }
        }
        let size = |place: usize| part.get(place).and_then(|part| sizes.get(*part));
        (0..self.after.len())
            .map(|place| match size(place).copied().unwrap_or(0) {
                1 if !self.of(place).contains(&place) => None,
                size if size > SHOWN => Some(format!("by {} others", size - 1)),
                _ => self.way_back(place, &part).map(|way| {
                    let names = way.iter().filter_map(|place| loaded.get(*place));
                    let names: Vec<&str> = names.map(|found| found.name.as_str()).collect();
                    names.join(" -> ")
                }),
            })
            .collect()
    }

    fn of(&self, place: usize) -> &[usize] {
        self.after.get(place).map_or(&[], Vec::as_slice)
    }

    /// For each, the part of the graph in which all reach each other, by the
    /// place of one of them (Kosaraju's and Sharir's method).
    fn parts(&self) -> Vec<usize> {
        let mut before = vec![Vec::new(); self.after.len()];
        for (place, others) in self.after.iter().enumerate() {
            for other in others {
                if let Some(before) = before.get_mut(*other) {
                    before.push(place);
                }
            }
        }
        let mut part: Vec<Option<usize>> = vec![None; self.after.len()];
        for root in self.finished().into_iter().rev() {
            let mut stack = vec![root];
            while let Some(place) = stack.pop() {
                if let Some(part @ None) = part.get_mut(place) {
                    *part = Some(root);
                    stack.extend(before.get(place).into_iter().flatten());
                }
            }
        }
        part.into_iter().flatten().collect()
    }

    /// All places in the order in which a search in depth is done with them.
    fn finished(&self) -> Vec<usize> {
        let mut seen = vec![false; self.after.len()];
        let mut done = Vec::with_capacity(self.after.len());
        for root in 0..self.after.len() {
            let mut stack = vec![(root, 0)];
            while let Some((place, next)) = stack.pop() {
                if next == 0
                    && let Some(seen) = seen.get_mut(place)
                    && std::mem::replace(seen, true)
                {
                    continue;
                }
                match self.of(place).get(next) {
                    Some(other) => stack.extend([(place, next + 1), (*other, 0)]),
                    None => done.push(place),
                }
            }
        }
        done
    }

    /// A shortest way from `start` back to itself, within its part.
    fn way_back(&self, start: usize, part: &[usize]) -> Option<Vec<usize>> {
        let mut from: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(place) = queue.pop_front() {
            for other in self.of(place) {
                if *other == start {
                    let mut way = vec![start, place];
                    while let Some(last) = way.last().filter(|last| **last != start) {
                        way.push(*from.get(last)?);
                    }
                    way.dedup();
                    way.reverse();
                    // `start` stands at both ends, also if it is alone.
                    if way.len() == 1 {
                        way.push(start);
                    }
                    return Some(way);
                }
                if part.get(*other) == part.get(start) && !from.contains_key(other) {
                    from.insert(*other, place);
                    queue.push_back(*other);
                }
            }
        }
        None
    }
}
