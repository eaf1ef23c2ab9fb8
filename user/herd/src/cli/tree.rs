//! `tree`: which service needs which, as the definitions say.

use std::collections::BTreeMap;

use serde::Serialize;

use super::setup::failed;
use super::{Outcome, show};
use crate::config::{self, Loaded};
use crate::paths::Paths;

/// What one service says of others.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Said {
    enabled: bool,
    needs: Vec<String>,
    wants: Vec<String>,
    after: Vec<String>,
}

/// Columns by which a service is indented at most.
const DEEPEST: usize = 96;

type All = BTreeMap<String, Said>;

/// Shows it.
pub(super) fn show(paths: &Paths, json: bool) -> Outcome {
    let loaded = config::load(paths).map_err(failed(paths.root()))?;
    let all = relations(&loaded);
    match json {
        true => show::print_json(&all),
        false => show::print(&drawn(&all)),
    }
    Ok(())
}

/// A definition with a mistake says nothing.
fn relations(loaded: &[Loaded]) -> All {
    let said = |found: &Loaded| match &found.definition {
        Ok(service) => Said {
            enabled: found.enabled,
            needs: service.needs.0.clone(),
            wants: service.wants.0.clone(),
            after: service.after.0.clone(),
        },
        Err(_) => Said {
            enabled: found.enabled,
            ..Said::default()
        },
    };
    let all = loaded.iter().map(|found| (found.name.clone(), said(found)));
    all.collect()
}

impl Said {
    /// Whom it says something of, each once, by what binds most.
    fn others(&self) -> Vec<(&'static str, &str)> {
        let mut others: Vec<(&str, &str)> = Vec::new();
        for (how, list) in [
            ("needs", &self.needs),
            ("wants", &self.wants),
            ("after", &self.after),
        ] {
            for name in list {
                if !others.iter().any(|(_, other)| other == name) {
                    others.push((how, name));
                }
            }
        }
        others
    }
}

/// Those of whom nobody says anything come first, each with what is below it; what
/// was shown once is not shown again.
fn drawn(all: &All) -> String {
    let mut is_below = std::collections::HashSet::new();
    for said in all.values() {
        is_below.extend(said.others().into_iter().map(|(_, name)| name));
    }
    let mut drawing = Drawing {
        all,
        shown: std::collections::HashSet::new(),
        text: String::new(),
    };
    let tops = all.keys().filter(|name| !is_below.contains(name.as_str()));
    for name in tops.chain(all.keys()) {
        if !drawing.shown.contains(name.as_str()) {
            drawing.top(name);
        }
    }
    drawing.text
}

struct Drawing<'a> {
    all: &'a All,
    shown: std::collections::HashSet<&'a str>,
    text: String,
}

impl<'a> Drawing<'a> {
    /// Chains may be as long as there are services: no recursion.
    fn top(&mut self, name: &'a str) {
        let mut left = vec![(name, String::new(), String::new())];
        while let Some((name, head, indent)) = left.pop() {
            let note = match self.all.get(name) {
                None => " (not there)",
                Some(said) if !said.enabled => " (disabled)",
                Some(_) => "",
            };
            // What is deeper comes at the top again: the indent of all would be as
            // the square of the depth.
            let is_deep = indent.len() >= DEEPEST && self.all.contains_key(name);
            let is_new = !is_deep && self.shown.insert(name);
            let others = self.all.get(name).map(Said::others).unwrap_or_default();
            let again = match is_new || others.is_empty() {
                true => "",
                false => " ...",
            };
            self.text.push_str(&format!("{head}{name}{note}{again}\n"));
            if !is_new {
                continue;
            }
            let last = others.len().saturating_sub(1);
            for (at, (how, other)) in others.into_iter().enumerate().rev() {
                let (branch, below) = match at == last {
                    true => ("`- ", "   "),
                    false => ("|- ", "|  "),
                };
                let head = format!("{indent}{branch}{how} ");
                left.push((other, head, format!("{indent}{below}")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(needs: &[&str], after: &[&str]) -> Said {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Said {
            enabled: true,
            needs: names(needs),
            wants: Vec::new(),
            after: names(after),
        }
    }

    #[test]
    fn what_is_needed_stands_below() {
        let all: All = [
            ("web", said(&["db", "gone"], &["log", "db"])),
            ("db", said(&["disk"], &[])),
            ("job", said(&["db"], &[])),
            ("disk", said(&[], &[])),
            (
                "log",
                Said {
                    enabled: false,
                    ..said(&[], &[])
                },
            ),
        ]
        .into_iter()
        .map(|(name, said)| (name.to_owned(), said))
        .collect();
        let expected = "\
job
`- needs db
   `- needs disk
web
|- needs db ...
|- needs gone (not there)
`- after log (disabled)
";
        assert_eq!(drawn(&all), expected);
    }

    #[test]
    fn a_circle_and_a_long_chain_end() {
        let mut all = All::new();
        for at in 0..10_000 {
            let next = format!("s{}", (at + 1) % 10_000);
            all.insert(format!("s{at}"), said(&[&next], &[]));
        }
        let text = drawn(&all);
        assert!(text.lines().count() >= all.len());
        assert!(text.len() < all.len() * 2 * DEEPEST);
    }
}
