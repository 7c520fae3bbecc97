//! Numbers as a person reads them.

/// `1,234,567`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most five columns: `9,999`, `12.3k`, `179k`, `1.2M`.
pub(super) fn short(value: u64) -> String {
    let (divisor, unit) = match value {
        0..10_000 => return count(value),
        10_000..999_500 => (1e3, "k"),
        999_500..999_500_000 => (1e6, "M"),
        999_500_000..999_500_000_000 => (1e9, "G"),
        _ => (1e12, "T"),
    };
    let scaled = value as f64 / divisor;
    if scaled < 99.95 { format!("{scaled:.1}{unit}") } else { format!("{scaled:.0}{unit}") }
}

/// `1 frame`, `2 frames`.
pub(super) fn of(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// `999 B`, `1.5 kB`, `440.2 MB`: powers of 1000, as on the labels of disks and links.
pub(super) fn bytes(value: u64) -> String {
    let (divisor, unit) = match value {
        0..1_000 => return format!("{value} B"),
        1_000..999_950 => (1e3, "kB"),
        999_950..999_950_000 => (1e6, "MB"),
        999_950_000..999_950_000_000 => (1e9, "GB"),
        _ => (1e12, "TB"),
    };
    format!("{:.1} {unit}", value as f64 / divisor)
}

/// A latency: `850 µs`, `12.3 ms`, `1.20 s`.
pub(super) fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..99_950 => format!("{:.1} ms", us as f64 / 1e3),
        99_950..999_500 => format!("{:.0} ms", us as f64 / 1e3),
        _ => format!("{:.2} s", us as f64 / 1e6),
    }
}

/// How long a capture lasts: `350 ms`, `12.5 s`, `4 min 5 s`, `3 h 20 min`, `2 d 4 h`.
pub(super) fn duration(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let seconds = ns / SECOND;
    match seconds {
        0 => format!("{} ms", ns / 1_000_000),
        1..60 => format!("{:.1} s", (ns / 100_000_000) as f64 / 10.0),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_between_units() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), text);
        }
        for (value, text) in [
            (9_999, "9,999"),
            (10_000, "10.0k"),
            (99_949, "99.9k"),
            (99_950, "100k"),
            (999_499, "999k"),
            (999_500, "1.0M"),
            (1_234_567_890, "1.2G"),
        ] {
            assert_eq!(short(value), text);
        }
        for (value, text) in [
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (440_200_000, "440.2 MB"),
            (999_950_000, "1.0 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.0 ms"),
            (99_949, "99.9 ms"),
            (99_950, "100 ms"),
            (999_499, "999 ms"),
            (999_500, "1.00 s"),
        ] {
            assert_eq!(latency(value), text);
        }
        for (value, text) in [
            (0, "0 ms"),
            (999_999_999, "999 ms"),
            (59_999_999_999, "59.9 s"),
            (245_000_000_000, "4 min 5 s"),
            (12_000_000_000_000, "3 h 20 min"),
            (187_200_000_000_000, "2 d 4 h"),
        ] {
            assert_eq!(duration(value), text);
        }
    }
}
