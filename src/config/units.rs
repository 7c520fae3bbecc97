//! Values with a unit, as a person writes them: sizes, durations, outputs, and the level of redaction.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Deserializer, de};

/// What stands in the records in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Redact {
    /// Everything; only for captures without secrets
    None,
    /// Credentials and sensitive values are masked, the rest of path and headers is kept
    #[default]
    Standard,
    /// Names of headers and templates of paths, no values at all
    Strict,
}

impl Redact {
    /// As it is written on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

/// Where records are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output, written `-`.
    Stdout,
    /// A file; its name says how it is compressed.
    File(PathBuf),
}

impl From<OsString> for Output {
    fn from(text: OsString) -> Self {
        if text == "-" { Self::Stdout } else { Self::File(text.into()) }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => formatter.write_str("-"),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Output {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| OsString::from(text).into())
    }
}

/// A number of bytes: `65536`, `64KiB`, `1.5 GB` is not one, `1500MB` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const BYTE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text).ok_or(UnitError::NotASize)?;
        let scale = if unit.is_empty() {
            1
        } else {
            let known = BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or(UnitError::NotASize)?.1
        };
        number.checked_mul(scale).map(Self).ok_or(UnitError::TooLarge)
    }
}

impl fmt::Display for Bytes {
    /// With the largest binary unit that leaves a whole number.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole =
            BYTE_UNITS.iter().rev().take(4).find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale));
        match whole {
            Some((unit, scale)) => write!(formatter, "{}{unit}", self.0 / scale),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;
        impl de::Visitor<'_> for SizeVisitor {
            type Value = Bytes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size such as 65536 or \"64MiB\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Bytes, E> {
                Ok(Bytes(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Bytes, E> {
                number.try_into().map(Bytes).map_err(|_| E::custom(UnitError::NotASize))
            }
        }
        deserializer.deserialize_any(SizeVisitor)
    }
}

/// A span of time: `250ms`, `10s`, `2m`, `1h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

const PERIOD_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text).ok_or(UnitError::NotADuration)?;
        let (_, scale) =
            PERIOD_UNITS.iter().find(|(name, _)| *name == unit).ok_or(UnitError::NotADuration)?;
        let millis = number.checked_mul(*scale).ok_or(UnitError::TooLarge)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis % 1_000 {
            0 => write!(formatter, "{}s", millis / 1_000),
            _ => write!(formatter, "{millis}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a text is not the value it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitError {
    /// No number, or a unit that is not one of bytes.
    NotASize,
    /// No number, no unit, or one that is not of time.
    NotADuration,
    /// More than 64 bits hold.
    TooLarge,
}

impl fmt::Display for UnitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotASize => {
                "a size is a whole number of bytes, or one with kB, MB, GB, TB, KiB, MiB, GiB or TiB"
            }
            Self::NotADuration => "a duration is a whole number with its unit: ms, s, m, h or d",
            Self::TooLarge => "this is too large",
        })
    }
}

impl std::error::Error for UnitError {}

/// A whole number and the unit behind it, with or without a space between.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("64kB", 64_000),
            ("3MiB", 3 << 20),
            ("1GB", 1_000_000_000),
            ("2TiB", 2 << 40),
            ("7B", 7),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.5GiB", "-1", "64M", "64 bananas", "１"] {
            assert_eq!(text.parse::<Bytes>(), Err(UnitError::NotASize), "{text}");
        }
        assert_eq!("99999999TiB".parse::<Bytes>(), Err(UnitError::TooLarge));
    }

    #[test]
    fn durations() {
        for (text, millis) in
            [("250ms", 250), ("10s", 10_000), ("2m", 120_000), ("1 h", 3_600_000), ("0s", 0)]
        {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "10", "s", "10 S", "1m30s", "1.5s"] {
            assert_eq!(text.parse::<Period>(), Err(UnitError::NotADuration), "{text}");
        }
        assert_eq!("999999999999999999d".parse::<Period>(), Err(UnitError::TooLarge));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for bytes in [0, 1, 1_000, 1_024, 65_536, 1 << 30, (1 << 30) + 1, u64::MAX] {
            assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
        for millis in [0, 1, 999, 1_000, 60_000] {
            let period = Period(Duration::from_millis(millis));
            assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
