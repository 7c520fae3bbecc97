//! Detectors: from observations to findings.
