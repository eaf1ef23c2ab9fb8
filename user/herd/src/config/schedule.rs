//! When a timer runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Millis;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The shortest time between two runs.
const SHORTEST: Millis = Millis(SECOND);

/// In the order of the week that 1 January 1970 was in the middle of.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// 1 January 1970 was a Thursday.
const FIRST_DAY: u64 = 3;

/// When a timer runs: `"every 10m"` (first at its start), or at times of the day in UTC:
/// `"03:30"`, `"Mon,Thu 04:00"`, `"*:15"` for each hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// So long after the last time.
    Every(Millis),
    /// At times of the day.
    At(Times),
}

/// Times of some days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Times {
    /// A bit for each day of the week, Monday the lowest.
    days: u8,
    /// `None` for each.
    hour: Option<u64>,
    minute: u64,
}

/// Every day.
const ALL: u8 = 0b111_1111;

impl Times {
    /// The first of them after `wall`, both in milliseconds since 1970.
    pub fn after(&self, wall: u64) -> u64 {
        let mut minute = wall / MINUTE + 1;
        while !self.is_in(minute) {
            minute += match self.hour {
                // From the right minute on, it is another hour's.
                _ if minute % 60 == self.minute => 60,
                _ => 1,
            };
        }
        minute * MINUTE
    }

    /// Whether a minute since 1970 is one of them.
    fn is_in(&self, minute: u64) -> bool {
        let (day, hour) = (minute * MINUTE / DAY, minute / 60 % 24);
        let weekday = (day + FIRST_DAY) % 7;
        minute % 60 == self.minute
            && self.hour.is_none_or(|wanted| wanted == hour)
            && self.days & 1 << weekday != 0
    }

    fn read(text: &str) -> Option<Times> {
        let (days, time) = match text.split_once(' ') {
            Some((days, time)) => (read_days(days)?, time.trim_start()),
            None => (ALL, text),
        };
        let (hour, minute) = time.split_once(':')?;
        let number = |text: &str, below: u64| {
            let fits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse().ok().filter(|number| *number < below);
            number.filter(|_| fits)
        };
        let hour = match hour {
            "*" => None,
            hour => Some(number(hour, 24)?),
        };
        let minute = number(minute, 60)?;
        Some(Times { days, hour, minute })
    }
}

/// `Mon,Thu` or `Mon-Fri`, or several of such.
fn read_days(text: &str) -> Option<u8> {
    let day = |text: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(text));
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // Past the end of the week it goes on at its beginning.
        let count = (last + 7 - first) % 7;
        days |= (first..=first + count).fold(0, |days, day| days | 1 << (day % 7));
    }
    Some(days)
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(every) = text.strip_prefix("every ") {
            let every = Millis::read(every)?;
            return match every >= SHORTEST {
                true => Ok(Schedule::Every(every)),
                false => Err(format!("nothing runs more often than every {SHORTEST}")),
            };
        }
        let times = Times::read(text).map(Schedule::At);
        times.ok_or_else(|| {
            format!(
                "{text:?} is no schedule; write it like \"every 10m\", \"03:30\", \
                 \"Mon,Thu 04:00\", \"Mon-Fri 18:00\" or \"*:15\" (UTC)"
            )
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Times { days, hour, minute } = match self {
            Schedule::Every(every) => return write!(f, "every {every}"),
            Schedule::At(times) => times,
        };
        if *days != ALL {
            let named = DAYS.iter().enumerate();
            let named = named.filter(|(day, _)| days & 1 << day != 0);
            let named: Vec<&str> = named.map(|(_, name)| *name).collect();
            write!(f, "{} ", named.join(","))?;
        }
        match hour {
            Some(hour) => write!(f, "{hour:02}:{minute:02}"),
            None => write!(f, "*:{minute:02}"),
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> String {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Thursday, 26 November 2026, 12:00.
    const NOON: u64 = 20_783 * DAY + 12 * HOUR;

    fn after(text: &str, wall: u64) -> u64 {
        match text.parse() {
            Ok(Schedule::At(times)) => times.after(wall),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_next_time_is_the_first_after_now() {
        for (text, then) in [
            ("12:00", DAY),
            ("12:01", MINUTE),
            ("*:15", 15 * MINUTE),
            ("*:00", HOUR),
            ("03:30", 15 * HOUR + 30 * MINUTE),
            ("Thu 12:00", 7 * DAY),
            ("Thu 12:30", 30 * MINUTE),
            ("Fri 00:00", 12 * HOUR),
            ("Mon-Wed,Sat 12:00", 2 * DAY),
            ("Sat-Mon *:59", DAY + 12 * HOUR + 59 * MINUTE),
        ] {
            assert_eq!(after(text, NOON) - NOON, then, "{text}");
        }
        assert_eq!(after("12:00", NOON - 1), NOON);
    }

    #[test]
    fn what_is_no_schedule_is_told_with_what_is_one() {
        for text in [
            "",
            "3",
            "24:00",
            "03:60",
            "3:5:1",
            "Mon",
            "Foo 03:30",
            "+3:30",
            "every 10",
            "every 1ms",
            "every 25h",
            "Mon- 03:30",
            "*:*",
        ] {
            let error = text.parse::<Schedule>().unwrap_err();
            assert!(
                error.contains("every") || error.contains("24 hours"),
                "{text}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_schedule_reads_back_and_each_time_is_its_own(
            days in 1..=ALL, hour in proptest::option::of(0..24_u64), minute in 0..60_u64,
            wall in 0..(1_u64 << 42),
        ) {
            let times = Times { days, hour, minute };
            let schedule = Schedule::At(times);
            prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
            let next = times.after(wall);
            prop_assert!(next > wall && next - wall <= 7 * DAY);
            prop_assert!(times.is_in(next / MINUTE) && next.is_multiple_of(MINUTE));
            // None is left out.
            let between = wall / MINUTE + 1..next / MINUTE;
            prop_assert!(between.into_iter().all(|minute| !times.is_in(minute)));
        }
    }
}
