//! What leaves the machine: versioned, redacted JSON.
//!
//! [`Writer`] turns a call or a connection into its line, in the worker; [`Writer::observation`] is what the analysis sees of
//! it, and [`parse::call`] reads the same back from the line. [`schema`] is the contract with whoever reads
//! records, [`Redaction`] says what may stand in the clear.

mod claims;
mod connection;
pub mod endpoint;
pub mod finding;
mod half;
mod json;
pub mod key;
mod memo;
mod names;
mod observe;
pub mod parse;
mod redact;
mod schema;
#[cfg(test)]
mod tests;
pub mod text;
mod view;

pub use json::{Writer, Written, append_labels, write_tail};
pub use memo::Memo;
pub use redact::{Redaction, SecretFinder, UnknownRedaction};
pub use schema::schema;
#[cfg(test)]
pub(crate) use schema::tests::checked;
