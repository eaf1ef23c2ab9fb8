//! A disk that fails, by QEMU's `blkdebug`.

use super::Machine;
use anyhow::Result;

/// Requests for a disk that fail.
#[derive(Clone, Copy, Debug)]
pub enum Failing {
    /// Reads that include this sector.
    Read(u64),
    /// Writes that include it.
    Write(u64),
    /// Flushes of the disk's cache.
    Flush,
}

impl Failing {
    /// As QEMU's `blkdebug` is told.
    fn rule(&self) -> String {
        let (kind, sector) = match self {
            Failing::Read(sector) => ("read", Some(sector)),
            Failing::Write(sector) => ("write", Some(sector)),
            Failing::Flush => ("flush", None),
        };
        let sector = sector.map_or(String::new(), |sector| format!(r#","sector":{sector}"#));
        format!(r#"{{"event":"none","errno":5,"iotype":"{kind}"{sector}}}"#)
    }
}

impl Machine {
    /// Lets requests for the disk fail from now on. The machine was built with
    /// [`Builder::controlled`]. Once.
    pub fn fail_disk(&self, what: &[Failing]) -> Result<()> {
        let rules: Vec<String> = what.iter().map(Failing::rule).collect();
        let node = format!(
            r#"{{"driver":"blkdebug","node-name":"failing","image":"disk","inject-error":[{}]}}"#,
            rules.join(",")
        );
        self.control("blockdev-add", &node)?;
        // A card that runs is given another disk, which is the same below.
        let card = "/machine/peripheral/root-card";
        self.control(
            "qom-set",
            &format!(r#"{{"path":"{card}","property":"drive","value":"failing"}}"#),
        )
    }
}
