//! `2026-11-22T08:08:00.123Z` and back, by hand: a general formatter costs a microsecond, several times a message.
//!
//! Days and dates convert as in Hinnant's "chrono-Compatible Low-Level Date Algorithms", for years from 1970 on.

const DAY_MS: i64 = 86_400_000;
const LEN: usize = 24;

/// The digits of a time between 1970 and 9999, on the stack.
pub(crate) struct Printed([u8; LEN]);

impl Printed {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

/// Milliseconds since the epoch, not negative and below the year 10,000.
pub(super) fn print(ms: i64) -> Printed {
    let (days, in_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = date_of(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |from: usize, to: usize, mut value: i64| {
        for place in text[from..to].iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 7, month);
    put(8, 10, day);
    put(11, 13, in_day / 3_600_000);
    put(14, 16, in_day / 60_000 % 60);
    put(17, 19, in_day / 1_000 % 60);
    put(20, 23, in_day % 1_000);
    Printed(text)
}

/// The inverse of [`print()`]; `None` of any other form, which may still be a time.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text: &[u8; LEN] = text.as_bytes().try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(place, mark)| text[*place] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to]
            .iter()
            .try_fold(0_i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let days = days_of(year, month, day);
    // A date that does not exist comes back as another one.
    if year < 1970 || date_of(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + ms)
}

/// Years begin in March here, so that the leap day is a year's last; 719,468 days lie between 0000-03-01 and 1970.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + next_year, month, day)
}

const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

    use super::*;
    use crate::Timestamp;

    fn printed_by_time(ms: i64) -> String {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap();
        at.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z")).unwrap()
    }

    proptest! {
        #[test]
        fn prints_as_the_library_does_and_parses_back(ms in 0..=Timestamp::MAX.as_ms()) {
            let text = print(ms);
            prop_assert_eq!(text.as_str(), printed_by_time(ms));
            prop_assert_eq!(parse(text.as_str()), Some(ms));
        }

        #[test]
        fn takes_no_more_than_the_library_does(
            text in "(19|20|00)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3}Z",
        ) {
            let taken = OffsetDateTime::parse(&text, &Rfc3339).ok();
            let theirs = taken.map(|at| at.unix_timestamp_nanos() / 1_000_000);
            if let Some(ms) = parse(&text) {
                prop_assert_eq!(Some(i128::from(ms)), theirs);
            }
        }
    }

    #[test]
    fn the_ends_and_leap_days_print() {
        for ms in [0, 951_782_400_000, 1_709_164_800_000, 4_107_542_400_000, Timestamp::MAX.as_ms()] {
            assert_eq!(print(ms).as_str(), printed_by_time(ms));
        }
        assert_eq!(parse("2026-02-29T00:00:00.000Z"), None);
        assert_eq!(parse("2026-13-01T00:00:00.000Z"), None);
    }
}
