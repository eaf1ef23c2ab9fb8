//! Figures of the same program on two kernels, side by side.

use crate::step::step;
use anyhow::{Result, bail};
use std::fmt::Write as _;
use std::str::FromStr;

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of what.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of which unit.
    pub unit: String,
}

impl Row {
    fn parse(line: &str) -> Option<Row> {
        let (what, figure) = line.trim().strip_prefix("row ")?.rsplit_once(": ")?;
        let (value, unit) = figure.split_once(' ')?;
        Some(Row {
            what: what.to_owned(),
            value: value.parse().ok()?,
            unit: unit.to_owned(),
        })
    }

    /// The figure with its unit.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{:.1} {}", self.value, self.unit)
    }

    /// How many times longer this takes than `other`, of the same kind.
    #[must_use]
    pub fn times_slower(&self, other: &Row) -> f64 {
        match self.unit.ends_with("/s") {
            true => other.value / self.value,
            false => self.value / other.value,
        }
    }
}

/// The rows in what a program has said: `row WHAT: VALUE UNIT` each.
#[must_use]
pub fn read(text: &str) -> Vec<Row> {
    text.lines().filter_map(Row::parse).collect()
}

/// The median of each row of several runs.
#[must_use]
pub fn medians(runs: &[Vec<Row>]) -> Vec<Row> {
    let first = runs.first().map_or(&[][..], Vec::as_slice);
    let median = |row: &Row| {
        let same = |other: &&Row| other.what == row.what;
        let mut values: Vec<f64> = runs
            .iter()
            .flatten()
            .filter(same)
            .map(|row| row.value)
            .collect();
        values.sort_by(f64::total_cmp);
        Row {
            value: values[values.len() / 2],
            ..row.clone()
        }
    };
    first.iter().map(median).collect()
}

/// Which of the two kernels runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Both, in turns.
    Both,
    /// Paddock alone.
    Paddock,
    /// Linux alone.
    Linux,
}

impl FromStr for Kernels {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Kernels> {
        match text {
            "paddock" => Ok(Kernels::Paddock),
            "linux" => Ok(Kernels::Linux),
            other => bail!("--only paddock or linux, not `{other}`"),
        }
    }
}

impl Kernels {
    /// Whether Paddock does.
    #[must_use]
    pub fn has_paddock(self) -> bool {
        self != Kernels::Linux
    }

    /// Whether Linux does.
    #[must_use]
    pub fn has_linux(self) -> bool {
        self != Kernels::Paddock
    }

    /// Runs what measures on each, so many times, and gives the [`table`] of the medians.
    ///
    /// # Errors
    /// Those of either.
    pub fn compare(
        self,
        rounds: u32,
        paddock: impl Fn() -> Result<Vec<Row>>,
        linux: impl Fn() -> Result<Vec<Row>>,
    ) -> Result<String> {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            step(&format!("Round {round} of {rounds}"));
            if self.has_paddock() {
                here.push(paddock()?);
            }
            if self.has_linux() {
                there.push(linux()?);
            }
        }
        Ok(table(&medians(&here), &medians(&there)))
    }
}

/// Both, a line for each row, and how many times slower Paddock is. One of them may have
/// no rows.
#[must_use]
pub fn table(paddock: &[Row], linux: &[Row]) -> String {
    let rows = if paddock.is_empty() { linux } else { paddock };
    let width = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:>18}  {:>18}  slower\n",
        "", "Paddock", "Linux"
    );
    let find = |rows: &[Row], what: &str| rows.iter().find(|row| row.what == what).cloned();
    for row in rows {
        let (here, there) = (find(paddock, &row.what), find(linux, &row.what));
        let show = |row: &Option<Row>| row.as_ref().map_or("-".into(), Row::shown);
        let slower = match (&here, &there) {
            (Some(here), Some(there)) => format!("{:.2}", here.times_slower(there)),
            _ => String::new(),
        };
        let (here, there) = (show(&here), show(&there));
        let _ = writeln!(
            text,
            "{:width$}  {here:>18}  {there:>18}  {slower:>6}",
            row.what
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_compared() {
        let text = "boot\nrow cold read: 12.5 MiB/s\r\nrow a: b: 30 us\nrow broken\n";
        let rows = read(text);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1].what.as_str(), rows[1].value), ("a: b", 30.0));
        let faster = read("row cold read: 25.0 MiB/s\nrow a: b: 10 us\n");
        assert!((rows[0].times_slower(&faster[0]) - 2.0).abs() < 1e-9);
        assert!((rows[1].times_slower(&faster[1]) - 3.0).abs() < 1e-9);
        let runs = [
            read("row a: 3 us"),
            read("row a: 1 us"),
            read("row a: 2 us"),
        ];
        assert_eq!(medians(&runs), read("row a: 2 us"));
        assert!(table(&rows, &faster).contains("2.00"));
        assert!(table(&[], &faster).contains("25.0 MiB/s"));
    }
}
