//! Values with a unit, for `value_parser`: `90s`, `64KiB`.

use std::time::Duration;

/// `250ms`, `10s`, `15m`, `72h`, `30d`; the unit is required.
///
/// # Errors
/// A sentence that says what is wanted.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || "a duration is a number and a unit: 250ms, 10s, 15m, 72h, 30d".to_owned();
    let (number, unit) = split(text).ok_or_else(wanted)?;
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wanted()),
    };
    number.checked_mul(millis_per_unit).map(Duration::from_millis).ok_or_else(wanted)
}

/// `512`, `64KiB`, `1MiB`, `10GiB`; a bare number is bytes.
///
/// # Errors
/// A sentence that says what is wanted.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wanted = || "a size is a number, or a number and KiB, MiB or GiB".to_owned();
    let (number, unit) = split(text).ok_or_else(wanted)?;
    let bytes_per_unit = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wanted()),
    };
    number.checked_mul(bytes_per_unit).ok_or_else(wanted)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("72h"), Ok(Duration::from_secs(72 * 3600)));
        assert_eq!(duration("30 d"), Ok(Duration::from_secs(30 * 86_400)));
        for wrong in ["", "10", "s", "1.5s", "-1s", "10 weeks", "99999999999999999999s", "999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("1 MiB"), Ok(1 << 20));
        for wrong in ["", "KiB", "64KB", "-1", "99999999999GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong:?}");
        }
    }
}
