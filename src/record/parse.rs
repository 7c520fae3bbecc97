//! A call's line → what the analysis sees of it: the way back, for whoever reads records from Kafka or a file.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Deserializer};

use crate::analysis::{Credential, Half, Observation};
use crate::call::{Facts, Leaf, Protocol, Seen};
use crate::time::Timestamp;

/// Why a line is no call.
#[derive(Debug)]
pub enum ParseError {
    /// It is no JSON object with the fields of a call.
    Json(serde_json::Error),
    /// It is a record of another type.
    NotACall,
    /// It is of a version that this reader does not know.
    Version(u64),
    /// A field's text is not what the schema says; its name.
    Field(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(formatter, "not a call record: {error}"),
            Self::NotACall => formatter.write_str("a record of another type"),
            Self::Version(version) => {
                write!(formatter, "a call record of version {version}, which is not known")
            }
            Self::Field(name) => write!(formatter, "the call's field {name} is malformed"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads one line. Fields that the analysis does not use are passed over, so that a newer sensor may write more.
///
/// # Errors
/// The line is no call record of a version that is known.
pub fn call(line: &[u8]) -> Result<Observation, ParseError> {
    let raw: Raw = serde_json::from_slice(line).map_err(ParseError::Json)?;
    if raw.kind != "call" {
        return Err(ParseError::NotACall);
    }
    if raw.version != 1 {
        return Err(ParseError::Version(raw.version));
    }
    let continues = raw.protocol == Protocol::WebSocket.name() || raw.part.is_some_and(|part| part > 0);
    Ok(Observation {
        id: hex(&raw.id, 32).ok_or(ParseError::Field("id"))?,
        time: time(&raw.time).ok_or(ParseError::Field("time"))?,
        duration_us: raw.duration_us,
        client: SocketAddr::new(raw.client.ip, raw.client.port),
        server: SocketAddr::new(raw.server.ip, raw.server.port),
        protocol: raw.protocol,
        method: raw.method,
        authority: raw.authority.0,
        path: raw.path,
        status: raw.status,
        request: half(raw.request)?,
        response: half(raw.response)?,
        credential: match raw.credential.0 {
            Seen::Known(found) => {
                let fingerprint = hex(&found.fingerprint, 16).ok_or(ParseError::Field("credential"))? as u64;
                Seen::Known(Credential { kind: found.kind, fingerprint })
            }
            Seen::None => Seen::None,
            Seen::Unknown => Seen::Unknown,
        },
        route: raw.route,
        complete: raw.quality == "complete",
        continues,
    })
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "v")]
    version: u64,
    #[serde(default)]
    id: String,
    #[serde(default)]
    time: String,
    duration_us: Option<u64>,
    client: RawSocket,
    server: RawSocket,
    protocol: String,
    part: Option<u64>,
    method: Option<String>,
    #[serde(default)]
    authority: ThreeWay<String>,
    path: Option<String>,
    status: Option<u16>,
    request: Option<RawHalf>,
    response: Option<RawHalf>,
    #[serde(default)]
    credential: ThreeWay<RawCredential>,
    route: String,
    quality: String,
}

#[derive(Deserialize)]
struct RawSocket {
    ip: IpAddr,
    port: u16,
}

#[derive(Deserialize)]
struct RawHalf {
    body_bytes: Option<u64>,
    #[serde(default)]
    media_type: ThreeWay<String>,
    facts: Option<RawFacts>,
}

#[derive(Deserialize)]
struct RawFacts {
    leaves: Vec<RawLeaf>,
}

#[derive(Deserialize)]
struct RawLeaf {
    at: String,
    len: u64,
    classes: Vec<String>,
    fingerprint: String,
    masked: String,
}

#[derive(Deserialize)]
struct RawCredential {
    kind: String,
    fingerprint: String,
}

/// A value, `null`, or absent: serde asks for a default where a field is absent, and for a value else.
struct ThreeWay<T>(Seen<T>);

impl<T> Default for ThreeWay<T> {
    fn default() -> Self {
        Self(Seen::Unknown)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ThreeWay<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?.map_or(Seen::None, Seen::Known)))
    }
}

fn half(raw: Option<RawHalf>) -> Result<Half, ParseError> {
    let Some(raw) = raw else { return Ok(Half::default()) };
    let leaves = |facts: RawFacts| -> Result<Facts, ParseError> {
        let leaves = facts.leaves.into_iter().map(|leaf| {
            let fingerprint = hex(&leaf.fingerprint, 16).ok_or(ParseError::Field("facts"))? as u64;
            let RawLeaf { at, len, classes, masked, .. } = leaf;
            Ok(Leaf { at, len, classes, fingerprint, masked })
        });
        Ok(Facts { leaves: leaves.collect::<Result<_, ParseError>>()? })
    };
    let facts = raw.facts.map(leaves).transpose()?;
    Ok(Half { body_bytes: raw.body_bytes, media_type: raw.media_type.0, facts })
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let all_digits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if all_digits { u128::from_str_radix(text, 16).ok() } else { None }
}

/// RFC 3339 in UTC, with up to nine decimals: `2025-03-07T09:41:07.12Z`.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z')?;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let (day, clock) = whole.split_once('T')?;
    let [year, month, date] = numbers(day, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if !(1970..=2554).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    if !(1..=31).contains(&date) || decimals.len() > 9 || !decimals.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let fraction: u64 = if decimals.is_empty() { 0 } else { decimals.parse().ok()? };
    let nanos = fraction * 10_u64.pow(9 - decimals.len() as u32);
    let seconds = days(year, month, date) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

fn numbers(text: &str, between: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut values = [0; 3];
    for (value, width) in values.iter_mut().zip(widths) {
        let part =
            parts.next().filter(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_digit()))?;
        *value = part.parse().ok()?;
    }
    parts.next().is_none().then_some(values)
}

/// Days since the epoch of a date in the Gregorian calendar, years counted from March.
fn days(year: u64, month: u64, date: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + date - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..20_000 {
            let written = Timestamp::from_nanos(random.u64(..));
            assert_eq!(time(&written.to_string()), Some(written));
        }
        assert_eq!(time("1970-01-01T00:00:01.5Z"), Some(Timestamp::from_nanos(1_500_000_000)));
        for text in [
            "",
            "Z",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "1969-01-01T00:00:00Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T24:00:00Z",
            "2554-12-31T00:00:00Z",
            "+970-01-01T00:00:00Z",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn other_lines_are_refused_by_name() {
        let mut call_line = serde_json::json!({"type": "call", "v": 1, "id": "0".repeat(32), "sensor": "s",
            "time": "1970-01-01T00:00:00Z", "client": {"ip": "::1", "port": 1}, "server": {"ip": "::1", "port": 2},
            "protocol": "http/1.1", "route": "r", "quality": "complete", "a field of the future": {}});
        let parsed = |value: &serde_json::Value| call(value.to_string().as_bytes());
        assert!(parsed(&call_line).is_ok());
        call_line["v"] = 2.into();
        assert!(matches!(parsed(&call_line), Err(ParseError::Version(2))));
        call_line["v"] = 1.into();
        call_line["id"] = "xyz".into();
        assert!(matches!(parsed(&call_line), Err(ParseError::Field("id"))));
        call_line["type"] = "finding".into();
        assert!(matches!(parsed(&call_line), Err(ParseError::NotACall)));
        assert!(matches!(call(b"{"), Err(ParseError::Json(_))));
        assert!(matches!(call(b"\xff"), Err(ParseError::Json(_))));
    }
}
