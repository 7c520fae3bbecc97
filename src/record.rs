//! What leaves the machine: versioned, redacted JSON.

pub mod text;
