//! What leaves the machine: versioned, redacted JSON.

pub mod endpoint;
pub mod finding;
