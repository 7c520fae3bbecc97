//! The seam between what a sensor saw and what is concluded from it.
//!
//! `observe` takes what a call's record carries and nothing else, so that the same code runs behind Kafka;
//! `advance` moves event time; `finish` says what is left. Nothing here does I/O or reads a clock.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::call::{Facts, Seen};
use crate::time::Timestamp;

/// A credential, told without its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Credential {
    /// `bearer`, `basic`, `jwt`, `api-key`, `cookie`, …
    pub kind: String,
    /// Keyed fingerprint of its value.
    pub fingerprint: u64,
}

/// One half of an observed call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Half {
    /// Size of the body.
    pub body_bytes: Option<u64>,
    /// Media type as the header says it, parameters included.
    pub media_type: Seen<String>,
    /// What the values say.
    pub facts: Option<Facts>,
}

/// What the analysis sees of one call: exactly what its record carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The call's id.
    pub id: u128,
    /// First byte of the request.
    pub time: Timestamp,
    /// As in the record, in microseconds.
    pub duration_us: Option<u64>,
    /// Who asked.
    pub client: SocketAddr,
    /// Who was asked.
    pub server: SocketAddr,
    /// As in the record: `http/1.1`.
    pub protocol: String,
    /// As in the record.
    pub method: Option<String>,
    /// Host or authority.
    pub authority: Seen<String>,
    /// Path with query, credentials in it masked.
    pub path: Option<String>,
    /// Three digits.
    pub status: Option<u16>,
    /// The request.
    pub request: Half,
    /// The response.
    pub response: Half,
    /// Who called.
    pub credential: Seen<Credential>,
    /// The record's route.
    pub route: String,
    /// Nothing of it is missing.
    pub complete: bool,
}

/// What the analysis adds to a call's record, last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// Host name without port, or the server's address.
    pub service: Option<Arc<str>>,
    /// The path's template.
    pub template: Option<Arc<str>>,
    /// Id of the operation.
    pub operation: Option<Arc<str>>,
}
