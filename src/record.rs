//! What leaves the machine: versioned, redacted JSON.
