//! What the commands have in common that fuzz by dialogues from seeds.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::process::{Command, ExitCode};
use xtask::{paths, step};

/// Which dialogues.
pub struct Dialogues {
    /// How many.
    pub runs: u64,
    /// The first one's seed.
    pub seed: u64,
    /// How many at once.
    pub jobs: u64,
    /// Whether a fuzzer makes them that is guided by coverage.
    pub coverage: bool,
}

impl Dialogues {
    /// What the command line says, these where it says nothing, and says so;
    /// `None` for one that asks for help.
    ///
    /// # Errors
    /// An option that is not known, or a value that is no number.
    pub fn parse(mut self, args: &mut lexopt::Parser) -> Result<Option<Dialogues>> {
        while let Some(arg) = args.next()? {
            match arg {
                Long("runs") => self.runs = args.value()?.parse()?,
                Long("seed") => self.seed = args.value()?.parse()?,
                Long("coverage") => self.coverage = true,
                Long("jobs") => self.jobs = args.value()?.parse()?,
                Long("help") | Short('h') => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        step::step(&format!("{} dialogues from seed {}", self.runs, self.seed));
        Ok(Some(self))
    }
}

/// Runs the command that goes through them.
///
/// # Errors
/// A dialogue that went wrong.
pub fn run(mut cargo: Command) -> Result<ExitCode> {
    match cargo.current_dir(paths::workspace()).status()?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("a dialogue went wrong; its seed is above"),
    }
}
