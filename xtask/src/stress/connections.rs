//! A program has many TCP connections open at once, and opens many more one
//! after the other: all that it took must come back.

use super::Figures;
use crate::machine::{machine, run_limited};
use anyhow::{Result, bail, ensure};
use std::time::Duration;

/// For so long it may take on a host with much else to do.
const PATIENCE: Duration = Duration::from_secs(900);

/// What is to be done, on a machine of 256 MB.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// How many are open at once.
    pub open: u32,
    /// How many are opened and closed beside them.
    pub churn: u32,
    /// CPUs.
    pub smp: u32,
}

impl Connections {
    /// Does it: what was in use before, and afterwards.
    ///
    /// # Errors
    /// A connection that fails, and memory that does not come back once
    /// TIME-WAIT is over.
    pub fn run(&self) -> Result<[Figures; 2]> {
        let machine = machine("connections")
            .smp(self.smp)
            .with(|config| config.mem = "256M".into())
            .up()?;
        // What is made once and kept is there after a first round.
        machine.sh("paddock-test connections 100 100")?;
        let before = Figures::settled(&machine, None)?;
        let mut command = machine.ssh_command(&[])?;
        let Connections { open, churn, .. } = self;
        command.arg(format!("exec paddock-test connections {open} {churn}"));
        let reply = run_limited(&mut command, Vec::new(), PATIENCE)?;
        ensure!(reply.status.success(), "a connection failed: {reply}");
        let after = Figures::settled(&machine, Some(&before))?;
        if let Some(leak) = after.leak_since(&before) {
            bail!("{leak}\nbefore: {before}\nafter:  {after}");
        }
        machine.done()?;
        Ok([before, after])
    }
}
