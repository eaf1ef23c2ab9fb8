//! `expiry-time=`: `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`. The system's time
//! zone is UTC, so `Z` changes nothing.

/// Seconds since 1970; `None` if it is not a time.
pub(super) fn parse(text: &[u8]) -> Option<u64> {
    let digits = text
        .strip_suffix(b"Z")
        .or(text.strip_suffix(b"z"))
        .unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) {
        return None;
    }
    let number = |from: usize, to: usize| match digits.get(from..to) {
        None => Some(0),
        Some(part) => part.iter().try_fold(0, |value, digit| {
            digit
                .is_ascii_digit()
                .then(|| value * 10 + u64::from(digit - b'0'))
        }),
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let in_range = year >= 1970
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    in_range.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let before = |year: u64| {
        let last = year - 1;
        last * 365 + last / 4 - last / 100 + last / 400
    };
    let months: u64 = (1..month).map(|month| days_of_month(year, month)).sum();
    before(year) - before(1970) + months + day - 1
}
