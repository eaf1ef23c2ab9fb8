//! Commands to several services: all are told, then all are waited for.

use std::time::{Duration, Instant};

use super::client::{self, Asked};
use super::{Failure, Outcome, show};
use crate::paths::Paths;
use crate::proto::Request;

/// What is asked of each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Start,
    Stop,
    Restart,
    Refresh,
}

impl Act {
    fn request(self, name: String) -> Request {
        match self {
            Act::Start => Request::Start { name },
            Act::Stop => Request::Stop { name },
            Act::Restart => Request::Restart { name },
            Act::Refresh => Request::Refresh { name },
        }
    }
}

/// Asked at once; herd has room for so many connections whatever its limits.
const AT_ONCE: usize = 8;

/// Tells all of them, and says what became of each.
pub(super) fn each(
    paths: &Paths,
    act: Act,
    names: Vec<String>,
    limit: Option<Duration>,
) -> Outcome {
    let until = limit.map(|limit| Instant::now() + limit);
    let mut worst = Ok(());
    for names in names.chunks(AT_ONCE) {
        let asked: Vec<_> = names
            .iter()
            .map(|name| client::begin(paths, &act.request(name.clone())))
            .collect();
        for (name, asked) in names.iter().zip(asked) {
            let outcome = match asked.and_then(|asked| answer(asked, name, until)) {
                Ok(text) => {
                    show::print(&format!("{text}\n"));
                    Ok(())
                }
                Err(failure) => Err(failure),
            };
            worst = worse(worst, outcome);
        }
    }
    worst
}

fn answer(asked: Asked, name: &str, until: Option<Instant>) -> Result<String, Failure> {
    match asked.done(until) {
        Err(Failure::TimedOut(_)) => Err(Failure::TimedOut(format!(
            "{name} took longer than the time-out; herd goes on with it"
        ))),
        other => other,
    }
}

/// Of two outcomes the one with the higher exit status. The other, if it is a
/// failure, is told now.
pub(super) fn worse(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Err(one), Err(other)) => {
            let (kept, told) = match one.status() >= other.status() {
                true => (one, other),
                false => (other, one),
            };
            told.tell();
            Err(kept)
        }
        (Err(failure), Ok(())) | (Ok(()), Err(failure)) => Err(failure),
        (Ok(()), Ok(())) => Ok(()),
    }
}
