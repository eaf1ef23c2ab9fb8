//! Times in logs: UTC, to the millisecond, in the form of RFC 3339.

use std::time::{Duration, SystemTime};

/// `time` as `2026-01-31T23:59:59.123Z`. Times before 1970 show as 1970.
pub(crate) fn stamp(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let second = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// Milliseconds since 1970 of what [`stamp`] has written; `None` if it has not.
pub(crate) fn moment(text: &str) -> Option<u64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, at: char| -> Option<[u64; 3]> {
        let all: Option<Vec<u64>> = text.split(at).map(|word| word.parse().ok()).collect();
        all?.try_into().ok()
    };
    let [year, month, day] = numbers(day, '-')?;
    let (time, ms) = time.split_once('.')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || day > 31 {
        return None;
    }
    // As in `date`: years begin in March.
    let (year, month) = match month {
        ..=2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let day = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = day.checked_sub(719_469)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1_000 + ms.parse::<u64>().ok()?)
}

/// Year, month and day of a day counted from 1 January 1970, in the
/// Gregorian calendar. Counted in years that begin in March, so that the
/// day that is sometimes missing is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(stamp(time), text);
            assert_eq!(moment(text), Some(seconds * 1_000));
        }
        for day in 0..80_000u64 {
            let ms = day * 86_400_123;
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
            assert_eq!(moment(&stamp(time)), Some(ms));
        }
        for wrong in [
            "",
            "2024-03-01",
            "2024-03-01T00:00:00.000",
            "2024-13-01T0:0:0.0Z",
            "TZ",
        ] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
